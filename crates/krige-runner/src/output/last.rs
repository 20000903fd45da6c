//! Which line of a program's output counts.

use std::io::{Read, Seek};

use super::backwards::Backwards;
use super::error::OutputError;
use crate::error::MetricError;
use crate::metric::Measurement;

/// Where a program's output is looked for, unless said otherwise.
pub(super) const STDOUT: &str = "stdout.log";

/// The measurement that counts of those that `read` finds in a file's lines; none if there is none that does.
///
/// While the run goes on, it is the last one in a whole line that says how far the run had come. Once it `has_ended`, it is
/// the last one that does not say so, or else the last one at all; then it is the final value.
pub(super) fn last<R: Read + Seek>(
    lines: &mut Backwards<R>,
    has_ended: bool,
    mut read: impl FnMut(&[u8]) -> Option<Result<Measurement, OutputError>>,
) -> Result<Option<Measurement>, MetricError> {
    let mut latest: Option<Measurement> = None;
    while let Some(line) = lines.next_line().map_err(MetricError::transient)? {
        // The program is still writing it.
        if !has_ended && !line.ends_with(b"\n") {
            continue;
        }
        match read(&line) {
            Some(Ok(found)) if found.progression.is_some() => {
                if !has_ended {
                    return Ok(Some(found));
                }
                latest.get_or_insert(found);
            }
            Some(Ok(found)) if has_ended => return Ok(Some(found)),
            // What is wrong with a line matters if no later one counts.
            Some(Err(error)) if latest.is_none() => return Err(MetricError::permanent(error)),
            Some(Ok(_) | Err(_)) | None => {}
        }
    }
    Ok(latest.map(|found| Measurement { progression: None, ..found }))
}

/// Why no line of a file counts: not yet, or not at all once the run has ended.
pub(super) fn nothing<R: Read + Seek>(
    file: R,
    length: u64,
    has_ended: bool,
    name: &str,
    expected: String,
) -> MetricError {
    if !has_ended {
        return MetricError::NotYet;
    }
    let mut lines = Backwards::new(file, length);
    let within = lines.bound();
    match lines.next_written() {
        Ok(last) => {
            let last = beginning(&last.unwrap_or_default());
            MetricError::permanent(OutputError::NoLine {
                expected,
                file: name.into(),
                within,
                last,
            })
        }
        Err(error) => MetricError::transient(error),
    }
}

/// How a text begins, for a message.
pub(super) fn beginning(text: &[u8]) -> String {
    const SHOWN: usize = 80;
    let text = text.trim_ascii();
    // A character takes 4 bytes at most.
    let text = String::from_utf8_lossy(&text[..text.len().min(4 * SHOWN + 4)]);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.into_owned(),
    }
}
