//! Holds the crates' real dependencies against the table in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A crate and the crates of this workspace that it depends on.
type Layers = BTreeMap<String, BTreeSet<String>>;

/// Crates that must stay free of threads and sockets, in their tests too.
const PURE: [&str; 6] = ["codec", "broker", "session", "store", "directory", "files"];

/// Crates that a pure one must not reach even for a test.
const RUNNING: [&str; 4] = ["engine", "server", "client", "chaski"];

/// Names that a crate must not have: such crates have no wall.
const WITHOUT_WALLS: [&str; 4] = ["common", "utils", "core", "types"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates are one level deep in crates/")
        .to_owned()
}

/// Asks Cargo for the packages of the workspace.
fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--format-version",
            "1",
            "--offline",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs this test, so it runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn name_of(package: &Value) -> &str {
    package["name"].as_str().expect("a package has a name")
}

/// Finds what each crate really depends on, of this workspace, for one kind of dependency:
/// `None` = normal, or `dev` or `build`.
fn real_layers(packages: &[Value], kind: Option<&str>) -> Layers {
    let ours: BTreeSet<&str> = packages.iter().map(name_of).collect();
    let dependencies = |package: &Value| -> BTreeSet<String> {
        package["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter()
            .filter(|dependency| dependency["kind"].as_str() == kind)
            .map(|dependency| name_of(dependency).to_owned())
            .filter(|name| ours.contains(name.as_str()))
            .collect()
    };
    packages
        .iter()
        .map(|package| (name_of(package).to_owned(), dependencies(package)))
        .collect()
}

/// Reads the table whose heading is `| crate | depends on |`.
fn written_layers(text: &str) -> Layers {
    let mut lines = text
        .lines()
        .skip_while(|line| line.trim() != "| crate | depends on |");
    let rows = lines
        .by_ref()
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [name, dependencies] = cells.as_slice() else {
            panic!("not two cells: {row}");
        };
        let dependencies = dependencies
            .split(',')
            .map(str::trim)
            .filter(|name| *name != "–")
            .map(str::to_owned)
            .collect();
        ((*name).to_owned(), dependencies)
    })
    .collect()
}

#[test]
fn dependencies_are_those_of_the_table_in_architecture_md() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let written = written_layers(&text);
    assert!(!written.is_empty(), "the table is missing");
    assert_eq!(
        real_layers(&packages(), None),
        written,
        "left: Cargo's, right: the table's"
    );
}

#[test]
fn pure_crates_do_not_reach_running_ones_in_their_tests_or_build() {
    let packages = packages();
    for kind in ["dev", "build"] {
        let layers = real_layers(&packages, Some(kind));
        for pure in PURE {
            let reached = layers.get(pure).expect("the crate exists");
            let forbidden: Vec<_> = RUNNING
                .iter()
                .filter(|name| reached.contains(**name))
                .collect();
            assert!(forbidden.is_empty(), "{pure} ({kind}): {forbidden:?}");
        }
    }
}

#[test]
fn every_crate_stands_in_a_folder_of_its_name() {
    for package in packages() {
        let name = name_of(&package);
        let manifest = package["manifest_path"].as_str().expect("a path");
        let expected = root().join("crates").join(name).join("Cargo.toml");
        assert_eq!(Path::new(manifest), expected);
        assert!(!WITHOUT_WALLS.contains(&name), "{name} has no wall");
    }
}

#[test]
fn pure_crates_carry_their_own_bans() {
    for name in ["broker", "session", "files"] {
        let path = root().join("crates").join(name).join("clippy.toml");
        let bans = fs::read_to_string(&path).expect("a pure crate has a clippy.toml");
        for ban in ["Instant::now", "TcpStream", "thread::spawn", "env::var"] {
            assert!(bans.contains(ban), "{} does not ban {ban}", path.display());
        }
    }
}

#[test]
fn the_table_is_read_as_it_is_written() {
    let text = "x\n| crate | depends on |\n|---|---|\n| a | – |\n| b | a, c |\n\n| d | e |\n";
    let layers = written_layers(text);
    let names: Vec<_> = layers.keys().map(String::as_str).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(
        layers["b"],
        BTreeSet::from(["a".to_owned(), "c".to_owned()])
    );
}
