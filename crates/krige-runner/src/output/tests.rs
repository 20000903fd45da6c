//! What a real program leaves is what each metric reads.

use std::time::Duration;

use krige_core::trial::TrialRun;
use krige_core::value::Parameterization;

use super::*;
use crate::command::CommandRunner;
use crate::contract::check_metric;
use crate::metric::{IMetric, Measurement};
use crate::program::Program;
use crate::runner::{IRunner, RunStatus};

const PROGRAM: &str = r#"
    echo '{"loss": 0.5, "progression": 1}'
    echo '{"loss": [0.25, 0.125]}'
    echo 'TOTAL ENERGY = -1.5e3 eV' >&2
    printf '2, 0.5' >result.txt
    mkdir out
    printf '{"test":\n{"accuracy": 0.75}}' >out/report.json
    exit 3
"#;

#[test]
fn every_metric_reads_what_a_program_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = PROGRAM.replace('{', "{{").replace('}', "}}");
    let program = Program { accepted: None, ..Program::new("sh").args(["-c", &script]) };
    let runner = CommandRunner::new(folder.path(), program);
    let run = TrialRun::new("e", 0, 1);
    let metadata = runner.run_trial(&run, &Parameterization::default()).expect("it starts");
    let status = loop {
        match runner.poll_trial(&run, &metadata).expect("its status") {
            RunStatus::Running => std::thread::park_timeout(Duration::from_millis(2)),
            ended => break ended,
        }
    };
    assert_eq!(status, RunStatus::Completed);
    let value = |metric: &dyn IMetric| {
        check_metric(metric, &run, &metadata, || {
            panic!("the run has ended, and all of it is there")
        })
    };
    let energy = RegexMetric::new(r"ENERGY = (\S+)").expect("a pattern").in_file("stderr.log");
    let accuracy = JsonMetric::new("/test/accuracy").in_file("out/report.json");
    for (metric, expected) in [
        (
            &JsonMetric::new("loss").while_running() as &dyn IMetric,
            Measurement::from((0.25, 0.125)),
        ),
        (&accuracy, 0.75.into()),
        (&energy, (-1.5e3).into()),
        (&FileMetric::new("result.txt"), (2.0, 0.5).into()),
        (&SizeMetric::new("result.txt"), 6.0.into()),
        (&RunMetric::ExitStatus, 3.0.into()),
    ] {
        assert_eq!(value(metric), expected, "{metric:?}");
    }
    assert!(value(&RunMetric::WallSeconds).mean > 0.0);
    assert!(value(&RunMetric::CpuSeconds).mean >= 0.0);
}
