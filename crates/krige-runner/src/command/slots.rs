//! Slots that runs share, each a locked file: whoever holds its lock has the slot, until all of it has ended.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::command::CommandError;
use crate::error::RunnerError;
use crate::program::{ProgramError, within_a_moment};

/// The slots of a work folder.
pub(super) struct Slots<'a> {
    pub(super) work: &'a Path,
    pub(super) names: &'a [String],
}

impl<'a> Slots<'a> {
    /// Takes a free slot, if runs have slots at all.
    pub(super) fn take(&self) -> Result<Option<(&'a str, File)>, RunnerError> {
        if self.names.is_empty() {
            return Ok(None);
        }
        within_a_moment(|| self.try_take())?
            .map(Some)
            .ok_or_else(|| RunnerError::transient(CommandError::Full { slots: self.names.len() }))
    }

    fn try_take(&self) -> Result<Option<(&'a str, File)>, RunnerError> {
        for (number, name) in self.names.iter().enumerate() {
            let (file, path) = self.open(number)?;
            match file.try_lock() {
                Ok(()) => return Ok(Some((name, file))),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(ProgramError::File { action: "lock", path, source }.into());
                }
            }
        }
        Ok(None)
    }

    /// How many are free.
    pub(super) fn free(&self) -> Result<usize, RunnerError> {
        let mut free = 0;
        for number in 0..self.names.len() {
            let (file, path) = self.open(number)?;
            match file.try_lock_shared() {
                Ok(()) => free += 1,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(source)) => {
                    return Err(ProgramError::File { action: "lock", path, source }.into());
                }
            }
        }
        Ok(free)
    }

    fn open(&self, number: usize) -> Result<(File, PathBuf), RunnerError> {
        let folder = self.work.join("slots");
        fs::create_dir_all(&folder).map_err(|source| {
            RunnerError::from(ProgramError::File { action: "make", path: folder.clone(), source })
        })?;
        let path = folder.join(self.file_name(number));
        match OpenOptions::new().create(true).truncate(false).write(true).read(true).open(&path) {
            Ok(file) => Ok((file, path)),
            Err(source) => Err(ProgramError::File { action: "open", path, source }.into()),
        }
    }

    /// A slot's file is named after the slot and not after its place in the list, so that lists that differ share what is
    /// in both of them; one that is listed twice is two.
    fn file_name(&self, number: usize) -> String {
        let name = &self.names[number];
        let before = self.names[..number].iter().filter(|other| *other == name).count();
        let mut file = String::new();
        for byte in name.bytes() {
            match byte {
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' => file.push(byte.into()),
                other => file += &format!("%{other:02x}"),
            }
        }
        format!("{file}.{before}")
    }
}
