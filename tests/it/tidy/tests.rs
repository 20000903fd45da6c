//! Each rule finds what breaks it, and nothing else.

use super::*;

#[track_caller]
fn check(rule: Rule, path: &str, text: &str, expected: &[usize]) {
    assert_eq!(rule(&Source::new(path, text)), expected, "in {path}:\n{text}");
}

#[test]
fn sleep_is_found() {
    let text = "//! Sleeps.\nuse std::thread;\nfn f() {\n    thread::sleep(A);\n    sleep(B);\n}\n";
    check(sleeps, "crates/krige/src/lib.rs", text, &[4, 5]);
    check(sleeps, "crates/krige/src/lib.rs", "use std::thread::{sleep, spawn};", &[1]);
    check(sleeps, SLEEPERS[0], text, &[]);
    check(sleeps, "a.rs", "// thread::sleep\nCommand::new(\"sleep\"); asleep(); sleeper();", &[]);
}

#[test]
fn unfinished_macros_are_found() {
    check(unfinished, "a.rs", "fn f() {\n    todo!()\n}\nfn g() { unimplemented!(); }", &[2, 4]);
    check(unfinished, "a.rs", "let x = std::dbg!(y);", &[1]);
    check(unfinished, "a.rs", "// todo!()\nassert!(todo != x, \"dbg!\"); my_todo!();", &[]);
}

#[test]
fn ignored_tests_are_found() {
    check(ignored, "a.rs", "#[test]\n#[ignore]\nfn f() {}\n#[ignore = \"slow\"]", &[2, 4]);
    check(ignored, "a.rs", "// #[ignore]\n#[test]", &[]);
}

#[test]
fn long_files_say_why() {
    let lines = |count: usize| "x();\n".repeat(count);
    check(long, "a.rs", &format!("//! A table.\n{}", lines(LONG)), &[1]);
    check(long, "a.rs", &format!("//! A table.\n{}", lines(LONG - 1)), &[]);
    check(long, "a.rs", &format!("//! A table:\n//! long because so.\n{}", lines(LONG)), &[]);
    check(long, "a.rs", &format!("{}// long because so.\n", lines(LONG)), &[1]);
}

#[test]
fn missing_headers_are_found() {
    check(headless, "a.rs", "use std::fmt;\n//! Late.\n", &[1]);
    check(headless, "a.rs", "", &[1]);
    check(headless, "a.rs", "//! Purpose.\n", &[]);
    check(headless, "a.rs", "#![doc = include_str!(\"../README.md\")]\n", &[]);
}

#[test]
fn tabs_and_trailing_space_are_found() {
    check(ragged, "a.rs", "a\n\tb\nc \nd // e \n/// f\t.\n", &[2, 3, 4, 5]);
    check(ragged, "a.rs", "a(\"b \n\tc \n\");\n", &[]);
}

#[test]
fn paths_of_one_machine_are_found() {
    for folder in ["home", "Users", "root", "tmp", "work"] {
        let text = format!("//! x\nopen(\"/{folder}/me\");\n// see /{folder}/x\n");
        check(of_one_machine, "a.rs", &text, &[2, 3]);
        let relative = format!("open(\"data/{folder}/me\"); // https://krige.example/{folder}/x");
        check(of_one_machine, "a.rs", &relative, &[]);
    }
}

#[test]
fn core_that_acts_is_found() {
    let path = "crates/krige-core/src/trial.rs";
    for line in [
        "use std::time::Duration;",
        "std::fs::read(path)?;",
        "use std::thread;",
        "let at = Timestamp::now();",
        "let at: SystemTime = at;",
        "use std::{fmt, fs};",
    ] {
        check(core_acts, path, &format!("//! x\n\n{line}\n"), &[3]);
        check(core_acts, "crates/krige/src/store.rs", line, &[]);
    }
    check(core_acts, path, "use std::{\n    fmt,\n    thread,\n};\n", &[1]);
    check(core_acts, path, "//! No std::fs.\nuse std::{fmt, mem};\nfn f(time: Timestamp) {}", &[]);
}

#[test]
fn gp_that_is_stored_is_found() {
    let path = "crates/krige-gp/src/kernel.rs";
    check(gp_is_stored, path, "//! No serde.\nuse serde::Serialize;\n", &[2]);
    check(gp_is_stored, path, "let x = serde_json::json!(1);", &[1]);
    check(gp_is_stored, "crates/krige-core/src/value.rs", "use serde::Serialize;", &[]);
}
