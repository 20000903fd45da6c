//! Values keep their type and their bits.

use proptest::prelude::*;

use super::*;

fn sample() -> Parameterization {
    [("x1", ParameterValue::from(0.5)), ("k", 3.into()), ("b", true.into()), ("c", "s".into())]
        .into()
}

#[test]
fn json_scalars_keep_their_type() {
    let json = r#"{"f":1.0,"i":1,"n":-2,"b":true,"s":"1"}"#;
    let read: Parameterization = serde_json::from_str(json).unwrap();
    assert_eq!(read.get("f"), Some(&ParameterValue::Float(1.0)));
    assert_eq!(read.get("i"), Some(&ParameterValue::Int(1)));
    assert_eq!(read.get("n"), Some(&ParameterValue::Int(-2)));
    assert_eq!(read.get("s"), Some(&ParameterValue::from("1")));
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
}

#[test]
fn json_refuses_what_is_not_a_scalar() {
    let refused = |json: &str| serde_json::from_str::<ParameterValue>(json).unwrap_err();
    assert!(refused("null").to_string().contains("a finite number, a bool or a string"));
    assert!(refused("[1]").to_string().contains("a finite number, a bool or a string"));
    assert!(refused("9223372036854775808").to_string().contains("an integer below 2^63"));
    let nan = serde_json::to_string(&ParameterValue::Float(f64::NAN)).unwrap_err();
    assert_eq!(nan.to_string(), "expected a finite number as a parameter value, found NaN");
    let infinite = serde::de::value::F64Deserializer::<serde::de::value::Error>::new;
    assert!(ParameterValue::deserialize(infinite(f64::INFINITY)).is_err());
}

#[test]
fn accessors_read_their_type() {
    let p = sample();
    assert_eq!(p.float("x1"), Ok(0.5));
    assert_eq!(p.float("k"), Ok(3.0));
    assert_eq!(p.int("k"), Ok(3));
    assert_eq!(p.bool("b"), Ok(true));
    assert_eq!(p.string("c"), Ok("s"));
}

#[test]
fn accessors_tell_what_they_found() {
    let p = sample();
    assert_eq!(
        p.float("y").unwrap_err().to_string(),
        "expected a parameter named `y`, found only `x1`, `k`, `b`, `c`"
    );
    assert_eq!(
        p.int("x1").unwrap_err().to_string(),
        "expected parameter `x1` to be of type int, found the float `0.5`"
    );
    assert_eq!(
        p.string("b").unwrap_err().to_string(),
        "expected parameter `b` to be of type string, found the bool `true`"
    );
    assert!(p.bool("c").is_err() && p.float("c").is_err());
    assert!(Parameterization::default().int("k").unwrap_err().to_string().ends_with("none"));
}

#[test]
fn display_reads_like_an_assignment() {
    assert_eq!(sample().to_string(), "{x1: 0.5, k: 3, b: true, c: s}");
    assert_eq!(ParameterValue::from(1e300).to_string(), "1e300");
    assert_eq!(ParameterValue::from(2.0).to_string(), "2.0");
}

#[test]
fn signature_ignores_order_only() {
    let ab = Parameterization::from([("a", 1.0), ("b", -0.0)]);
    let ba = Parameterization::from([("b", 0.0), ("a", 1.0)]);
    assert_eq!(ab.signature(), ba.signature());
    assert_eq!(ab.signature(), r#"{"a":1.0,"b":0.0}"#);
    assert_ne!(Parameterization::from([("a", 1)]).signature(), {
        Parameterization::from([("a", 1.0)]).signature()
    });
    // A text cannot be mistaken for two assignments.
    let sly = Parameterization::from([("a", "1\",\"b\":\"2")]);
    let plain = Parameterization::from([("a", "1"), ("b", "2")]);
    assert_ne!(sly.signature(), plain.signature());
}

proptest! {
    #[test]
    fn floats_survive_json_and_display(bits: u64) {
        let x = f64::from_bits(bits);
        prop_assume!(x.is_finite());
        let value = ParameterValue::Float(x);
        let json = serde_json::to_string(&value).unwrap();
        let Ok(ParameterValue::Float(read)) = serde_json::from_str(&json) else {
            return Err(TestCaseError::fail(json));
        };
        prop_assert_eq!(read.to_bits(), x.to_bits());
        prop_assert_eq!(value.to_string().parse::<f64>().unwrap().to_bits(), x.to_bits());
    }
}
