//! Documents in msgpack, with numpy's numbers and arrays.
//!
//! The Python package msgpack-numpy (0.4.8, `encode`) writes these as maps whose keys are byte strings: a number as
//! `{nd: false, type: "<f8", data: bytes}`, an array as `{nd: true, type: "<f8", kind: "", shape: [...], data: bytes}`.

use rmpv::Value as Packed;
use serde_json::{Map, Value};

use super::{MAX_DEPTH, number};

pub(super) fn decode(payload: &[u8]) -> Result<Value, String> {
    let mut rest = payload;
    let packed = rmpv::decode::read_value_with_max_depth(&mut rest, MAX_DEPTH)
        .map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err(format!("{} bytes after its end", rest.len()));
    }
    plain(packed)
}

fn plain(packed: Packed) -> Result<Value, String> {
    Ok(match packed {
        Packed::Nil => Value::Null,
        Packed::Boolean(truth) => truth.into(),
        Packed::Integer(integer) => match integer.as_i64() {
            Some(value) => value.into(),
            None => integer.as_u64().into(),
        },
        Packed::F32(value) => number(value.into()),
        Packed::F64(value) => number(value),
        Packed::String(text) => text.into_str().ok_or("text that is not UTF-8")?.into(),
        Packed::Array(items) => items.into_iter().map(plain).collect::<Result<_, _>>()?,
        Packed::Map(entries) if entries.iter().any(|(key, _)| is(key, b"nd")) => numpy(&entries)?,
        Packed::Map(entries) => entries
            .into_iter()
            .map(|(key, value)| Ok((text_key(key)?, plain(value)?)))
            .collect::<Result<Map<_, _>, String>>()?
            .into(),
        Packed::Binary(_) => return Err("bytes, which are no data of a document".to_owned()),
        Packed::Ext(kind, _) => return Err(format!("an extension of msgpack (type {kind})")),
    })
}

/// Python's maps may have numbers for keys; as in JSON they become text.
fn text_key(key: Packed) -> Result<String, String> {
    match key {
        Packed::String(text) => text.into_str().ok_or_else(|| "text that is not UTF-8".to_owned()),
        Packed::Integer(integer) => Ok(integer.to_string()),
        _ => Err("expected text for a key".to_owned()),
    }
}

fn is(key: &Packed, name: &[u8]) -> bool {
    matches!(key, Packed::Binary(bytes) if bytes == name)
}

fn numpy(entries: &[(Packed, Packed)]) -> Result<Value, String> {
    let field = |name: &[u8]| entries.iter().find(|(key, _)| is(key, name)).map(|(_, value)| value);
    let (Some(kind), Some(data)) =
        (field(b"type").and_then(Packed::as_str), field(b"data").and_then(Packed::as_slice))
    else {
        return Err("a numpy object that is neither a number nor a plain array".to_owned());
    };
    let (size, read) = reader(kind).ok_or_else(|| format!("numpy data of the type `{kind}`"))?;
    let shape: Vec<usize> = match field(b"shape").and_then(Packed::as_array) {
        None => Vec::new(),
        Some(shape) => shape
            .iter()
            .map(|length| length.as_u64().and_then(|length| usize::try_from(length).ok()))
            .collect::<Option<_>>()
            .ok_or("a numpy array of a shape that is none")?,
    };
    let expected = shape.iter().try_fold(size, |bytes, length| bytes.checked_mul(*length));
    if shape.len() > MAX_DEPTH || expected != Some(data.len()) {
        return Err(format!("a numpy array of shape {shape:?} and {} bytes", data.len()));
    }
    if data.is_empty() {
        // Lists in an empty list would be as many as the shape claims.
        return Ok(Value::Array(Vec::new()));
    }
    Ok(nested(data, &shape, &read))
}

/// Nested lists, the last axis innermost; without an axis, the number itself.
fn nested(data: &[u8], shape: &[usize], read: &dyn Fn(&[u8]) -> Value) -> Value {
    match shape.split_first() {
        None => read(data),
        Some((&length, inner)) => {
            data.chunks(data.len() / length).map(|part| nested(part, inner, read)).collect()
        }
    }
}

/// The size in bytes of a numpy type, and what reads a value of this size.
fn reader(kind: &str) -> Option<(usize, impl Fn(&[u8]) -> Value)> {
    let (order, kind) = kind.split_at_checked(1)?;
    let (kind, size) = kind.split_at_checked(1)?;
    let size: usize = size.parse().ok()?;
    let big_endian = match order {
        "<" | "|" | "=" => false,
        ">" => true,
        _ => return None,
    };
    let kind = match (kind, size) {
        ("b", 1) => 'b',
        ("i", 1 | 2 | 4 | 8) => 'i',
        ("u", 1 | 2 | 4 | 8) => 'u',
        ("f", 4) => 'f',
        ("f", 8) => 'd',
        _ => return None,
    };
    let read = move |bytes: &[u8]| {
        // The value in its lowest bytes, whatever its size and order.
        let mut low = [0; 8];
        low[..size].copy_from_slice(bytes);
        if big_endian {
            low[..size].reverse();
        }
        let bits = u64::from_le_bytes(low);
        match kind {
            'b' => (bits != 0).into(),
            'i' => {
                let unused = 64 - 8 * size;
                (((bits << unused) as i64) >> unused).into()
            }
            'u' => bits.into(),
            'f' => number(f32::from_bits(bits as u32).into()),
            _ => number(f64::from_bits(bits)),
        }
    };
    Some((size, read))
}

#[cfg(test)]
mod tests;
