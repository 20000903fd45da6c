//! The `krige` command.
//!
//! Exit status: 0 after success, 1 after an error, 2 after a command line that cannot be understood.

mod stdio;

use std::io::{BufReader, stdin, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Chooses the next experiment from the results so far.
#[derive(Debug, Parser)]
#[command(name = "krige", version, about)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answers ask and tell requests, one JSON object a line, on standard input and output (docs/stdio.md).
    Stdio,
}

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Stdio => stdio::serve(BufReader::new(stdin().lock()), stdout().lock()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
