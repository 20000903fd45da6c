//! What the script `run.sh` leaves in the run's folder: that it began, and how the program ended.

use std::fs;
use std::process::Command;

/// A process, told apart from later ones of the same number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started: its line of `/proc/PID/stat`, or else what `ps` says.
    started: String,
    /// Which boot of the machine that was.
    boot: String,
    /// The machine's name.
    host: String,
}

impl Process {
    /// Reads the lines that the script writes of a process.
    pub(super) fn read<'a>(mut lines: impl Iterator<Item = &'a str>) -> Option<Self> {
        let pid = lines.next()?.parse().ok().filter(|pid| *pid > 0)?;
        let [started, boot, host] = [lines.next()?, lines.next()?, lines.next()?];
        Some(Self { pid, started: started.into(), boot: boot.into(), host: host.into() })
    }

    /// Whether that process, and no later one of its number, is alive on this machine.
    pub fn is_alive(&self) -> bool {
        if self.host != rustix::system::uname().nodename().to_string_lossy() {
            return false;
        }
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
        if boot.is_ok_and(|boot| boot.trim() != self.boot) {
            return false;
        }
        match start_ticks(&self.started) {
            Some(ticks) => fs::read_to_string(format!("/proc/{}/stat", self.pid))
                .is_ok_and(|stat| start_ticks(&stat) == Some(ticks)),
            None => {
                let ps = Command::new("ps")
                    .args(["-o", "lstart=", "-p", &self.pid.to_string()])
                    .output();
                ps.is_ok_and(|ps| String::from_utf8_lossy(&ps.stdout).trim() == self.started.trim())
            }
        }
    }
}

/// Field 22 of a line of `/proc/PID/stat`: when the process started, in clock ticks since the boot.
fn start_ticks(stat: &str) -> Option<&str> {
    // The second field is a name in parentheses, which may hold anything.
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(19)
}

/// That a run has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Began {
    /// The batch system's job in which it did, if it was one.
    pub job: Option<String>,
    /// How often the batch system had started that job again by then.
    pub restarts: u32,
    /// The process that runs the script; nothing while it is being written.
    pub process: Option<Process>,
}

impl Began {
    pub(super) fn read(text: &str) -> Self {
        let mut lines = text.lines();
        let (job, restarts) =
            lines.next().and_then(|line| line.split_once(' ')).unwrap_or_default();
        Self {
            job: (!job.is_empty() && job != "-").then(|| job.to_owned()),
            restarts: restarts.parse().unwrap_or(0),
            process: Process::read(lines),
        }
    }
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// Its exit status; 128 and a signal's number where one killed it, and 127 or 126 where it could not be started.
    pub status: i32,
    /// When it began, in seconds since 1970.
    pub began: f64,
    /// When it ended, in seconds since 1970.
    pub ended: f64,
    /// The processor time of all its processes, user and system, in seconds; to a hundredth.
    pub cpu_seconds: f64,
    /// How long `stdout.log` was then.
    pub stdout_bytes: u64,
    /// How long `stderr.log` was then.
    pub stderr_bytes: u64,
}

impl Ended {
    /// The whole time from its beginning to its end, in seconds.
    pub fn wall_seconds(&self) -> f64 {
        self.ended - self.began
    }

    /// Reads what the script writes; nothing if it is not whole.
    pub(super) fn read(text: &str) -> Option<Self> {
        let field =
            |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        text.lines().any(|line| line == "end").then_some(())?;
        Some(Self {
            status: field("status")?.parse().ok()?,
            began: field("began")?.parse().ok()?,
            ended: field("ended")?.parse().ok()?,
            cpu_seconds: children_seconds(text).unwrap_or(f64::NAN),
            stdout_bytes: field("stdout_bytes")?.parse().ok()?,
            stderr_bytes: field("stderr_bytes")?.parse().ok()?,
        })
    }
}

/// The second line of what the shell's `times` prints: user and system time of its children, as `1m2.34s 0m0.05s`.
fn children_seconds(text: &str) -> Option<f64> {
    let line = text.lines().filter_map(|line| line.strip_prefix("times ")).nth(1)?;
    let mut seconds = 0.0;
    for time in line.split_whitespace() {
        let (minutes, rest) = time.split_once('m')?;
        // Some locales write a comma.
        let rest: f64 = rest.strip_suffix('s')?.replace(',', ".").parse().ok()?;
        seconds += 60.0 * minutes.parse::<f64>().ok()? + rest;
    }
    Some(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_writes_is_read() {
        let text = "status 3\nbegan 10.5\nended 12.75\ntimes 0m0.01s 0m0.00s\ntimes 1m2.50s 0m0.25s\n\
                    stdout_bytes 7\nstderr_bytes 0\nend\n";
        let ended = Ended::read(text).expect("it is whole");
        assert_eq!((ended.status, ended.stdout_bytes, ended.stderr_bytes), (3, 7, 0));
        assert_eq!((ended.wall_seconds(), ended.cpu_seconds), (2.25, 62.75));
        for cut in 0..text.len() - 1 {
            assert_eq!(Ended::read(&text[..cut]), None, "cut after {cut} bytes");
        }
        let german = text.replace("2.50s", "2,50s");
        assert_eq!(Ended::read(&german).map(|ended| ended.cpu_seconds), Some(62.75));
    }

    #[test]
    fn a_beginning_that_is_being_written_has_no_process_yet() {
        let whole = "12_3 1\n77\n77 (sh) S 1 77\nboot\nhost\n";
        let began = Began::read(whole);
        assert_eq!((began.job.as_deref(), began.restarts), (Some("12_3"), 1));
        assert_eq!(began.process.map(|process| process.pid), Some(77));
        assert_eq!(Began::read(""), Began { job: None, restarts: 0, process: None });
        assert_eq!(Began::read("- 0\n77\n").process, None);
        // A negative number would be a process group.
        assert_eq!(Began::read("- 0\n-1\nx\ny\nz\n").process, None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_is_not_taken_for_a_later_one_of_its_number() {
        let stat = fs::read_to_string("/proc/self/stat").expect("this is Linux");
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("this is Linux");
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let pid = std::process::id().to_string();
        let read = |stat: &str, boot: &str, host: &str| {
            Process::read([&*pid, stat, boot, host].into_iter()).expect("it is whole").is_alive()
        };
        let (stat, boot) = (stat.trim(), boot.trim());
        assert!(read(stat, boot, &host));
        let ticks = start_ticks(stat).expect("field 22");
        let later = stat.replace(&format!(" {ticks} "), " 1 ");
        assert!(!read(&later, boot, &host), "another start");
        assert!(!read(stat, "another boot", &host), "another boot");
        assert!(!read(stat, boot, "another host"), "another machine");
    }

    #[test]
    fn a_name_with_parentheses_does_not_confuse_the_start() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        assert_eq!(start_ticks(stat), Some("4242"));
    }
}
