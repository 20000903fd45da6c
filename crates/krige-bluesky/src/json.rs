//! JSON as Python writes it.
//!
//! Python's encoder writes `NaN`, `Infinity` and `-Infinity`, which are no JSON, and escapes halves of surrogate pairs,
//! which are no text; both can be in what a user once submitted, and are then in every later reply about the queue or
//! the history, and in documents. Here the first become null, and the second the replacement character.

use serde_json::Value;

/// Reads JSON from Python.
///
/// # Errors
/// If it is not even that.
pub(crate) fn from_python(bytes: &[u8]) -> Result<Value, serde_json::Error> {
    serde_json::from_slice(bytes).or_else(|error| match repaired(bytes) {
        Some(repaired) => serde_json::from_slice(&repaired),
        None => Err(error),
    })
}

/// The same with what JSON does not have replaced; `None` if there is no such thing.
fn repaired(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut changed = false;
    let mut in_string = false;
    let mut rest = bytes;
    while let Some(&byte) = rest.first() {
        let (taken, written): (usize, &[u8]) = if in_string {
            match byte {
                b'\\' => match escaped_unit(rest) {
                    Some(0xD800..=0xDBFF)
                        if matches!(
                            rest.get(6..).and_then(escaped_unit),
                            Some(0xDC00..=0xDFFF)
                        ) =>
                    {
                        (12, &rest[..12])
                    }
                    Some(0xD800..=0xDFFF) => (6, b"\\ufffd"),
                    _ => {
                        let pair = &rest[..rest.len().min(2)];
                        (pair.len(), pair)
                    }
                },
                _ => {
                    in_string = byte != b'"';
                    (1, &rest[..1])
                }
            }
        } else {
            in_string = byte == b'"';
            [&b"NaN"[..], b"Infinity", b"-Infinity"]
                .into_iter()
                .find(|word| rest.starts_with(word))
                .map_or((1, &rest[..1]), |word| (word.len(), b"null"))
        };
        changed |= rest[..taken] != *written;
        out.extend_from_slice(written);
        rest = &rest[taken..];
    }
    changed.then_some(out)
}

/// The code unit of the `\uXXXX` that the bytes begin with.
fn escaped_unit(bytes: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(bytes.strip_prefix(b"\\u")?.get(..4)?).ok()?;
    // `from_str_radix` would take a sign.
    digits.bytes().all(|digit| digit.is_ascii_hexdigit()).then_some(())?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// `json.dumps({"a": [float("nan"), float("inf"), float("-inf")], "b": "NaN \" -Infinity", "c": "\ud800x\U0001f600"})`
    /// of Python 3.11.
    #[test]
    fn what_python_writes_is_read() {
        let written = br#"{"a": [NaN, Infinity, -Infinity], "b": "NaN \" -Infinity", "c": "\ud800x\ud83d\ude00"}"#;
        assert_eq!(
            from_python(written).unwrap(),
            json!({"a": [null, null, null], "b": "NaN \" -Infinity", "c": "\u{fffd}x\u{1f600}"})
        );
    }

    #[test]
    fn what_is_no_json_stays_none() {
        for text in ["", "{", "NaNa", "\"\\", "\"\\ud8", "[Infinit]", "not json"] {
            assert!(from_python(text.as_bytes()).is_err(), "{text}");
        }
    }

    /// A value with nulls, and any strings; and the same text with every null written as one of Python's words.
    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
            "(NaN|-?Infinity|\\\\|\"|u[0-9a-fA-F]{4}| )*".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::vec(("(NaN|\"|\\\\|.)*", inner), 0..4)
                    .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn with_words(value: &Value, word: &str) -> String {
        match value {
            Value::Null => word.to_owned(),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| with_words(item, word)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::Object(fields) => {
                let fields: Vec<_> = fields
                    .iter()
                    .map(|(name, value)| format!("{}: {}", json!(name), with_words(value, word)))
                    .collect();
                format!("{{{}}}", fields.join(", "))
            }
            other => other.to_string(),
        }
    }

    proptest! {
        #[test]
        fn words_become_null_and_nothing_else_changes(
            value in value(),
            word in prop_oneof![Just("null"), Just("NaN"), Just("Infinity"), Just("-Infinity")],
        ) {
            let written = with_words(&value, word);
            prop_assert_eq!(from_python(written.as_bytes()).unwrap(), value);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(b'\\'), Just(b'"'), Just(b'u'), Just(b'd'), Just(b'8')], 0..40,
        )) {
            let _ = from_python(&bytes);
        }
    }
}
