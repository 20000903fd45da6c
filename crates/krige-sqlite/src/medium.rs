//! What the file lies on.
//!
//! SQLite's write-ahead log keeps its index in memory that all of its users must share, which they cannot
//! across machines. SQLite does not notice, and the file is damaged; so network file systems are recognized here.

use std::path::{Path, PathBuf};

/// Names under which Linux mounts file systems that several machines share.
const NETWORK: [&str; 20] = [
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "coda",
    "davfs",
    "gfs2",
    "glusterfs",
    "gpfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "panfs",
    "smb3",
    "smbfs",
    "sshfs",
    "wekafs",
];

/// Whether the file is on a file system that several machines share; `false` where that cannot be known.
///
/// Known on Linux only, from the table of mounts.
pub(crate) fn is_shared_by_machines(file: &Path) -> bool {
    let folder = file.parent().and_then(|folder| folder.canonicalize().ok());
    let mounts = std::fs::read_to_string("/proc/self/mountinfo");
    let (Some(folder), Ok(mounts)) = (folder, mounts) else {
        return false;
    };
    file_system(&mounts, &folder)
        .is_some_and(|name| NETWORK.contains(&name.strip_prefix("fuse.").unwrap_or(name)))
}

/// The type of the file system that a folder is on, from a table in the format of `proc_pid_mountinfo(5)`.
fn file_system<'a>(mounts: &'a str, folder: &Path) -> Option<&'a str> {
    mounts
        .lines()
        .filter_map(|line| {
            let (mount, medium) = line.split_once(" - ")?;
            let point = unescape(mount.split(' ').nth(4)?);
            folder.starts_with(&point).then_some((point.components().count(), medium))
        })
        // Of mounts on one point, the last one hides the others; `max_by_key` gives the last.
        .max_by_key(|(depth, _)| *depth)
        .and_then(|(_, medium)| medium.split(' ').next())
}

/// Undoes the octal escapes of blanks and backslashes.
fn unescape(text: &str) -> PathBuf {
    let unescaped = text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n");
    PathBuf::from(unescaped.replace("\\134", "\\"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 252:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:27 / /proc rw,nosuid shared:5 - proc proc rw
41 22 0:40 / /home rw,relatime shared:9 - nfs4 server:/home rw,vers=4.2
42 41 0:41 / /home/scratch rw - ext4 /dev/vdb rw
43 22 0:42 / /mnt/my\\040share rw - cifs //server/share rw
44 22 0:43 / /mnt/remote rw master:3 - fuse.sshfs me@there: rw
45 22 0:44 / /shared rw - ext4 /dev/vdc rw
46 22 0:45 / /shared rw - lustre mgs:/shared rw
";

    #[track_caller]
    fn check(folder: &str, expected: &str) {
        assert_eq!(file_system(MOUNTS, Path::new(folder)), Some(expected), "{folder}");
    }

    #[test]
    fn the_deepest_mount_names_the_file_system() {
        check("/", "ext4");
        check("/var/lib", "ext4");
        check("/home/ada", "nfs4");
        check("/homestead", "ext4");
        check("/home/scratch/ada", "ext4");
        check("/mnt/my share/x", "cifs");
        check("/mnt/remote", "fuse.sshfs");
        check("/shared/beamline", "lustre");
    }

    #[test]
    fn a_table_that_says_nothing_gives_nothing() {
        assert_eq!(file_system("", Path::new("/home")), None);
        assert_eq!(file_system("42 garbage\n\n - \n", Path::new("/home")), None);
    }

    #[test]
    fn local_media_are_not_taken_for_shared_ones() {
        assert!(!is_shared_by_machines(Path::new("/proc/self/mounts")));
        assert!(!is_shared_by_machines(Path::new("/no such folder/file.db")));
    }
}
