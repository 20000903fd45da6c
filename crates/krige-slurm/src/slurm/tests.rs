//! Commands that hang, are missing, refuse or are silent.

use super::*;

const PATIENCE: Duration = Duration::from_secs(60);

fn run(command: &str, arguments: &[&str], timeout: Duration) -> Result<String, SlurmError> {
    let environment = BTreeMap::from([("GREETING".to_owned(), "hello".to_owned())]);
    Slurm { environment: &environment, timeout }.run(command, arguments, None)
}

#[test]
fn an_answer_is_what_was_printed() {
    let answer = run("sh", &["-c", "echo $GREETING; echo warning >&2"], PATIENCE);
    assert_eq!(answer.expect("it is printed"), "hello\n");
}

#[test]
fn more_than_a_pipe_holds_is_read() {
    let answer = run("sh", &["-c", "seq 100000; seq 100000 >&2"], PATIENCE);
    assert_eq!(answer.expect("it is printed").lines().count(), 100_000);
}

#[test]
fn a_command_that_hangs_is_killed() {
    for hangs in ["exec sleep 600", "exec sleep 600 >&- 2>&-", "exec 3>&1; sleep 600 & wait"] {
        let error = run("sh", &["-c", hangs], Duration::from_millis(50)).expect_err("it hangs");
        assert!(
            matches!(&error, SlurmError::TimedOut { command, .. } if command == "sh"),
            "{error}"
        );
        assert!(error.is_transient());
    }
}

#[test]
fn a_command_that_is_not_there_says_where_krige_must_run() {
    let error = run("no-such-command", &[], PATIENCE).expect_err("there is none");
    assert!(!error.is_transient());
    assert!(error.to_string().contains("login node"), "{error}");
}

/// Slurm 22.05.8.
#[test]
fn a_controller_that_does_not_answer_is_told_from_a_request_that_is_refused() {
    let error = |said: &str| {
        run("sh", &["-c", "printf '%s\n' \"$0\" >&2; exit 1", said], PATIENCE)
            .expect_err("it fails")
    };
    for said in [
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Batch job submission failed: Unexpected missing socket error",
        "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying",
        "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:localhost:12042: Connection refused",
    ] {
        assert!(error(said).is_transient(), "{said}");
    }
    for said in [
        "sbatch: error: invalid partition specified: nosuch",
        "sbatch: error: Batch job submission failed: Requested node configuration is not available",
        "sbatch: error: Invalid generic resource (gres) specification",
        "Slurm accounting storage is disabled",
        "",
    ] {
        let error = error(said);
        assert!(matches!(error, SlurmError::Refused { .. }), "{said}");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn the_job_that_the_optimizer_itself_is_does_not_leak_into_others() {
    for name in [
        "SLURM_JOB_ID",
        "SLURM_MEM_PER_CPU",
        "SQUEUE_FORMAT",
        "SACCT_FORMAT",
        "SBATCH_ARRAY_INX",
        "SLURM_TIME_FORMAT",
    ] {
        assert!(is_foreign(name), "{name}");
    }
    for name in ["SLURM_CONF", "SBATCH_ACCOUNT", "SBATCH_PARTITION", "PATH", "SLURMISH"] {
        assert!(!is_foreign(name), "{name}");
    }
}
