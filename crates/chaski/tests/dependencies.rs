//! Holds every dependency against deny.toml, by what Cargo knows: so that nothing need be installed for it.
//!
//! cargo-deny looks closer, at the texts of the licences; it runs where it is installed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Where crates may come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

fn root() -> &'static Path {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    crates.and_then(Path::parent).expect("crates/chaski")
}

/// Every package that this machine builds, those of tests included.
fn packages() -> Vec<Value> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline"])
        .args(["--filter-platform", &platform])
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

fn rules() -> toml::Table {
    let text = std::fs::read_to_string(root().join("deny.toml")).expect("deny.toml");
    text.parse().expect("it is TOML")
}

/// The licences that deny.toml allows.
fn allowed(rules: &toml::Table) -> Vec<&str> {
    let list = rules["licenses"]["allow"].as_array().expect("a list");
    list.iter()
        .map(|name| name.as_str().expect("a name"))
        .collect()
}

/// Reads an SPDX expression, in which `/` once stood for OR, and tells whether the licences that may be chosen are enough for it.
struct Expression<'a> {
    words: Vec<String>,
    next: usize,
    may_choose: &'a dyn Fn(&str) -> bool,
}

impl<'a> Expression<'a> {
    fn is_met(text: &str, may_choose: &'a dyn Fn(&str) -> bool) -> bool {
        let spaced = text
            .replace('(', " ( ")
            .replace(')', " ) ")
            .replace('/', " OR ")
            .replace(" WITH ", "-WITH-");
        let words = spaced.split_whitespace().map(str::to_owned).collect();
        let mut expression = Self {
            words,
            next: 0,
            may_choose,
        };
        let is_met = expression.any();
        assert_eq!(
            expression.next,
            expression.words.len(),
            "{text} is no SPDX expression"
        );
        is_met
    }

    fn any(&mut self) -> bool {
        let mut is_met = self.all();
        while self.take("OR") {
            is_met |= self.all();
        }
        is_met
    }

    fn all(&mut self) -> bool {
        let mut is_met = self.one();
        while self.take("AND") {
            is_met &= self.one();
        }
        is_met
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let is_met = self.any();
            assert!(self.take(")"), "a bracket is not closed: {:?}", self.words);
            return is_met;
        }
        let name = self.words.get(self.next).expect("a licence");
        self.next += 1;
        (self.may_choose)(name)
    }

    fn take(&mut self, word: &str) -> bool {
        let is_next = self.words.get(self.next).is_some_and(|next| next == word);
        self.next += usize::from(is_next);
        is_next
    }
}

#[test]
fn every_dependency_has_a_licence_that_deny_toml_allows() {
    let rules = rules();
    let allowed = allowed(&rules);
    let wrong: Vec<String> = packages()
        .iter()
        .map(|package| (&package["name"], package["license"].as_str().unwrap_or("?")))
        .filter(|(_, licence)| !Expression::is_met(licence, &|name| allowed.contains(&name)))
        .map(|(name, licence)| format!("{name}: {licence}"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_licence_that_deny_toml_allows_is_needed() {
    let (rules, packages) = (rules(), packages());
    let allowed = allowed(&rules);
    for licence in &allowed {
        let is_other = |name: &str| name != *licence && allowed.contains(&name);
        let is_needed = packages.iter().any(|package| {
            let offered = package["license"].as_str().unwrap_or("?");
            !Expression::is_met(offered, &is_other)
        });
        assert!(is_needed, "no crate needs {licence}");
    }
}

#[test]
fn no_banned_crate_is_linked_and_all_come_from_the_registry() {
    let rules = rules();
    let bans = rules["bans"]["deny"].as_array().expect("a list");
    let banned: Vec<&str> = bans
        .iter()
        .map(|ban| ban["crate"].as_str().expect("a name"))
        .collect();
    assert!(banned.contains(&"openssl-sys"), "{banned:?}");
    for package in packages() {
        let name = package["name"].as_str().expect("a name");
        assert!(!banned.contains(&name), "{name} is banned");
        // Our own have no source.
        if let Some(source) = package["source"].as_str() {
            assert_eq!(source, REGISTRY, "{name}");
        }
    }
}

#[test]
fn licence_expressions_are_read_as_they_are_meant() {
    let may_choose = |name: &str| ["MIT", "ISC"].contains(&name);
    for (text, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("MIT AND ISC", true),
        ("(GPL-3.0 OR MIT) AND ISC", true),
        ("(GPL-3.0 OR MIT) AND MPL-2.0", false),
        // AND binds closer.
        ("MIT OR GPL-3.0 AND MPL-2.0", true),
        ("MIT WITH some-exception", false),
        ("MIT WITH some-exception OR ISC", true),
    ] {
        assert_eq!(Expression::is_met(text, &may_choose), expected, "{text}");
    }
}
