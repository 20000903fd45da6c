//! The project's own commands, without any dependency: `cargo xtask test` is the whole gate.

use std::env;
use std::fmt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

const HELP: &str = "\
usage: cargo xtask <command>

commands:
  test          format check, lints, documentation, all tests; stops at the first failure
  test --fast   the same without the documentation
  help          this text";

/// One call of cargo that must succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    name: &'static str,
    environment: Option<(&'static str, &'static str)>,
    /// Separated by spaces; none of them contains one.
    arguments: &'static str,
}

const FORMAT: Step = Step { name: "format", environment: None, arguments: "fmt --all --check" };

const LINTS: Step = Step {
    name: "lints",
    environment: None,
    arguments: "clippy --workspace --all-targets -- -D warnings",
};

const DOCUMENTATION: Step = Step {
    name: "documentation",
    environment: Some(("RUSTDOCFLAGS", "-D warnings")),
    arguments: "doc --workspace --no-deps",
};

/// Comes last, so that the tests' own summaries are the last lines. It builds the examples, too.
const TESTS: Step =
    Step { name: "tests", environment: None, arguments: "test --workspace --no-fail-fast" };

/// As one types it in a shell.
impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((name, value)) = self.environment {
            write!(f, "{name}='{value}' ")?;
        }
        write!(f, "cargo {}", self.arguments)
    }
}

/// What the command line asks for; `Err` is what is wrong with it.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Help,
    Run(&'static [Step]),
}

fn parse(arguments: &[&str]) -> Result<Request, String> {
    match arguments {
        [] | ["help" | "--help" | "-h"] => Ok(Request::Help),
        ["test"] => Ok(Request::Run(&[FORMAT, LINTS, DOCUMENTATION, TESTS])),
        ["test", "--fast"] => Ok(Request::Run(&[FORMAT, LINTS, TESTS])),
        other => Err(format!("unknown command `{}`", other.join(" "))),
    }
}

/// Runs a step; `Err` is what went wrong.
fn run(step: &Step, place: &str) -> Result<(), String> {
    // What is said goes where cargo says it: standard output is for the tests' own.
    eprintln!("\n==> {place} {}: {step}", step.name);
    let started = Instant::now();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the root");
    let status = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(step.arguments.split(' '))
        .envs(step.environment)
        .current_dir(root)
        .status()
        .map_err(|error| format!("cargo could not be started: {error}"))?;
    let seconds = started.elapsed().as_secs_f64();
    if !status.success() {
        return Err(format!("failed after {seconds:.1} s ({status})"));
    }
    eprintln!("==> {place} {}: passed in {seconds:.1} s", step.name);
    Ok(())
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let steps = match parse(&arguments) {
        Ok(Request::Run(steps)) => steps,
        Ok(Request::Help) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("error: {wrong}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    for (number, step) in (1..).zip(steps) {
        if let Err(wrong) = run(step, &format!("[{number}/{}]", steps.len())) {
            eprintln!("\nerror: {} {wrong}\nrepeat just this step: {step}", step.name);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Vec<&'static str> {
        match parse(arguments) {
            Ok(Request::Run(steps)) => steps.iter().map(|step| step.name).collect(),
            other => panic!("expected steps, found {other:?}"),
        }
    }

    #[test]
    fn tests_run_last_and_fast_leaves_the_documentation_out() {
        assert_eq!(names(&["test"]), ["format", "lints", "documentation", "tests"]);
        assert_eq!(names(&["test", "--fast"]), ["format", "lints", "tests"]);
    }

    #[test]
    fn nothing_asks_for_help_and_nonsense_is_an_error() {
        assert_eq!(parse(&[]), Ok(Request::Help));
        assert_eq!(parse(&["tset", "-x"]), Err("unknown command `tset -x`".to_owned()));
        assert!(parse(&["test", "--slow"]).is_err());
    }

    #[test]
    fn a_step_is_shown_as_a_shell_takes_it() {
        let shown = DOCUMENTATION.to_string();
        assert_eq!(shown, "RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps");
    }
}
