//! Documents in JSON, as Python writes it.

use std::borrow::Cow;

use serde_json::Value;

/// What Python's `json` writes and JSON does not have.
const WORDS: [&[u8]; 3] = [b"NaN", b"-Infinity", b"Infinity"];

pub(super) fn decode(payload: &[u8]) -> Result<Value, String> {
    serde_json::from_slice(&without_words(payload)).map_err(|error| error.to_string())
}

/// The text with null for numbers that are not finite.
fn without_words(text: &[u8]) -> Cow<'_, [u8]> {
    if !WORDS.iter().any(|word| text.windows(word.len()).any(|window| window == *word)) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    let mut quoted = false;
    while let Some((&byte, after)) = rest.split_first() {
        let word = WORDS.iter().find(|word| !quoted && rest.starts_with(word));
        let used = match (word, byte) {
            (Some(word), _) => {
                out.extend_from_slice(b"null");
                rest = &rest[word.len()..];
                continue;
            }
            (None, b'\\') if quoted => 1 + usize::from(!after.is_empty()),
            (None, b'"') => {
                quoted = !quoted;
                1
            }
            (None, _) => 1,
        };
        out.extend_from_slice(&rest[..used]);
        rest = &rest[used..];
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// `json.dumps({"a": [nan, inf, -inf, 1.5], "NaN": 'say "NaN\\" Infinity', "b": {"c": nan}})` of Python 3.11.
    #[test]
    fn python_s_words_are_null() {
        let text =
            br#"{"a": [NaN, Infinity, -Infinity, 1.5], "NaN": "say \"NaN\\\" Infinity", "b": {"c": NaN}}"#;
        let expected = json!({
            "a": [null, null, null, 1.5], "NaN": r#"say "NaN\" Infinity"#, "b": { "c": null }
        });
        assert_eq!(decode(text), Ok(expected));
        assert!(decode(b"[NaNa]").is_err());
        assert!(decode(b"\"NaN\\").is_err());
    }
}
