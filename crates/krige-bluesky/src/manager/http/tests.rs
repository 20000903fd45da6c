//! The HTTP transport against a server that plays one exchange.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use serde_json::json;

use super::*;
use crate::manager::{ItemRef, ReManager, RefusalKind};

/// A server that takes one request, gives one reply and goes. It gives the request.
fn server(reply: String) -> (ReManager, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let mut stream = BufReader::new(listener.accept().unwrap().0);
        let mut request = String::new();
        while !request.ends_with("\r\n\r\n") {
            assert_ne!(stream.read_line(&mut request).unwrap(), 0);
        }
        let head = request.to_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        stream.read_exact(&mut body).unwrap();
        stream.get_mut().write_all(reply.as_bytes()).unwrap();
        request + &String::from_utf8(body).unwrap()
    });
    (ReManager::connect(url).api_key("secret").user("alice").build().unwrap(), served)
}

fn reply(status: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// How a call fails that the server answers so.
fn failure(status: &str, body: &str) -> ManagerError {
    let (manager, served) = server(reply(status, body));
    let error = manager.queue_start().unwrap_err();
    served.join().unwrap();
    error
}

#[test]
fn reads_are_gets_with_a_body_and_a_key_and_without_a_user() {
    let (manager, served) = server(reply("200 OK", r#"{"success": true, "plans_allowed": {}}"#));
    assert!(manager.plans_allowed().unwrap().is_empty());
    let request = served.join().unwrap();
    assert!(request.starts_with("GET /api/plans/allowed HTTP/1.1\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\nauthorization: apikey secret\r\n"), "{request}");
    assert!(request.to_lowercase().contains("\r\ncontent-type: application/json\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\n{}"), "{request}");

    let (manager, served) =
        server(reply("200 OK", r#"{"success": false, "msg": "Queue is empty"}"#));
    let refused = manager.queue_item_get(&ItemRef::Front).unwrap_err();
    assert!(matches!(refused, ManagerError::Refused { kind: RefusalKind::NoSuchItem, .. }));
    let request = served.join().unwrap();
    assert!(request.starts_with("GET /api/queue/item/get HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with(r#"{"pos":"front"}"#), "{request}");
}

#[test]
fn what_the_server_keeps_is_read_again() {
    let params = json!({"option": "open", "user": "u", "user_group": "g"});
    let sent = accepted(Method::ReRuns, params.as_object().unwrap());
    assert_eq!(sent, json!({"option": "open", "reload": true}));
}

#[test]
fn statuses_of_http_have_their_meanings() {
    let error = failure("408 Request Timeout", r#"{"detail": "Request timeout: ZMQ"}"#);
    assert!(matches!(error, ManagerError::Timeout { may_have_been_executed: true, .. }));
    assert!(error.to_string().contains("HTTP 408: Request timeout: ZMQ"), "{error}");
    let error = failure("401 Unauthorized", r#"{"detail": "Invalid API key"}"#);
    assert!(matches!(error, ManagerError::Unauthorized { .. }));
    let text = error.to_string();
    assert!(text.contains("HTTP 401: Invalid API key"), "{text}");
    assert!(text.contains("`QSERVER_HTTP_SERVER_SINGLE_USER_API_KEY`"), "{text}");
    assert!(!text.contains("secret"), "{text}");
    let error = failure("405 Method Not Allowed", r#"{"detail": "Method Not Allowed"}"#);
    assert!(matches!(error, ManagerError::Unsupported { .. }));
    let error = failure("422 Unprocessable Entity", r#"{"detail": [{"type": "json_invalid"}]}"#);
    assert!(matches!(error, ManagerError::Protocol { .. }));
    assert!(error.to_string().contains(r#"HTTP 422: [{"type":"json_invalid"}]"#), "{error}");
    let error = failure("307 Temporary Redirect\r\nLocation: http://127.0.0.1:1/", "");
    assert!(matches!(error, ManagerError::Protocol { .. }), "{error:?}");
    let error = failure("502 Bad Gateway", "<html>");
    assert!(matches!(error, ManagerError::ConnectionLost { may_have_been_executed: true, .. }));
    let error = failure("200 OK", "<html>");
    assert!(matches!(error, ManagerError::Protocol { .. }), "{error:?}");
    assert!(error.may_have_been_executed());
}

#[test]
fn a_reply_that_breaks_off_says_nothing_about_the_effect() {
    for reply in ["", "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{\"success\""] {
        let (manager, served) = server(reply.to_owned());
        let error = manager.queue_start().unwrap_err();
        served.join().unwrap();
        assert!(error.may_have_been_executed() && error.is_transient(), "{error:?}");
        let (manager, served) = server(reply.to_owned());
        let error = manager.status().unwrap_err();
        served.join().unwrap();
        assert!(!error.may_have_been_executed() && error.is_transient(), "{error:?}");
    }
}
