//! The batch script of a job.

use std::fmt::Write;
use std::path::Path;

use krige_runner::program::quoted;

/// What a batch script runs.
pub(crate) enum Folders<'a> {
    /// The run of this folder.
    One(&'a Path),
    /// Of these, the run whose place is the job's number in its array.
    Array(&'a [&'a Path]),
}

/// What comes before the program of the run, whose folder is in `$folder`.
///
/// Signals: Slurm sends SIGTERM to all that belongs to a job before it requeues it, and what the program makes of that is not a
/// result: so it is noted, and with the next start an end that came with it is put aside. It may reach the program before this script,
/// and the job be over before the script has noted it: then the program's status, 143, tells.
const BEFORE: &str = r#"cd -- "$folder" || exit 1
exec >>krige/slurm.log 2>&1
restarts=${SLURM_RESTART_COUNT:-0}
if [ "$restarts" -gt 0 ] && ! [ -e krige/stopped ] &&
    { [ -e krige/signalled ] || grep -qx "status 143" krige/ended 2>/dev/null; }; then
    mv -f krige/ended "krige/requeued.$restarts" 2>/dev/null
    rm -f krige/signalled
fi
# As long as it is locked, something of the run is alive. Where files cannot be locked across machines, only Slurm tells. (NFS
# locks only what is open for writing.)
exec 3<>krige/lock
command -v flock >/dev/null && flock -w 10 3
child=
trap ': >krige/signalled; [ -n "$child" ] && kill -TERM "$child" 2>/dev/null; again=1' TERM
"#;

const AFTER: &str = r#" <&3 &
child=$!
# It may have come before there was a child to send it to.
[ -e krige/signalled ] && kill -TERM "$child" 2>/dev/null
again=1
while [ -n "$again" ]; do
    again=
    wait "$child"
    status=$?
done
exit "$status"
"#;

/// The script. `setup` are lines of bash as they are; all else is quoted.
///
/// No value can become an `#SBATCH` line: Slurm looks for these up to the first command, and none is before it.
pub(crate) fn script(folders: &Folders<'_>, setup: &[String], arguments: &[String]) -> String {
    let mut text = String::from("#!/bin/bash\n");
    let path = |path: &Path| quoted(&path.to_string_lossy());
    match folders {
        Folders::One(folder) => {
            let _ = writeln!(text, "folder={}", path(folder));
        }
        Folders::Array(folders) => {
            text.push_str("case $SLURM_ARRAY_TASK_ID in\n");
            for (number, folder) in folders.iter().enumerate() {
                let _ = writeln!(text, "{number}) folder={} ;;", path(folder));
            }
            text.push_str("*) exit 1 ;;\nesac\n");
        }
    }
    text.push_str(BEFORE);
    for line in setup {
        text.push_str(line);
        text.push('\n');
    }
    // The program may be in another folder than the setup left.
    text.push_str("cd -- \"$folder\" || exit 1\n[ -e krige/signalled ] && exit 143\nsh");
    for argument in arguments {
        text.push(' ');
        text.push_str(&quoted(argument));
    }
    text.push_str(AFTER);
    text
}

#[cfg(test)]
mod tests;
