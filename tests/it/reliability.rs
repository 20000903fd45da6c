//! Every test that `docs/reliability.md` names is there: nothing is promised untested.

use std::fs;

use crate::root;

/// The texts between backticks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_promise_names_a_test_that_is_there() {
    let page = fs::read_to_string(root().join("docs/reliability.md")).expect("the page");
    let rows: Vec<_> = page.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    assert!(rows.len() > 10, "{} rows", rows.len());
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split('|').collect();
        let [_, _, shown] = cells[..] else { panic!("three cells in: {row}") };
        let (mut source, mut tests) = (String::new(), 0);
        for name in quoted(shown) {
            if name.contains('/') {
                source = fs::read_to_string(root().join(name)).unwrap_or_else(|error| {
                    panic!("{name}: {error}");
                });
            } else {
                // Properties stand within a macro, and have arguments.
                let function = format!("fn {name}(");
                let is_it = |pair: &[&str]| {
                    pair[0].trim() == "#[test]" && pair[1].trim_start().starts_with(&function)
                };
                let lines: Vec<&str> = source.lines().collect();
                assert!(
                    lines.windows(2).any(is_it),
                    "no test `{name}` in the file named before it"
                );
                tests += 1;
            }
        }
        assert!(tests > 0, "no test in: {row}");
    }
}
