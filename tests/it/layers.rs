//! The crate table of `ARCHITECTURE.md` is the law that the manifests are held to.

mod tests;

use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::root;

/// May be used by tests, and by the packages around the crates.
const TESTKIT: &str = "krige-testkit";

/// The packages around the crates that may depend on everything.
const AROUND: [&str; 3] = ["examples/", "tests/", "benches/"];

/// Which dependencies of others are kept out of where, for any kind of dependency.
const KEPT_OUT: [(&str, Kept, &str); 6] = [
    ("rusqlite", Kept::In("krige-sqlite"), "only krige-sqlite knows SQL"),
    ("tokio", Kept::OutOfAll, "krige is blocking throughout: no crate has an async runtime"),
    ("serde", Kept::OutOf("krige-gp"), "krige-gp is arrays in, arrays out"),
    ("serde_json", Kept::OutOf("krige-gp"), "krige-gp is arrays in, arrays out"),
    ("typetag", Kept::OutOf("krige-gp"), "krige-gp is arrays in, arrays out"),
    ("jiff", Kept::OutOf("krige-gp"), "krige-gp knows no time"),
];

#[derive(Debug, Clone, Copy)]
enum Kept {
    In(&'static str),
    OutOf(&'static str),
    OutOfAll,
}

/// A row of the table: a crate and the crates that it may depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    name: String,
    may: Vec<String>,
}

/// A package of the workspace, as its manifest has it.
#[derive(Debug)]
struct Package {
    name: String,
    /// From the workspace's root.
    manifest: String,
    /// Name and kind; the kind of a normal dependency is empty.
    dependencies: Vec<(String, String)>,
}

/// Where table and manifests disagree, or a rule that both obey is broken.
#[derive(Debug, PartialEq, Eq)]
enum Violation {
    NoTable,
    NoRow { package: String },
    TwoRows { name: String },
    NoPackage { row: String },
    UnknownName { row: String, name: String },
    Cycle { path: Vec<String> },
    Edge { manifest: String, package: String, dependency: String, dev: bool, row: Row },
    Testkit { manifest: String, package: String },
    KeptOut { manifest: String, dependency: String, why: &'static str },
    Xtask { dependency: String },
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.may.as_slice() {
            [] => write!(f, "`{}` may depend on no crate", self.name),
            may => write!(f, "`{}` may depend on {}", self.name, may.join(", ")),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTable => f.write_str(
                "ARCHITECTURE.md: no table begins with `| crate | may depend on |`: put it back",
            ),
            Self::NoRow { package } => write!(
                f,
                "`{package}` lies in crates/ and has no row in ARCHITECTURE.md: say there what it \
                 is for, what it may depend on and what it must never know"
            ),
            Self::TwoRows { name } => {
                write!(f, "ARCHITECTURE.md: `{name}` has more than one row: keep one")
            }
            Self::NoPackage { row } => write!(
                f,
                "ARCHITECTURE.md: `{row}` has a row and there is no such package in crates/: take \
                 the row out"
            ),
            Self::UnknownName { row, name } => write!(
                f,
                "ARCHITECTURE.md: the row of `{row}` names `{name}`, which has no row: correct it"
            ),
            Self::Cycle { path } => write!(
                f,
                "ARCHITECTURE.md: the rows allow a circle, {}: take one of its edges out",
                path.join(" -> ")
            ),
            Self::Edge { manifest, package, dependency, dev, row } => write!(
                f,
                "{manifest}: `{package}` depends on `{dependency}`{}, and in ARCHITECTURE.md {row}: \
                 take the dependency out, or change the row in a commit of its own that says why",
                if *dev { " for its tests" } else { "" },
            ),
            Self::Testkit { manifest, package } => write!(
                f,
                "{manifest}: `{package}` depends on `{TESTKIT}`, which is for tests: move it to \
                 [dev-dependencies]"
            ),
            Self::KeptOut { manifest, dependency, why } => {
                write!(f, "{manifest}: depends on `{dependency}`, and {why}: take it out")
            }
            Self::Xtask { dependency } => write!(
                f,
                "xtask/Cargo.toml: depends on `{dependency}`, and xtask must compile in a second: \
                 do without"
            ),
        }
    }
}

/// The rows of the crate table; empty where there is no such table.
fn rows(architecture: &str) -> Vec<Row> {
    let names = |cell: &str| -> Vec<String> {
        // Between backticks is every second piece.
        cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect()
    };
    architecture
        .lines()
        .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>())
        .skip_while(|cells| !matches!(cells.as_slice(), ["", "crate", "may depend on", ..]))
        .skip(2)
        .map_while(|cells| match cells.as_slice() {
            ["", name, may, ..] => {
                Some(Row { name: name.trim_matches('`').to_owned(), may: names(may) })
            }
            _ => None,
        })
        .collect()
}

/// The packages of the workspace, from `cargo metadata --no-deps`.
fn packages(metadata: &Value) -> Vec<Package> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let root = text(&metadata["workspace_root"]).replace('\\', "/") + "/";
    list(&metadata["packages"])
        .iter()
        .map(|package| Package {
            name: text(&package["name"]),
            manifest: text(&package["manifest_path"]).replace('\\', "/").replacen(&root, "", 1),
            dependencies: list(&package["dependencies"])
                .iter()
                .map(|dependency| (text(&dependency["name"]), text(&dependency["kind"])))
                .collect(),
        })
        .collect()
}

/// Holds the manifests, as cargo reads them, to the table.
fn violations(architecture: &str, metadata: &Value) -> Vec<Violation> {
    let rows = rows(architecture);
    if rows.is_empty() {
        return vec![Violation::NoTable];
    }
    let packages = packages(metadata);
    let mut found = of_table(&rows, &packages);
    for package in &packages {
        found.extend(of_package(package, &rows, &packages));
    }
    found
}

fn of_table(rows: &[Row], packages: &[Package]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for Row { name, may } in rows {
        if !seen.insert(name) {
            found.push(Violation::TwoRows { name: name.clone() });
        }
        if !packages.iter().any(|package| is_crate(package) && package.name == *name) {
            found.push(Violation::NoPackage { row: name.clone() });
        }
        for other in may.iter().filter(|other| !rows.iter().any(|row| row.name == **other)) {
            found.push(Violation::UnknownName { row: name.clone(), name: other.clone() });
        }
        if let Some(path) = circle(name, name, rows, &mut HashSet::new()) {
            found.push(Violation::Cycle { path });
        }
    }
    found
}

/// A way along the rows from one crate to another, of at least one edge.
fn circle<'a>(
    from: &'a str,
    to: &str,
    rows: &'a [Row],
    seen: &mut HashSet<&'a str>,
) -> Option<Vec<String>> {
    let row = rows.iter().find(|row| row.name == from)?;
    row.may.iter().find_map(|next| {
        let rest = if next == to {
            vec![next.clone()]
        } else if seen.insert(next) {
            circle(next, to, rows, seen)?
        } else {
            return None;
        };
        Some([vec![from.to_owned()], rest].concat())
    })
}

fn is_crate(package: &Package) -> bool {
    package.manifest.starts_with("crates/")
}

fn of_package(package: &Package, rows: &[Row], packages: &[Package]) -> Vec<Violation> {
    let Package { name, manifest, dependencies } = package;
    let row = rows.iter().find(|row| row.name == *name);
    let is_around = AROUND.iter().any(|folder| manifest.starts_with(folder));
    let mut found = Vec::new();
    if is_crate(package) && row.is_none() {
        found.push(Violation::NoRow { package: name.clone() });
    }
    for (dependency, kind) in dependencies {
        let (dev, dependency) = (kind == "dev", dependency.clone());
        if let Some(why) = kept_out(name, &dependency) {
            let (manifest, dependency) = (manifest.clone(), dependency.clone());
            found.push(Violation::KeptOut { manifest, dependency, why });
        }
        if manifest.starts_with("xtask/") {
            found.push(Violation::Xtask { dependency });
        } else if dependency == TESTKIT {
            if !dev && !is_around {
                let (manifest, package) = (manifest.clone(), name.clone());
                found.push(Violation::Testkit { manifest, package });
            }
        } else if let Some(row) = row
            && packages.iter().any(|other| other.name == dependency)
            && !row.may.contains(&dependency)
        {
            let (manifest, package, row) = (manifest.clone(), name.clone(), row.clone());
            found.push(Violation::Edge { manifest, package, dependency, dev, row });
        }
    }
    found
}

/// Why a package must not depend on something, where it must not.
fn kept_out(package: &str, dependency: &str) -> Option<&'static str> {
    KEPT_OUT.iter().find_map(|&(kept, out, why)| {
        let forbidden = match out {
            Kept::In(only) => package != only,
            Kept::OutOf(never) => package == never,
            Kept::OutOfAll => true,
        };
        (kept == dependency && forbidden).then_some(why)
    })
}

#[test]
fn crates_depend_on_each_other_as_the_table_says() {
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("it is there");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .expect("cargo can be started");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata = serde_json::from_slice(&output.stdout).expect("cargo writes JSON");
    let found: Vec<String> =
        violations(&architecture, &metadata).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} violations:\n- {}", found.len(), found.join("\n- "));
}
