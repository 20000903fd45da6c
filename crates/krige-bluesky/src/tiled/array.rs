//! Arrays of numbers.

use std::fmt;

use super::client::TiledClient;
use super::error::TiledError;
use super::node::{ArrayStructure, DataType, Endianness, Structure, pair};

/// What of an array is read at once.
const LARGEST: u64 = 1 << 30;

/// An array of numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct ArrayData {
    /// How many elements it has in each dimension.
    pub shape: Vec<usize>,
    /// The elements, the last index running fastest. Integers beyond 2^53 are rounded; a boolean is 0 or 1.
    pub data: Vec<f64>,
}

/// What to read of one dimension of an array.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slice {
    /// One index; the dimension goes.
    Index(usize),
    /// From the first index up to the second, which does not belong to it.
    Range(usize, usize),
    /// All of it.
    All,
}

impl fmt::Display for Slice {
    /// Writes it as Python does.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Range(start, stop) => write!(f, "{start}:{stop}"),
            Self::All => f.write_str(":"),
        }
    }
}

impl TiledClient {
    /// An array, whole: two requests, at most 1 GiB.
    ///
    /// # Errors
    /// [`TiledError::NotFound`] if there is no array of that path, [`TiledError::DataType`] if it does not hold numbers,
    /// [`TiledError::TooLarge`].
    pub fn array(&self, path: &str) -> Result<ArrayData, TiledError> {
        self.array_slice(path, &[])
    }

    /// A part of an array; dimensions that no slice is given for are read whole.
    ///
    /// # Errors
    /// As of [`array`](Self::array); [`TiledError::Protocol`] for an index beyond the end.
    pub fn array_slice(&self, path: &str, slices: &[Slice]) -> Result<ArrayData, TiledError> {
        match self.metadata(path)?.structure {
            Structure::Array(structure) => self.read_array(path, &structure, slices),
            Structure::Other(family, structure) => Err(TiledError::DataType {
                path: path.to_owned(),
                found: format!("{family} of {structure}"),
            }),
            family @ (Structure::Container | Structure::Table(_)) => Err(TiledError::Protocol {
                path: path.to_owned(),
                expected: "an array",
                found: match family {
                    Structure::Table(_) => "a table; read a column of it".into(),
                    _ => "a container".into(),
                },
            }),
        }
    }

    /// A part of an array whose structure is known.
    pub(super) fn read_array(
        &self,
        path: &str,
        structure: &ArrayStructure,
        slices: &[Slice],
    ) -> Result<ArrayData, TiledError> {
        let DataType { kind, itemsize, .. } = structure.data_type;
        if element(structure.data_type).is_none() {
            let found = format!("kind `{kind}` of {itemsize} bytes");
            return Err(TiledError::DataType { path: path.to_owned(), found });
        }
        let shape = sliced(&structure.shape, slices).ok_or_else(|| TiledError::Protocol {
            path: path.to_owned(),
            expected: "an array that the slice is within",
            found: format!("shape {:?} for {slices:?}", structure.shape),
        })?;
        let sizes = shape.iter().map(|n| *n as u64);
        let bytes = sizes.fold(itemsize as u64, u64::saturating_mul);
        if bytes > LARGEST {
            return Err(TiledError::TooLarge { path: path.to_owned(), bytes, limit: LARGEST });
        }
        let mut query = vec![pair("format", "application/octet-stream")];
        if !slices.is_empty() {
            let slices: Vec<_> = slices.iter().map(Slice::to_string).collect();
            query.push(pair("slice", slices.join(",")));
        }
        // One byte more than there should be, so that too much is told from too little.
        let body = self.get("array/full", path, &query, bytes + 1)?;
        decode(structure.data_type, &body)
            .filter(|data| data.len() == shape.iter().product::<usize>())
            .map(|data| ArrayData { shape: shape.clone(), data })
            .ok_or_else(|| TiledError::Protocol {
                path: path.to_owned(),
                expected: "as many bytes as the array's structure says",
                found: format!("{} bytes for shape {shape:?}", body.len()),
            })
    }
}

/// The shape that slices leave; `None` for an index beyond the end, which Tiled answers by status 500, or too many slices.
pub(super) fn sliced(shape: &[usize], slices: &[Slice]) -> Option<Vec<usize>> {
    let rest = std::iter::repeat_n(&Slice::All, shape.len().checked_sub(slices.len())?);
    let mut left = Vec::new();
    for (&size, slice) in shape.iter().zip(slices.iter().chain(rest)) {
        match *slice {
            Slice::Index(index) if index < size => {}
            Slice::Index(_) => return None,
            Slice::Range(start, stop) => left.push(stop.min(size).saturating_sub(start)),
            Slice::All => left.push(size),
        }
    }
    Some(left)
}

/// How the bits of an element become a number; `None` for what is none.
fn element(data_type: DataType) -> Option<fn(u64) -> f64> {
    match (data_type.kind, data_type.itemsize) {
        ('f', 8) => Some(f64::from_bits),
        ('f', 4) => Some(|bits| f64::from(f32::from_bits(bits as u32))),
        ('i', 1) => Some(|bits| f64::from(bits as i8)),
        ('i', 2) => Some(|bits| f64::from(bits as i16)),
        ('i', 4) => Some(|bits| f64::from(bits as i32)),
        ('i', 8) => Some(|bits| bits as i64 as f64),
        ('u', 1 | 2 | 4 | 8) => Some(|bits| bits as f64),
        ('b', 1) => Some(|bits| f64::from(bits != 0)),
        _ => None,
    }
}

/// The numbers in these bytes; `None` if they are none, or if there is a rest.
pub(super) fn decode(data_type: DataType, bytes: &[u8]) -> Option<Vec<f64>> {
    let number = element(data_type)?;
    let elements = bytes.chunks_exact(data_type.itemsize);
    if !elements.remainder().is_empty() {
        return None;
    }
    let high_first = |chunk: &[u8]| chunk.iter().fold(0, |bits, byte| bits << 8 | u64::from(*byte));
    let low_first = |chunk: &[u8]| chunk.iter().rfold(0, |bits, byte| bits << 8 | u64::from(*byte));
    Some(match data_type.endianness {
        Endianness::Big => elements.map(|chunk| number(high_first(chunk))).collect(),
        Endianness::Little | Endianness::NotApplicable => {
            elements.map(|chunk| number(low_first(chunk))).collect()
        }
    })
}
