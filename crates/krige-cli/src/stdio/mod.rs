//! Ask and tell as a process: one JSON object a line, each answered by one.
//!
//! The protocol is described in `docs/stdio.md`. A request that cannot be carried out is answered by
//! `{"error": "…"}`, and the process goes on.

mod problem;
mod request;

use std::io::{BufRead, Write};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use self::problem::Problem;
use self::request::Request;

/// Serves requests until the end of input or `bye`.
///
/// # Errors
/// If input cannot be read or output cannot be written.
pub(crate) fn serve(input: impl BufRead, mut output: impl Write) -> Result<()> {
    let mut problem = None;
    for line in input.split(b'\n') {
        let line = line.context("standard input cannot be read")?;
        if line.trim_ascii().is_empty() {
            continue;
        }
        let reply = match answer(&line, &mut problem) {
            Ok(Some(reply)) => reply,
            Ok(None) => return Ok(()),
            Err(error) => json!({ "error": format!("{error:#}") }),
        };
        writeln!(output, "{reply}")
            .and_then(|()| output.flush())
            .context("standard output cannot be written")?;
    }
    Ok(())
}

/// The answer to a line; `None` to `bye`.
fn answer(line: &[u8], problem: &mut Option<Problem>) -> Result<Option<Value>> {
    let begun = "there is no problem yet: send {\"cmd\":\"init\",\"spec\":…} first";
    Ok(Some(match Request::parse(line)? {
        Request::Init(init) => {
            *problem = Some(Problem::new(&init)?);
            json!({ "ok": true, "name": "krige", "version": env!("CARGO_PKG_VERSION") })
        }
        Request::Ask { n, fixed } => problem.as_mut().context(begun)?.ask(n, &fixed)?,
        Request::Tell { id, values } => problem.as_mut().context(begun)?.tell(id, &values)?,
        Request::Attach { params, values } => {
            problem.as_mut().context(begun)?.attach(params, &values)?
        }
        Request::Recommend => problem.as_ref().context(begun)?.recommend(),
        Request::Bye => return Ok(None),
    }))
}
