//! The comparison with peers (`benches/peers/`): its own tests pass, and it optimizes what the Rust benchmark does.

use std::fs::File;
use std::process::{Command, Output, Stdio};

use krige_testkit::SplitMix;
use serde_json::{Value, json};

use crate::root;

/// What `cargo bench --bench regret` optimizes, of which a test needs less than the benchmark.
#[path = "../../benches/regret/problems.rs"]
#[allow(dead_code)]
mod problems;

use self::problems::{Instance, Problem, Space};

/// What Python answers, if there is one.
#[track_caller]
fn python(arguments: &[&str], input: Stdio) -> Option<Output> {
    let output = Command::new("python3")
        // It would leave what it compiled in the folder.
        .arg("-B")
        .args(arguments)
        .stdin(input)
        .current_dir(root().join("benches/peers"))
        .output();
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            eprintln!("not tested: python3 cannot be started: {error}");
            return None;
        }
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(output)
}

#[test]
fn its_own_tests_pass() {
    let Some(output) = python(&["-m", "unittest", "-v"], Stdio::null()) else { return };
    let report = String::from_utf8_lossy(&output.stderr);
    let passed = report.lines().filter(|line| line.ends_with("... ok")).count();
    assert!(passed >= 5, "the tests were not found: {report}");
}

/// Whether it is the number that counts halves, and so has other units there than here.
fn is_halves(problem: &Problem, i: usize) -> bool {
    matches!(problem.space, Space::MixedAckley) && i == 2
}

/// A point of the cube as the comparison writes it.
fn written(instance: &Instance<'_>, problem: &Problem, u: &[f64]) -> Vec<Value> {
    const CHOICES: [&[&str]; 2] = [&["a", "b", "c", "d", "e"], &["u", "v", "w"]];
    let numbers = (0..).zip(&instance.bounds).zip(u).map(|((i, (low, high)), u)| {
        let x = low + u * (high - low);
        if is_halves(problem, i) { json!((2.0 * x).round() as i64) } else { json!(x) }
    });
    let choices = CHOICES.iter().zip(&u[instance.bounds.len()..]);
    let choices = choices.map(|(of, u)| json!(of[(u * (of.len() - 1) as f64).round() as usize]));
    numbers.chain(choices).collect()
}

#[track_caller]
fn close(found: &Value, expected: f64, what: &str) {
    let found = found.as_f64().unwrap_or_else(|| panic!("{what}: a number, found {found}"));
    let error = (found - expected).abs() / expected.abs().max(1.0);
    assert!(error <= 1e-12, "{what}: {found} there, {expected} here");
}

/// Budgets, boxes, moved boxes, noise, optima and functions.
#[test]
fn it_optimizes_what_the_benchmark_does() {
    let mut random = SplitMix::new(&[29]);
    // What is compared: one objective, but for two problems of the regret benchmark alone.
    let compared = |problem: &Problem| {
        !matches!(problem.space, Space::Several(..))
            && !["cosine8", "pressure_vessel"].contains(&problem.name)
    };
    let problems: Vec<_> = problems::all().into_iter().filter(compared).collect();
    let mut asked = Vec::new();
    let mut expected = Vec::new();
    for problem in &problems {
        let moved = [Some(0), Some(1000)].into_iter().filter(|_| problem.can_be_shifted());
        for seed in [None].into_iter().chain(moved) {
            let instance = problem.instance(seed.is_some(), seed.unwrap_or_default());
            let mut draw = || -> Vec<f64> {
                instance.domain.dimensions.iter().map(|d| d.draw(random.uniform())).collect()
            };
            let points: Vec<_> = (0..8).map(|_| draw()).collect();
            let there: Vec<_> = points.iter().map(|u| written(&instance, problem, u)).collect();
            asked.push(json!([problem.name, seed, there]));
            expected.push((problem, instance, points));
        }
    }

    let folder = tempfile::tempdir().expect("a folder");
    let input = folder.path().join("asked.json");
    std::fs::write(&input, json!(asked).to_string()).expect("written");
    let input = File::open(input).expect("it was written");
    let Some(output) = python(&["problems.py"], input.into()) else { return };
    let told: Vec<Value> = serde_json::from_slice(&output.stdout).expect("a list");
    assert_eq!(told.len(), expected.len());
    for (told, (problem, instance, points)) in told.iter().zip(expected) {
        let name = problem.name;
        assert_eq!(told["trials"], problem.trials, "{name}");
        assert_eq!(told["batch"], problem.batch, "{name}");
        close(&told["noise"], problem.noise.first().copied().unwrap_or_default(), name);
        let sides = told["box"].as_array().expect("a list");
        assert_eq!(sides.len(), instance.bounds.len(), "{name}");
        for (i, (side, (low, high))) in sides.iter().zip(&instance.bounds).enumerate() {
            let scale = if is_halves(problem, i) { 2.0 } else { 1.0 };
            close(&side[0], scale * low, name);
            close(&side[1], scale * high, name);
        }
        let outcomes = told["outcomes"].as_array().expect("a list");
        assert_eq!(outcomes.len(), points.len(), "{name}");
        for (outcomes, u) in outcomes.iter().zip(points) {
            let (objectives, constraints) = instance.measure(&u);
            let objective = objectives[0];
            assert_eq!(outcomes.as_array().map(Vec::len), Some(1 + constraints.len()), "{name}");
            if objective.is_nan() {
                assert!(outcomes[0].is_null(), "{name}");
                continue;
            }
            close(&outcomes[0], objective, name);
            for (i, constraint) in constraints.into_iter().enumerate() {
                close(&outcomes[1 + i], constraint, name);
            }
            close(&told["best"], objective - instance.regret(&[objectives]), name);
        }
    }
}
