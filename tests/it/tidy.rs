//! What formatter and compiler do not look at: rules for every source file of the workspace.

mod code;
mod tests;

use std::fs;
use std::path::Path;

use self::code::{LITERAL, code};
use crate::root;

/// Where sources lie.
const FOLDERS: [&str; 5] = ["crates", "examples", "tests", "benches", "xtask"];

/// Who may sleep: simulated work on the far side of an example, and waiting for another process.
const SLEEPERS: [&str; 2] = ["examples/hartmann6.rs", "tests/it/wait.rs"];

/// Where absolute paths are what is tested: a table of mounted file systems.
const MOUNTS: &str = "crates/krige-sqlite/src/medium.rs";

/// Above this many lines a file must say why.
const LONG: usize = 800;

/// A source file; its path is from the workspace's root, with slashes.
struct Source {
    path: String,
    text: String,
    code: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: code(text) }
    }
}

/// Gives the numbers of the lines that break it.
type Rule = fn(&Source) -> Vec<usize>;

/// Every rule, and what is said where it is broken.
const RULES: [(Rule, &str); 9] = [
    (sleeps, "sleeps: wait with a channel, or with `wait_until` for another process"),
    (unfinished, "an unfinished or debugging macro: finish it, or leave the feature out"),
    (ignored, "an ignored test proves nothing: make it pass, or take it out"),
    (long, "more than 800 lines: split it, or say in its header that it is `long because …`"),
    (headless, "no header: begin the file with a `//!` line that says what it is for"),
    (ragged, "a tab, or space at the end of the line: run `cargo fmt`"),
    (of_one_machine, "a path of one machine: use a temporary folder, or a relative path"),
    (core_acts, "krige-core does no I/O, starts no thread and reads no clock: pass the value in"),
    (gp_is_stored, "krige-gp is arrays in, arrays out: convert in krige-core"),
];

/// Whether `token` stands in a line, not as a part of longer names.
fn has(line: &str, token: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(token).any(|(start, _)| {
        let end = start + token.len();
        let open = !line[..start].ends_with(is_word) || !token.starts_with(is_word);
        let closed = !line[end..].starts_with(is_word) || !token.ends_with(is_word);
        open && closed
    })
}

fn numbers(text: &str, breaks: impl Fn(&str) -> bool) -> Vec<usize> {
    (1..).zip(text.lines()).filter(|(_, line)| breaks(line)).map(|(number, _)| number).collect()
}

fn sleeps(source: &Source) -> Vec<usize> {
    if SLEEPERS.contains(&source.path.as_str()) {
        return Vec::new();
    }
    numbers(&source.code, |line| has(line, "sleep") || has(line, "sleep_ms"))
}

fn unfinished(source: &Source) -> Vec<usize> {
    numbers(&source.code, |line| {
        ["todo!", "unimplemented!", "dbg!"].iter().any(|token| has(line, token))
    })
}

fn ignored(source: &Source) -> Vec<usize> {
    numbers(&source.code, |line| line.contains("#[ignore"))
}

fn long(source: &Source) -> Vec<usize> {
    let mut header = source.text.lines().take_while(|line| line.starts_with("//"));
    let is_long = source.text.lines().count() > LONG;
    if is_long && !header.any(|line| line.contains("long because")) { vec![1] } else { vec![] }
}

fn headless(source: &Source) -> Vec<usize> {
    let has_header = source.text.starts_with("//") || source.text.starts_with("#![doc");
    if has_header { vec![] } else { vec![1] }
}

/// A literal may hold what it likes: a table that is compared with one, say.
fn ragged(source: &Source) -> Vec<usize> {
    let is_ragged = |(text, code): (&str, &str)| {
        let mut chars = text.chars().zip(code.chars()).filter(|(_, code)| *code != LITERAL);
        let last_is_space = text.ends_with(char::is_whitespace) && !code.ends_with(LITERAL);
        last_is_space || chars.any(|(text, _)| text == '\t')
    };
    let lines = source.text.lines().zip(source.code.lines());
    (1..).zip(lines).filter(|(_, line)| is_ragged(*line)).map(|(number, _)| number).collect()
}

fn of_one_machine(source: &Source) -> Vec<usize> {
    if source.path == MOUNTS {
        return Vec::new();
    }
    let is_path = |c: char| c.is_alphanumeric() || "._-".contains(c);
    numbers(&source.text, |line| {
        ["home", "Users", "root", "tmp", "work"].iter().any(|folder| {
            line.match_indices(&format!("/{folder}/"))
                .any(|(start, _)| !line[..start].ends_with(is_path))
        })
    })
}

fn core_acts(source: &Source) -> Vec<usize> {
    if !source.path.starts_with("crates/krige-core/src/") {
        return Vec::new();
    }
    let modules = ["time", "fs", "thread", "net", "process"];
    let clocks = ["SystemTime", "Timestamp::now", "Zoned::now"];
    let mut found = numbers(&source.code, |line| {
        modules.iter().any(|module| has(line, &format!("std::{module}")))
            || clocks.iter().any(|clock| has(line, clock))
    });
    for (start, _) in source.code.match_indices("std::{") {
        let group = source.code[start..].split(';').next().unwrap_or_default();
        if modules.iter().any(|module| has(group, module)) {
            found.push(1 + source.code[..start].matches('\n').count());
        }
    }
    found
}

fn gp_is_stored(source: &Source) -> Vec<usize> {
    if !source.path.starts_with("crates/krige-gp/") {
        return Vec::new();
    }
    numbers(&source.code, |line| {
        ["serde", "serde_json", "typetag"].iter().any(|token| has(line, token))
    })
}

/// All sources, whether git knows them already or not; an archive without git has the same.
fn sources() -> Vec<Source> {
    fn collect(folder: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).expect("a folder of the workspace can be read") {
            let path = entry.expect("a folder's entry can be read").path();
            if path.is_dir() {
                if !path.ends_with("target") {
                    collect(&path, found);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source is text");
                let name = path.strip_prefix(root()).expect("it lies in the workspace");
                found.push(Source::new(&name.to_string_lossy().replace('\\', "/"), &text));
            }
        }
    }
    let mut found = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), &mut found);
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

#[test]
fn every_source_is_tidy() {
    let sources = sources();
    assert!(sources.iter().any(|source| source.path == file!()), "the sources were not found");
    let mut found = Vec::new();
    for source in &sources {
        for (rule, message) in RULES {
            let lines = rule(source);
            found.extend(lines.iter().map(|line| format!("{}:{line}: {message}", source.path)));
        }
    }
    assert!(found.is_empty(), "{} lines to tidy:\n{}", found.len(), found.join("\n"));
}
