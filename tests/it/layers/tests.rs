//! The check finds what it must find: each rule is broken once.

use serde_json::{Value, json};

use super::{Violation, rows, violations};

const TABLE: &str = "\
Words before.

| crate | may depend on | what it is for |
|---|---|---|
| `krige-gp` | | The maths: `serde` in this cell is no dependency. |
| `krige-core` | `krige-gp` | The model. |
| `krige` | `krige-core`, `krige-gp` | The client. |
| `krige-testkit` | `krige-core` | For tests. |

| another | table |
|---|---|
| `x` | `y` |
";

/// A package of a folder, and its dependencies as `kind:name`.
fn package(folder: &str, name: &str, dependencies: &[&str]) -> Value {
    let dependencies: Vec<Value> = dependencies
        .iter()
        .map(|dependency| match dependency.split_once(':') {
            Some((kind, name)) => json!({ "name": name, "kind": kind }),
            None => json!({ "name": dependency, "kind": null }),
        })
        .collect();
    let manifest = format!("/somewhere/{folder}/Cargo.toml");
    json!({ "name": name, "manifest_path": manifest, "dependencies": dependencies })
}

/// A workspace that obeys [`TABLE`], with one package replaced or added.
fn with(folder: &str, name: &str, dependencies: &[&str]) -> Value {
    let mut packages = vec![
        package("crates/krige-gp", "krige-gp", &["nalgebra", "dev:proptest"]),
        package("crates/krige-core", "krige-core", &["krige-gp", "serde", "dev:krige-testkit"]),
        package("crates/krige", "krige", &["krige-core", "krige-gp", "dev:krige-testkit"]),
        package("crates/krige-testkit", "krige-testkit", &["krige-core"]),
        package("tests", "krige-tests", &["krige", "krige-testkit", "dev:krige-core"]),
        package("xtask", "xtask", &[]),
    ];
    packages.retain(|known| known["name"] != name);
    packages.push(package(folder, name, dependencies));
    json!({ "workspace_root": "/somewhere", "packages": packages })
}

fn obedient() -> Value {
    with("xtask", "xtask", &[])
}

/// The only violation, as it is shown.
#[track_caller]
fn only(architecture: &str, metadata: &Value) -> String {
    match violations(architecture, metadata).as_slice() {
        [violation] => violation.to_string(),
        other => panic!("expected one violation, found {other:?}"),
    }
}

#[test]
fn the_table_is_read_cell_by_cell() {
    let read: Vec<String> = rows(TABLE).iter().map(ToString::to_string).collect();
    assert_eq!(
        read,
        [
            "`krige-gp` may depend on no crate",
            "`krige-core` may depend on krige-gp",
            "`krige` may depend on krige-core, krige-gp",
            "`krige-testkit` may depend on krige-core",
        ]
    );
}

#[test]
fn an_obedient_workspace_passes() {
    assert_eq!(violations(TABLE, &obedient()), []);
}

#[test]
fn a_forbidden_edge_is_found() {
    for (dependency, words) in [
        ("krige-core", "depends on `krige-core`, and"),
        ("build:krige-core", "depends on `krige-core`, and"),
        ("dev:krige-core", "depends on `krige-core` for its tests, and"),
    ] {
        let shown = only(TABLE, &with("crates/krige-gp", "krige-gp", &[dependency]));
        assert!(shown.starts_with("crates/krige-gp/Cargo.toml: `krige-gp`"), "{shown}");
        assert!(shown.contains(words), "{shown}");
        assert!(shown.contains("`krige-gp` may depend on no crate"), "{shown}");
    }
}

#[test]
fn a_crate_without_a_row_is_found() {
    let shown = only(TABLE, &with("crates/krige-web", "krige-web", &["krige-core"]));
    assert!(shown.contains("`krige-web` lies in crates/ and has no row"), "{shown}");
}

#[test]
fn a_row_without_a_crate_is_found() {
    let table =
        TABLE.replace("| `krige-testkit`", "| `krige-attic` | | Gone. |\n| `krige-testkit`");
    let shown = only(&table, &obedient());
    assert!(shown.contains("`krige-attic` has a row and there is no such package"), "{shown}");
    // A package of that name elsewhere does not help.
    let shown = only(&table, &with("examples", "krige-attic", &[]));
    assert!(shown.contains("`krige-attic` has a row and there is no such package"), "{shown}");
}

#[test]
fn a_second_row_and_a_wrong_name_are_found() {
    let table = TABLE.replace("| `krige-core` | `krige-gp` |", "| `krige-core` | `krige-pg` |");
    let found = violations(&table, &with("crates/krige-core", "krige-core", &[]));
    let (row, name) = ("krige-core".to_owned(), "krige-pg".to_owned());
    assert_eq!(found, [Violation::UnknownName { row, name }]);

    let table = TABLE.replace("| `krige-gp` | |", "| `krige-gp` | | Twice. |\n| `krige-gp` | |");
    let shown = only(&table, &obedient());
    assert!(shown.contains("`krige-gp` has more than one row"), "{shown}");
}

#[test]
fn a_circle_is_found() {
    let table = TABLE.replace("| `krige-gp` | |", "| `krige-gp` | `krige` |");
    let found = violations(&table, &obedient());
    let shown: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(shown.iter().any(|s| s.contains("krige-gp -> krige -> krige-core -> krige-gp")));
    assert_eq!(shown.len(), 3, "one for each crate of the circle: {shown:#?}");
}

#[test]
fn the_testkit_is_for_tests() {
    let metadata = with("crates/krige", "krige", &["krige-core", "krige-testkit"]);
    let shown = only(TABLE, &metadata);
    assert!(shown.contains("move it to [dev-dependencies]"), "{shown}");
    // Naming it in a row does not make it one of the crates to build on.
    let table = TABLE.replace("| `krige-core`, `krige-gp` |", "| `krige-core`, `krige-testkit` |");
    assert_eq!(only(&table, &metadata), shown);
}

#[test]
fn what_is_kept_out_stays_out() {
    for (folder, name, dependency) in [
        ("crates/krige-core", "krige-core", "rusqlite"),
        ("tests", "krige-tests", "dev:rusqlite"),
        ("crates/krige", "krige", "tokio"),
        ("crates/krige-gp", "krige-gp", "serde"),
        ("crates/krige-gp", "krige-gp", "dev:serde_json"),
    ] {
        let shown = only(TABLE, &with(folder, name, &[dependency]));
        assert!(shown.contains(": take it out"), "{shown}");
    }
    let shown = only(TABLE, &with("xtask", "xtask", &["serde"]));
    assert!(shown.contains("xtask must compile in a second"), "{shown}");
}

#[test]
fn without_the_table_nothing_passes() {
    assert_eq!(violations("# Architecture\n", &obedient()), [Violation::NoTable]);
}
