//! What is read of JSON, and what is refused.

use std::fs;
use std::io::Write as _;

use proptest::prelude::*;
use serde_json::json;

use super::super::lab::{Run, just_now};
use super::*;

fn printed(text: &str) -> Run {
    Run::ended(&[("stdout.log", text)])
}

fn y() -> JsonMetric {
    JsonMetric::new("y")
}

#[test]
fn the_stored_form_is_plain() {
    let stored =
        |metric: &JsonMetric| serde_json::to_value(metric as &dyn IMetric).expect("stored");
    let expected = json!({"type": "json", "field": "y", "while_running": false});
    assert_eq!(stored(&y()), expected);
    let metric = y().in_file("r.json").while_running();
    let expected = json!({"type": "json", "field": "y", "file": "r.json", "while_running": true});
    assert_eq!(stored(&metric), expected);
    assert!(metric.available_while_running() && !y().available_while_running());
    let read = |form| serde_json::from_value::<Box<dyn IMetric>>(form);
    assert!(read(json!({"type": "json", "field": "y"})).is_ok());
    assert!(read(json!({"type": "json", "field": "y", "files": "r.json"})).is_err());
}

#[test]
fn of_what_was_printed_the_last_line_with_the_field_counts() {
    let text = "starting\n{\"y\": 1}\n[1, 2]\n{\"y\": [2, 0.5], \"z\": 3}\r\n{\"z\": 4}\n  \ndone";
    assert_eq!(printed(text).value(&y()), (2.0, 0.5).into());
    assert_eq!(printed(text).value(&JsonMetric::new("z")), 4.0.into());
    // The last line need not have a newline once the run has ended.
    assert_eq!(printed("{\"y\": 1}\n{\"y\": 2}").value(&y()), 2.0.into());
    assert_eq!(printed("\u{fffd}\n{\"y\": 1}\n\u{0}\n").value(&y()), 1.0.into());
}

#[test]
fn a_file_that_is_one_object_is_that_object() {
    let pretty = serde_json::to_string_pretty(
        &json!({"runs": [{"y": 1.0}], "y": 0.1, "a/b": {"c": [5, 6]}}),
    );
    let run = Run::ended(&[("r.json", &pretty.expect("JSON"))]);
    assert_eq!(run.value(&y().in_file("r.json")), 0.1.into());
    assert_eq!(run.value(&JsonMetric::new("/runs/0/y").in_file("r.json")), 1.0.into());
    assert_eq!(run.value(&JsonMetric::new("/a~1b/c").in_file("r.json")), (5.0, 6.0).into());
    // The last line is an object of its own, and so no end of a larger one.
    assert_eq!(printed("{\"y\": 1,\n\"z\": 2}\n{\"y\": 3}\n").value(&y()), 3.0.into());
    let nested = printed("{\"runs\": [\n{\"y\": 1},\n{\"y\": 2}\n], \"y\": 3}");
    assert_eq!(nested.value(&y()), 3.0.into());
}

#[test]
fn the_final_value_is_the_line_without_progression_or_else_the_last() {
    let (one, two) = ("{\"y\": 1, \"progression\": 1}\n", "{\"y\": 2, \"progression\": 2}\n");
    let end = "{\"y\": 5, \"progression\": null}\n";
    assert_eq!(printed(&[one, two].concat()).value(&y()), 2.0.into());
    assert_eq!(printed(&[one, end, two].concat()).value(&y()), 5.0.into());
    let own = "{\"y\": {\"mean\": 7, \"progression\": 9}, \"progression\": 1}\n";
    assert_eq!(printed(&[end, own].concat()).value(&y()), 5.0.into());
    assert_eq!(printed(own).value(&y()), 7.0.into());
}

#[test]
fn while_the_run_goes_on_the_last_whole_line_with_a_progression_is_the_value_so_far() {
    let metric = y().while_running();
    let going_on = |text: &str| Run::going_on(&[("stdout.log", text)]);
    let so_far = |text: &str| going_on(text).fetch(&metric).expect("a value");
    let at = |mean, progression| Measurement::from(mean).at(progression);
    let one = "{\"y\": 1, \"progression\": 1}\n";
    let two = "{\"y\": 2, \"progression\": 2}\n{\"z\": 3}\n";
    assert_eq!(so_far(&format!("{one}{two}")), at(2.0, 2.0));
    assert_eq!(so_far(&format!("{one}{{\"y\": 22, \"progression\": 3}}")), at(1.0, 1.0));
    assert_eq!(so_far(&format!("{one}{{\"y\": 5}}\n")), at(1.0, 1.0));
    assert_eq!(
        so_far("{\"y\": {\"mean\": 7, \"progression\": 9}, \"progression\": 1}\n"),
        at(7.0, 9.0)
    );
    // A report that is written anew at every step.
    assert_eq!(so_far("{\n \"y\": 4,\n \"progression\": 6\n}"), at(4.0, 6.0));
    for nothing in ["", "{\"y\": 1}\n", "{\"y\": 1, \"progression\": 1}x", "starting\n"] {
        going_on(nothing).assert_not_yet(&metric);
    }
    Run::going_on(&[]).assert_not_yet(&metric);
    // Who does not ask for it is not told.
    going_on(one).assert_not_yet(&y());
}

#[test]
fn what_is_not_a_measurement_is_named_and_no_earlier_value_taken_for_it() {
    let error = |text: &str| printed(&format!("{{\"y\": 1}}\n{text}\nbye\n")).error(&y());
    assert_eq!(
        error("{\"y\": \"much\"}"),
        "expected field `y` in `stdout.log` to be a number, [mean, sem] or an object of `mean`, `sem` and `progression`, \
         and `progression` to be a number, found \"much\""
    );
    assert!(
        error("{\"y\": 1, \"progression\": \"end\"}").ends_with("found 1 at progression \"end\"")
    );
    assert!(error("{\"y\": null}").ends_with("found null"));
    assert_eq!(
        error("{\"y\": NaN}"),
        "expected JSON in `stdout.log`, found the line \"{\\\"y\\\": NaN}\"; a number that JSON does not have is written as \
         a text: \"NaN\", \"inf\" or \"-inf\": expected value at line 1 column 7"
    );
    let nested = JsonMetric::new("/losses/0");
    assert!(printed("{\"losses\": [1]}\n{\"losses\": [NaN]}\n").error(&nested).contains("NaN"));
    // Python writes `größe` so.
    let escaped = printed("{\"gr\\u00f6\\u00dfe\": 1}\n{\"gr\\u00f6\\u00dfe\": NaN}\n");
    assert!(escaped.error(&JsonMetric::new("gr\u{f6}\u{df}e")).contains("NaN"));
    // What a model must not see is read as what it is.
    assert!(printed("{\"y\": \"NaN\"}").fetch(&y()).is_ok_and(|found| found.mean.is_nan()));
    // Lines that do not matter may be broken.
    assert_eq!(printed("{\"y\": 1}\n{'python'}\n{\"z\": NaN}\n").value(&y()), 1.0.into());
    assert_eq!(printed("{\"y\": NaN}\n{\"y\": 1, \"progression\": 2}\n").value(&y()), 1.0.into());
    let long = format!("{{\"y\": {}}}", json!(vec![0; 1000]));
    assert!(error(&long).ends_with("0,0…"), "{}", error(&long));
}

#[test]
fn an_output_without_the_field_is_shown_at_its_end() {
    assert_eq!(
        printed("{\"x\": 1}\nSegmentation fault\n\n").error(&y()),
        "expected a JSON object with the field `y` in `stdout.log`, found none in all of it; its last line is \
         \"Segmentation fault\""
    );
    assert!(printed("").error(&y()).ends_with("its last line is \"\""));
}

#[test]
fn a_file_is_waited_for_until_it_must_be_there() {
    let metric = y().in_file("out/r.json");
    let run = Run::ended(&[("stdout.log", "hello\n")]);
    assert_eq!(
        run.error(&metric),
        format!(
            "expected a file `out/r.json` in {}, found only `krige`, `stdout.log`",
            run.path("").display().to_string().trim_end_matches('/')
        )
    );
    run.end(just_now());
    run.assert_not_yet(&metric);
    fs::create_dir(run.path("out")).expect("made");
    run.assert_not_yet(&metric);
    run.write("out/r.json", "{\"y\": 1}");
    assert_eq!(run.value(&metric), 1.0.into());
}

#[test]
fn what_was_printed_is_waited_for_until_all_of_it_is_there() {
    let run = Run::ended(&[("stdout.log", "{\"y\": 1}\n{\"y\": 2}\n")]);
    run.write("stdout.log", "{\"y\": 1}\n");
    run.assert_not_yet(&y());
    run.write("stdout.log", "{\"y\": 1}\n{\"y\": 2}\n");
    assert_eq!(run.value(&y()), 2.0.into());
}

#[test]
fn only_the_files_of_the_run_are_read() {
    let run = printed("{\"y\": 1}");
    for file in ["", "/etc/passwd", "../stdout.log", "krige/../stdout.log"] {
        let error = run.error(&y().in_file(file));
        assert!(
            error.contains(&format!("found `{file}`")) && error.contains("relative"),
            "{error}"
        );
    }
    let error = run.error(&y().in_file("krige"));
    assert!(error.starts_with("`krige` is not a regular file"), "{error}");
    let run = TrialRun::new("e", 0, 1);
    let Err(MetricError::Permanent(cause)) = y().fetch(&run, &Metadata::of("job", 7)) else {
        panic!("there is no folder");
    };
    assert_eq!(
        cause.to_string(),
        "expected an entry `folder` in the trial's metadata, found only `job`; runners that start a program write it \
         (`CommandRunner`, `SlurmRunner`)"
    );
}

#[test]
fn of_a_huge_output_only_the_end_is_read() {
    let run = Run::going_on(&[("stdout.log", "{\"y\": 0}\n")]);
    let mut log = fs::OpenOptions::new().append(true).open(run.path("stdout.log")).expect("opened");
    // A hole: as long as it says, and on no medium.
    log.set_len(1 << 32).expect("sparse");
    run.end(1e9);
    let error = run.error(&y());
    assert!(error.contains("found none in its last 64 MiB"), "{error}");
    log.write_all(b"\n{\"y\": 1}\nbye\n").expect("written");
    run.end(1e9);
    assert_eq!(run.value(&y()), 1.0.into());
}

fn line() -> impl Strategy<Value = String> {
    let number = prop_oneof![Just("1"), Just("-2.5e3"), Just("null"), Just("NaN"), Just("[1,2]")];
    prop_oneof![
        (number.clone(), number.clone())
            .prop_map(|(y, at)| format!("{{\"y\": {y}, \"progression\": {at}}}")),
        number.prop_map(|y| format!("{{\"y\": {y}}}")),
        ".*",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_output_makes_it_panic(
        lines in proptest::collection::vec(line(), 0..6),
        bytes in proptest::collection::vec(any::<u8>(), 0..20),
        ended in any::<bool>(),
    ) {
        let run = Run::going_on(&[]);
        run.write("stdout.log", [lines.join("\n").as_bytes(), &bytes].concat());
        if ended {
            run.end(1e9);
        }
        let found = run.fetch(&y().while_running());
        if let Ok(found) = found {
            prop_assert_eq!(found.progression.is_none(), ended);
        }
    }
}
