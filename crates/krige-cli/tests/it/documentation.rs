//! What the documentation says that the process answers is what it answers.

use serde_json::Value;

use crate::session::Session;

const PAGE: &str = include_str!("../../../../docs/stdio.md");

/// Equal, but for the last digits of numbers: they depend on the machine's exponential function.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-3 * (1.0 + a.abs()),
            _ => false,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        _ => a == b,
    }
}

#[test]
fn the_transcript_is_true() {
    let mut session = Session::start();
    let mut lines = PAGE.lines().filter_map(|line| line.split_once(' ')).peekable();
    let mut count = 0;
    while let Some((mark, request)) = lines.next() {
        if mark != "→" {
            continue;
        }
        count += 1;
        if request == r#"{"cmd":"bye"}"# {
            session.send_without_reply(request.as_bytes());
            continue;
        }
        let reply = session.send(request.as_bytes());
        let (mark, written) = lines.next().expect("a reply follows each request");
        assert_eq!(mark, "←", "{request}");
        let written: Value = serde_json::from_str(written).expect("replies are JSON");
        assert!(
            alike(&reply, &written),
            "{request}\nis answered by\n{reply}\nand not by\n{written}"
        );
    }
    assert!(count >= 10, "the transcript was not found");
    assert_eq!(session.end(), (Some(0), String::new()));
}

/// The requests in the README are followed by their replies.
#[test]
fn the_readme_is_true() {
    let readme = include_str!("../../../../README.md");
    let (_, section) = readme.split_once("## From any language").expect("a section");
    let (section, _) = section.split_once("\n## ").expect("another section");
    let objects: Vec<&str> = section.lines().filter(|line| line.starts_with('{')).collect();
    let (requests, replies) = objects.split_at(objects.len() / 2);
    assert_eq!(requests.len(), 4);
    let mut session = Session::start();
    for (request, written) in requests.iter().zip(replies) {
        let written = serde_json::from_str(written).expect("replies are JSON");
        assert!(alike(&session.send(request.as_bytes()), &written), "{request} {written}");
    }
}
