//! Live tests of `krige_bluesky::zmtp`: against the 0MQ library that a RE Manager runs on.

use std::time::{Duration, Instant};

use krige_bluesky::zmtp::{Phase, Requester, Security, ServerKey, Subscriber, ZmtpError};
use krige_testkit::BlueskyStack;
use serde_json::Value;

const PING: &[u8] = br#"{"method":"ping","params":{}}"#;

fn within(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn ping(requester: &mut Requester) {
    let reply = requester.request(PING, within(10)).expect("the manager answers");
    let reply: Value = serde_json::from_slice(&reply).expect("it answers in JSON");
    assert_eq!(reply["manager_state"], "idle");
}

#[test]
fn a_manager_in_clear() {
    let stack = BlueskyStack::start(Some("redis manager"), &[]);
    let control = &stack.addresses().control_addr;

    let mut requester = Requester::connect(control, &Security::Null, within(10)).unwrap();
    for _ in 0..100 {
        ping(&mut requester);
    }
    let long = format!(r#"{{"method":"ping","params":{{"note":"{}"}}}}"#, "x".repeat(1 << 20));
    assert!(requester.request(long.as_bytes(), within(10)).is_ok());

    let mut info =
        Subscriber::connect(&stack.addresses().info_addr, &Security::Null, within(10)).unwrap();
    info.subscribe(b"QS_Info", within(10)).unwrap();
    let message = info.receive(within(10)).unwrap().expect("there is one every second");
    assert_eq!(message[0], b"QS_Info");
    let status: Value = serde_json::from_slice(&message[1]).unwrap();
    assert_eq!(status["msg"]["status"]["manager_state"], "idle");
    // Console messages are of a topic that nobody subscribed to.
    assert_eq!(message.len(), 2);

    let key = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7".parse().unwrap();
    let encrypted = Requester::connect(control, &Security::Curve(key), within(10));
    assert!(matches!(
        encrypted,
        Err(ZmtpError::MechanismMismatch { expected: "CURVE", ref found }) if found == "NULL"
    ));
    let wrong_port =
        Requester::connect(&stack.addresses().info_addr, &Security::Null, within(10)).unwrap_err();
    assert!(
        wrong_port.to_string().ends_with("(the likely reason is a wrong port)"),
        "{wrong_port:?}"
    );

    stack.service("pause", "manager");
    let late = requester.request(PING, within(1));
    assert!(matches!(late, Err(ZmtpError::TimedOut { phase: Phase::Receiving })), "{late:?}");
    assert!(matches!(requester.request(PING, within(10)), Err(ZmtpError::Unusable)));
    stack.service("cont", "manager");
    let mut requester = Requester::connect(control, &Security::Null, within(10)).unwrap();
    ping(&mut requester);

    stack.service("stop", "manager");
    let lost = requester.request(PING, within(10));
    assert!(matches!(lost, Err(ZmtpError::Closed { .. })), "{lost:?}");
    assert!(matches!(
        Requester::connect(control, &Security::Null, within(10)),
        Err(ZmtpError::Unreachable { .. })
    ));
}

#[test]
fn a_manager_behind_curve() {
    let stack = BlueskyStack::start(Some("redis manager"), &[("STACK_CURVE", "1")]);
    let control = &stack.addresses().control_addr;
    let key: ServerKey =
        stack.addresses().curve_public_key.as_ref().expect("it was asked for").parse().unwrap();

    let mut requester = Requester::connect(control, &Security::Curve(key), within(10)).unwrap();
    for _ in 0..100 {
        ping(&mut requester);
    }
    let long = format!(r#"{{"method":"ping","params":{{"note":"{}"}}}}"#, "x".repeat(1 << 20));
    assert!(requester.request(long.as_bytes(), within(10)).is_ok());

    let wrong = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7".parse().unwrap();
    let refused = Requester::connect(control, &Security::Curve(wrong), within(2));
    assert!(
        matches!(
            refused,
            Err(ZmtpError::TimedOut { phase: Phase::CurveHandshake }
                | ZmtpError::Closed { phase: Phase::CurveHandshake })
        ),
        "{refused:?}"
    );
    let in_clear = Requester::connect(control, &Security::Null, within(10)).unwrap_err();
    assert!(
        matches!(in_clear, ZmtpError::MechanismMismatch { expected: "NULL", ref found } if found == "CURVE"),
        "{in_clear:?}"
    );
    assert!(in_clear.to_string().ends_with("give the server's public key"));
    ping(&mut requester);
}
