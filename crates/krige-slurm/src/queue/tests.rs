//! What `squeue` and `sacct` of Slurm 22.05 print is read, and whatever else comes in its place.

use proptest::prelude::*;

use super::*;

/// Slurm 22.05.8: `squeue --noheader --array --me -t all -o '%i|%A|%T|%j|%r'`.
const SQUEUED: &str = "\
18|18|CANCELLED|slp|Priority
1|1|COMPLETED|ok|None
15_0|19|COMPLETED|arr|None
2|2|FAILED|bad|NonZeroExitCode
3|3|FAILED|sig|JobLaunchFailure
7|7|FAILED|mem|BadConstraints
15_1|20|FAILED|arr|NonZeroExitCode
15_3|15|FAILED|arr|NonZeroExitCode
5|5|PENDING|big|PartitionConfig
8|8|PENDING|time|PartitionTimeLimit
16_16|16|PENDING|arr2|Resources
16_17|16|PENDING|arr2|Resources
57|57|PENDING|two|Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions
58|58|PENDING|want|ReqNodeNotAvail, UnavailableNodes:n1
16_6|28|RUNNING|arr2|None
";

/// Slurm 22.05.8: `sacct --noheader --allocations --parsable2 -o JobID,JobIDRaw,State,JobName,ExitCode`.
const ACCOUNTED: &str = "\
1|1|FAILED|foo|3:0
3|3|CANCELLED by 0|tolong|0:0
2_0|4|FAILED|arr|3:0
2_2|2|FAILED|arr|3:0
9_[0-3]|9|CANCELLED by 0|ba|0:0
";

#[test]
fn jobs_and_elements_are_found_by_either_number() {
    let queue = Queue::read(SQUEUED);
    let state = |id: &str| queue.job(id).map(|job| job.state);
    assert_eq!(state("1"), Some(JobState::Completed));
    assert_eq!(state("16_17"), Some(JobState::Waits));
    assert_eq!(state("16"), None, "an array job is its elements");
    assert_eq!(queue.raw("28").map(|job| &*job.id), Some("16_6"));
    assert_eq!(queue.raw("15").map(|job| &*job.id), Some("15_3"));
    assert_eq!(queue.raw("16"), None, "elements that wait have no number of their own");
    assert_eq!(
        queue.job("58").map(|job| &*job.detail),
        Some("ReqNodeNotAvail, UnavailableNodes:n1")
    );
    assert_eq!(queue.active(), 7);
}

#[test]
fn accounting_is_read_as_the_queue_is() {
    let queue = Queue::read(ACCOUNTED);
    assert_eq!(queue.job("3").map(|job| job.state), Some(JobState::Cancelled));
    assert_eq!(queue.job("2_0").map(|job| (&*job.raw, &*job.detail)), Some(("4", "3:0")));
    assert_eq!(queue.job("9_3").map(|job| job.state), Some(JobState::Cancelled));
    assert_eq!(queue.active(), 0);
}

#[test]
fn among_jobs_of_one_name_it_is_the_one_that_goes_on() {
    let first = |text: &str, element| Queue::read(text).first(element).map(|job| job.id.clone());
    assert_eq!(first("9|9|PENDING|k|Dependency\n8|8|RUNNING|k|None\n", None).as_deref(), Some("8"));
    assert_eq!(first("8|8|FAILED|k|x\n9|9|PENDING|k|Priority\n", None).as_deref(), Some("9"));
    assert_eq!(first("9|9|COMPLETED|k|None\n8|8|COMPLETED|k|None\n", None).as_deref(), Some("8"));
    assert_eq!(
        first("8_1|8|RUNNING|k|None\n", None),
        None,
        "an array's element is no job of that name"
    );
    let array = "8_1|8|COMPLETED|k|None\n8_10|9|RUNNING|k|None\n10_1|10|PENDING|k|Priority\n";
    assert_eq!(first(array, Some(1)).as_deref(), Some("10_1"));
    assert_eq!(first(array, Some(10)).as_deref(), Some("8_10"));
    assert_eq!(first(array, Some(0)), None);
}

#[test]
fn lists_of_elements_are_expanded() {
    assert_eq!(expanded("16_[1-3,7]"), ["16_1", "16_2", "16_3", "16_7"]);
    assert_eq!(expanded("16_[0-6:3%2]"), ["16_0", "16_3", "16_6"]);
    assert_eq!(expanded("16_[1,3,...]"), ["16_1", "16_3"]);
    for nothing in ["", "x", "16_", "16_[", "_3", "16_[5-99999999999]", "-1", "16_-3"] {
        assert!(expanded(nothing).is_empty(), "{nothing}");
    }
}

#[test]
fn what_is_no_job_is_passed_over() {
    let text = "slurm_load_jobs error: Socket timed out\nJOBID|A|STATE|NAME|REASON\n1|1|RUNNING|k\n\n7|7|RUNNING|k|a|b\n";
    let queue = Queue::read(text);
    assert_eq!(queue.jobs.len(), 1);
    assert_eq!(queue.job("7").map(|job| &*job.detail), Some("a|b"));
}

proptest! {
    #[test]
    fn any_text_is_read(text in "[0-9_|,\\[\\]%:\\-A-Z \n]{0,80}") {
        let queue = Queue::read(&text);
        prop_assert!(queue.active() <= queue.jobs.len());
        for job in &queue.jobs {
            prop_assert!(queue.job(&job.id).is_some());
        }
    }

    #[test]
    fn what_is_written_is_read(jobs in proptest::collection::btree_map(1u64..1000, ("[A-Z_]{1,12}", "[ -~]{0,30}"), 0..20)) {
        let text: String =
            jobs.iter().map(|(id, (state, reason))| format!("{id}|{id}|{state}|k{id}|{reason}\n")).collect();
        let queue = Queue::read(&text);
        prop_assert_eq!(queue.jobs.len(), jobs.len());
        for (id, (state, reason)) in &jobs {
            let job = queue.job(&id.to_string()).expect("it was written");
            prop_assert_eq!((job.state, &*job.detail), (JobState::of(state), reason.trim_end()));
            prop_assert_eq!(&job.name, &format!("k{id}"));
        }
    }
}
