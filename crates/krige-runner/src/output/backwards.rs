//! The lines of a file from the last to the first: what counts in a program's output is at its end.

use std::io::{self, Read, Seek, SeekFrom};

/// How much is read at a time.
const BLOCK: usize = 64 << 10;
/// How many bytes at a file's end are looked through.
const LOOKED_THROUGH: u64 = 64 << 20;
/// How long a line is at most, its newline included; longer ones are passed over.
pub(super) const LONGEST: usize = 16 << 20;

/// Gives the lines of a file, each with the newline that ends it, the last one first.
///
/// No more than the bound of it is read, and no more than twice the longest line is held.
#[derive(Debug)]
pub(super) struct Backwards<R> {
    file: R,
    /// Where what was not read yet ends.
    unread: u64,
    /// Where the looking ends.
    floor: u64,
    block: usize,
    longest: usize,
    /// What was read and not given yet: it begins at `unread`, and ends with the next line.
    buffer: Vec<u8>,
    /// Whether the line before what was given last is too long; its end is not in the buffer any more.
    too_long: bool,
}

impl<R: Read + Seek> Backwards<R> {
    /// Reads the first `length` bytes of a file, which are all that it has or had a moment ago.
    pub(super) fn new(file: R, length: u64) -> Self {
        Self::bounded(file, length, BLOCK, LONGEST, LOOKED_THROUGH)
    }

    fn bounded(file: R, length: u64, block: usize, longest: usize, looked_through: u64) -> Self {
        let floor = length.saturating_sub(looked_through);
        let (buffer, too_long) = (Vec::new(), false);
        Self { file, unread: length, floor, block, longest, buffer, too_long }
    }

    /// The line before the one that was given last; `None` where there is none, or none that begins within the bound.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            // The newline that ends the line is not the one that it begins after.
            let before =
                if self.too_long { self.buffer.len() } else { self.buffer.len().saturating_sub(1) };
            if let Some(newline) = self.buffer[..before].iter().rposition(|byte| *byte == b'\n') {
                let line = self.buffer.split_off(newline + 1);
                if !std::mem::take(&mut self.too_long) && line.len() <= self.longest {
                    return Ok(Some(line));
                }
            } else if self.unread > self.floor {
                if self.buffer.len() > self.longest {
                    self.too_long = true;
                    self.buffer.clear();
                }
                self.read_block()?;
            } else {
                // What begins before the bound, or at it, may be the rest of a line.
                let line = std::mem::take(&mut self.buffer);
                let whole = self.unread == 0 && !std::mem::take(&mut self.too_long);
                return Ok(
                    (whole && !line.is_empty() && line.len() <= self.longest).then_some(line)
                );
            }
        }
    }

    /// The next line that is not blank.
    pub(super) fn next_written(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            match self.next_line()? {
                Some(line) if line.trim_ascii().is_empty() => {}
                other => return Ok(other),
            }
        }
    }

    /// How many bytes are looked through, if not all.
    pub(super) fn bound(&self) -> Option<u64> {
        (self.floor > 0).then_some(LOOKED_THROUGH)
    }

    /// Reads the block before what was read; as much as is held, where that is more, so that a long line is not moved
    /// for each of its blocks.
    fn read_block(&mut self) -> io::Result<()> {
        let wanted = self.block.max(self.buffer.len()) as u64;
        let start = self.unread.saturating_sub(wanted).max(self.floor);
        let mut block =
            vec![0; usize::try_from(self.unread - start).expect("a block fits in memory")];
        self.file.seek(SeekFrom::Start(start))?;
        self.file.read_exact(&mut block)?;
        block.append(&mut self.buffer);
        (self.buffer, self.unread) = (block, start);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;

    fn lines(text: &[u8], block: usize, longest: usize, looked_through: u64) -> Vec<Vec<u8>> {
        let length = text.len() as u64;
        let mut lines =
            Backwards::bounded(Cursor::new(text), length, block, longest, looked_through);
        let given = std::iter::from_fn(|| lines.next_line().expect("memory can be read")).collect();
        assert_eq!(
            lines.next_line().expect("memory can be read"),
            None,
            "nothing comes after the end"
        );
        given
    }

    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let byte = prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()];
        proptest::collection::vec(byte, 0..200)
    }

    proptest! {
        #[test]
        fn they_are_the_lines_of_the_whole_file_in_reverse(
            text in bytes(),
            block in 1usize..70,
            longest in 1usize..70,
            looked_through in 0u64..300,
        ) {
            let floor = text.len().saturating_sub(usize::try_from(looked_through).expect("small"));
            let mut start = 0;
            let mut expected = Vec::new();
            for line in text.split_inclusive(|byte| *byte == b'\n') {
                if (start > floor || floor == 0) && line.len() <= longest {
                    expected.insert(0, line.to_vec());
                }
                start += line.len();
            }
            prop_assert_eq!(lines(&text, block, longest, looked_through), expected);
        }
    }

    #[test]
    fn a_file_that_became_shorter_is_an_error() {
        let mut lines = Backwards::new(Cursor::new(b"1\n2\n"), 5);
        assert_eq!(lines.next_line().expect_err("cut").kind(), io::ErrorKind::UnexpectedEof);
    }
}
