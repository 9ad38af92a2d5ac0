use clap::{CommandFactory, Parser};

use super::{Cli, Command};

#[test]
fn the_command_tree_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn global_flags_are_taken_after_the_subcommand() {
    let cli = Cli::try_parse_from(["chaski", "connection", "list", "--json", "--data", "/d"])
        .expect("the test suites write it so");
    assert!(cli.globals.json);
    assert_eq!(cli.globals.data.as_deref(), Some("/d".as_ref()));
    assert!(matches!(cli.command, Command::Connection { .. }));
}

#[test]
fn negative_patterns_and_values_with_an_equals_sign_are_taken() {
    let parsed = Cli::try_parse_from([
        "chaski",
        "permission",
        "set",
        "anna",
        "--vhost",
        "/",
        "--configure=",
        "--write=^a-",
        "--read=.*",
    ]);
    assert!(parsed.is_ok(), "{parsed:?}");
}

#[test]
fn closing_connections_needs_exactly_one_target() {
    for words in [&["close"][..], &["close", "7", "--all"]] {
        let line = ["chaski", "connection"].iter().chain(words);
        let error = Cli::try_parse_from(line).expect_err("neither or both targets");
        assert_eq!(error.exit_code(), 2);
    }
}
