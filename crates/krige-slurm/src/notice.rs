//! What a node says in a job's log of why it ended the job: where the controller has forgotten it, nobody else knows.

/// Why a node ended a job, as the job's log has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    /// It took more memory than it was given.
    Memory,
    /// The controller passes on that a job of this number took more memory than it was given, which the node does not say of this one.
    MemoryOfAnother,
    /// It came to its time limit.
    TimeLimit,
    /// It had to make room for another.
    Preemption,
    /// Another node of it failed.
    NodeFailure,
    /// It is to be started again.
    Requeue,
    /// Somebody cancelled it, or sent SIGTERM or SIGKILL by `scancel --signal`; a warning before the time limit says the same.
    Cancellation,
}

/// What the log says last. A job that takes too much memory is told of that first, and of its end and by its controller afterwards;
/// the controller's word alone may be meant for another job: one that has lost its state gives numbers out again.
pub(crate) fn notice(log: &str) -> Option<Notice> {
    log.lines().filter_map(of_line).fold(None, |before, now| match (before, now) {
        (Some(Notice::Memory), Notice::Cancellation | Notice::MemoryOfAnother)
        | (Some(Notice::MemoryOfAnother), Notice::Cancellation) => before,
        _ => Some(now),
    })
}

/// The words of Slurm 22.05's `slurmstepd`.
fn of_line(line: &str) -> Option<Notice> {
    const SIGNS: [(&str, Notice); 9] = [
        ("exceeded memory limit", Notice::Memory),
        ("exceeded virtual memory limit", Notice::Memory),
        ("Exceeded job memory limit", Notice::MemoryOfAnother),
        ("oom-kill", Notice::Memory),
        ("DUE TO TIME LIMIT", Notice::TimeLimit),
        ("DUE TO PREEMPTION", Notice::Preemption),
        ("DUE TO NODE FAILURE", Notice::NodeFailure),
        ("DUE TO JOB REQUEUE", Notice::Requeue),
        ("CANCELLED AT", Notice::Cancellation),
    ];
    let (_, said) = line.split_once("slurmstepd")?;
    SIGNS.into_iter().find_map(|(sign, notice)| said.contains(sign).then_some(notice))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slurm 22.05.8, but for the one of a kernel with cgroups, which is of 23.02.
    #[test]
    fn each_reason_is_told_from_the_others() {
        let cases = [
            ("slurmstepd-n1: error: Exceeded job memory limit", Some(Notice::MemoryOfAnother)),
            (
                "slurmstepd-n0: error: StepId=31.batch exceeded virtual memory limit (204800 > 102400), being killed",
                Some(Notice::Memory),
            ),
            (
                "slurmstepd-n0: error: StepId=31.batch exceeded memory limit (204800 > 102400), being killed",
                Some(Notice::Memory),
            ),
            (
                "slurmstepd: error: Detected 1 oom-kill event(s) in StepId=7.batch.",
                Some(Notice::Memory),
            ),
            (
                "slurmstepd-n0: error: *** JOB 5 ON n0 CANCELLED AT 2026-11-30T04:57:32 DUE TO TIME LIMIT ***",
                Some(Notice::TimeLimit),
            ),
            (
                "slurmstepd-n0: error: *** JOB 5 ON n0 CANCELLED AT 2026-11-30T04:57:32 DUE TO PREEMPTION ***",
                Some(Notice::Preemption),
            ),
            (
                "slurmstepd-n0: error: *** JOB 5 ON n0 CANCELLED AT 2026-11-30T04:57:32 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***",
                Some(Notice::NodeFailure),
            ),
            (
                "slurmstepd-n0: error: *** JOB 5 ON n0 CANCELLED AT 2026-11-30T04:57:32 DUE TO JOB REQUEUE ***",
                Some(Notice::Requeue),
            ),
            (
                "Terminated\nslurmstepd-n0: error: *** JOB 5 ON n0 CANCELLED AT 2026-11-30T04:57:32 ***\n",
                Some(Notice::Cancellation),
            ),
            // The program's own words.
            ("the meeting was CANCELLED AT noon\nTerminated", None),
            ("", None),
        ];
        for (log, expected) in cases {
            assert_eq!(notice(log), expected, "{log}");
        }
    }

    #[test]
    fn the_last_reason_counts_but_that_memory_is_why_it_was_cancelled() {
        let memory =
            "slurmstepd-n0: error: StepId=5.batch exceeded memory limit (2 > 1), being killed\n";
        let passed_on = "slurmstepd-n0: error: Exceeded job memory limit\n";
        let line =
            |why: &str| format!("slurmstepd-n0: error: *** JOB 5 CANCELLED AT noon{why} ***\n");
        let (cancelled, again) = (line(""), line(" DUE TO JOB REQUEUE"));
        let cases: [(&[&str], Notice); 11] = [
            (&[memory, &cancelled], Notice::Memory),
            (&[memory, passed_on, &cancelled], Notice::Memory),
            (&[memory, &cancelled, passed_on], Notice::Memory),
            (&[memory, &again], Notice::Requeue),
            (&[memory, &again, &cancelled], Notice::Cancellation),
            (&[&again, memory], Notice::Memory),
            (&[&again, memory, passed_on], Notice::Memory),
            (&[passed_on, &cancelled], Notice::MemoryOfAnother),
            (&[&cancelled, passed_on], Notice::MemoryOfAnother),
            (&[passed_on, &again], Notice::Requeue),
            (&[passed_on, memory], Notice::Memory),
        ];
        for (lines, expected) in cases {
            assert_eq!(notice(&lines.concat()), Some(expected), "{lines:?}");
        }
    }
}
