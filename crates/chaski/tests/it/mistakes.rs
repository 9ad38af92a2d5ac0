//! What people mistype, and what somebody stored that cannot be served: one line each that says what is wrong.

use std::process::{Output, Stdio};

use directory::{Binding, Change, DestinationKind, Directory, Exchange, Policy};

use crate::cli::{ended, failed};
use crate::server::{Server, command};

/// Checks that the command line is refused as wrong usage, naming what is wrong; what follows is the usual pointer to the help.
fn usage(output: &Output, naming: &str) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    let first = said.lines().next().unwrap();
    assert!(first.contains(naming), "{first:?} names {naming:?}");
}

#[test]
fn a_wrong_value_is_refused_in_one_line_and_changes_nothing() {
    let server = Server::start(&[]);
    let long = "n".repeat(300);
    for (arguments, code, naming) in [
        (&["user", "add", "", "--generate"][..], 2, "cannot be empty"),
        (&["user", "add", "a\nb", "--generate"], 2, "U+000A"),
        (&["user", "add", &long, "--generate"], 2, "at most 64 bytes"),
        (&["user", "add", "guest", "--generate"], 6, "'guest'"),
        (
            &["user", "add", "bob", "--generate", "--tag", "a,b"],
            2,
            "a tag",
        ),
        (
            &["user", "add", "bob", "--generate", "--full-access", "shpo"],
            5,
            "'shpo'",
        ),
        (&["user", "password", "bob", "--generate"], 5, "'bob'"),
        (&["user", "tags", "bob", "x"], 5, "'bob'"),
        (&["vhost", "add", ""], 2, "1 to 255 bytes"),
        (&["vhost", "add", "a\nb"], 2, "U+000A"),
        (&["vhost", "add", &long], 2, "1 to 255 bytes"),
        (&["vhost", "delete", "shpo"], 5, "'shpo'"),
        (&["permission", "set", "guest", "--read=("], 2, "'('"),
        (&["permission", "set", "guest", "--write=[a-"], 2, "'[a-'"),
        (
            &["permission", "set", "guest", "--configure=a{9999999}"],
            2,
            "memory",
        ),
        (
            &["permission", "set", "guest", "--configure=(?=x)"],
            2,
            "look-around",
        ),
        (
            &["permission", "set", "guest", "--vhost", "shpo"],
            5,
            "'shpo'",
        ),
        (
            &[
                "permission",
                "set-topic",
                "guest",
                "--exchange",
                "x",
                "--read=*",
            ],
            2,
            "'*'",
        ),
        (&["permission", "clear", "gesut"], 5, "'gesut'"),
        (
            &["permission", "clear", "guest", "--vhost", "shpo"],
            5,
            "'shpo'",
        ),
        (&["permission", "clear", "gesut", "--topic"], 5, "'gesut'"),
        (&["permission", "list", "--user", "gesut"], 5, "'gesut'"),
        (&["permission", "list", "--vhost", "shpo"], 5, "'shpo'"),
        (&["policy", "set", "p", "--pattern", "("], 2, "'('"),
        (
            &["policy", "set", "", "--pattern", "x"],
            2,
            "1 to 255 bytes",
        ),
        (
            &["policy", "set", "p", "--pattern", "x", "--vhost", "shpo"],
            5,
            "'shpo'",
        ),
        (&["policy", "clear", "p"], 5, "'p'"),
        (&["policy", "list", "--vhost", "shpo"], 5, "'shpo'"),
        (&["queue", "list", "--vhost", "shpo"], 5, "'shpo'"),
        (&["exchange", "list", "--vhost", "shpo"], 5, "'shpo'"),
        (&["binding", "list", "--vhost", "shpo"], 5, "'shpo'"),
        (&["consumer", "list", "--vhost", "shpo"], 5, "'shpo'"),
        (&["connection", "close", "99"], 5, "no such connection"),
        (&["serve", "--log-level", "loud"], 2, "`loud`"),
        (&["serve"], 1, "another server runs"),
    ] {
        let mut arguments = arguments.to_vec();
        if arguments.starts_with(&["policy", "set"]) {
            arguments.extend(["--definition", r#"{"max-length":1}"#]);
        }
        failed(&server.chaski(&arguments), code, naming);
    }
    let before = ["admin", "guest"];
    let users = ended(&server.chaski(&["user", "list"]), 0);
    let logins: Vec<_> = users.lines().skip(1).map(|line| &line[..5]).collect();
    assert_eq!(logins, before);
    let policies = ended(&server.chaski(&["policy", "list", "--json"]), 0);
    assert_eq!(policies, "[]\n");
}

#[test]
fn a_command_line_that_cannot_be_read_says_what_would_be_right() {
    let directory = tempfile::tempdir().unwrap();
    let definition = ["policy", "set", "p", "--pattern", "x", "--definition"];
    for (arguments, naming) in [
        (&["queue", "lsit"][..], "'lsit'"),
        (&["queue", "list", "--page", "0"], "it is from 1 to"),
        (
            &["queue", "list", "--page-size", "5000"],
            "it is from 1 to 1000",
        ),
        (&["queue", "peek", "q", "-n", "many"], "not a whole number"),
        (
            &["consume", "q", "--prefetch", "70000"],
            "it is from 0 to 65535",
        ),
        (&["consume", "q", "-n", "x"], "not a whole number"),
        (
            &["publish", "--priority", "300", "x"],
            "it is from 0 to 255",
        ),
        (
            &["publish", "--expiration", "soon", "x"],
            "not a whole number",
        ),
        (&["publish", "--header", "level", "x"], "KEY=VALUE"),
        (&["publish", "--url", "http://x", "x"], "amqp://"),
        (&["queue", "declare", "q", "-a", "level"], "KEY=VALUE"),
        (&["connection", "close", "abc"], "not a whole number"),
        (&["alarm", "set", "hunger"], "'hunger'"),
        (
            &["serve", "--amqp", "99999"],
            "from 0 (takes a free one) to 65535",
        ),
        (
            &["config", "--effective", "--set", "frame_max"],
            "KEY=VALUE",
        ),
        (&[&definition[..], &["{"]].concat(), "not a JSON object"),
        (&[&definition[..], &["[1]"]].concat(), "not a JSON object"),
    ] {
        usage(
            &command(directory.path()).args(arguments).output().unwrap(),
            naming,
        );
    }
}

#[test]
fn a_policy_takes_the_keys_that_it_knows_and_names_those_without_effect() {
    let server = Server::start(&[]);
    let set = |definition: &str| {
        let set = ["policy", "set", "p", "--pattern", "^q", "--definition"];
        server.chaski(&[&set[..], &[definition]].concat())
    };
    failed(&set(r#"{"max-lenght":1}"#), 2, "did you mean `max-length`?");
    failed(&set(r#"{"max-priority":5}"#), 2, "`x-max-priority`");
    failed(&set(r#"{"max-length":"1"}"#), 2, "whole number");
    failed(&set("{}"), 2, "empty");
    let hinted = set(r#"{"ha-mode":"all","queue-mode":"lazy","max-length":1}"#);
    let note = String::from_utf8(hinted.stderr.clone()).unwrap();
    ended(&hinted, 0);
    assert!(note.contains("ha-mode, queue-mode"), "{note}");
    let url = server.url();
    ended(&server.chaski(&["queue", "declare", "q", "--url", &url]), 0);
    for body in ["old", "new"] {
        ended(
            &server.chaski(&["publish", "-k", "q", body, "--url", &url]),
            0,
        );
    }
    let left = ended(&server.chaski(&["consume", "q", "--url", &url]), 0);
    assert_eq!(left, "new\n", "max-length holds");
}

#[test]
fn what_cannot_be_served_keeps_the_server_from_starting_and_is_named() {
    let exchange = |kind: &str| Exchange {
        vhost: "/".to_owned(),
        name: "orders".to_owned(),
        kind: kind.to_owned(),
        durable: true,
        auto_delete: false,
        internal: false,
        arguments: Vec::new(),
        owner: None,
    };
    let heavy = Binding {
        vhost: "/".to_owned(),
        source: "orders".to_owned(),
        destination_kind: DestinationKind::Exchange,
        destination: "amq.fanout".to_owned(),
        // What a later version may understand; here it is a weight.
        routing_key: b"heavy".to_vec(),
        arguments: Vec::new(),
    };
    let mistyped = Policy {
        vhost: "/".to_owned(),
        name: "short".to_owned(),
        pattern: ".*".to_owned(),
        apply_to: directory::ApplyTo::All,
        priority: 0,
        definition: r#"{"max-lenght":5}"#.to_owned(),
    };
    for (changes, naming) in [
        (
            vec![Change::ExchangeDeclared(exchange("x-of-tomorrow"))],
            "exchange 'orders' in vhost '/' cannot be served",
        ),
        (
            vec![
                Change::ExchangeDeclared(exchange("x-consistent-hash")),
                Change::Bound(heavy),
            ],
            "to exchange 'orders' with key 'heavy' in vhost '/' cannot be served",
        ),
        (
            vec![Change::PolicySet(mistyped)],
            "policy 'short' in vhost '/' cannot be served",
        ),
    ] {
        let mut server = Server::start(&[]);
        assert!(server.terminate().success());
        let database = server.data.join("directory.sqlite");
        Directory::open(&database)
            .unwrap()
            .commit(&changes)
            .unwrap();
        let mut serve = command(&server.data);
        serve.args(["serve", "--amqp", "127.0.0.1:0", "--amqps", "off"]);
        failed(&serve.stdin(Stdio::null()).output().unwrap(), 1, naming);
        let doctor = server.chaski(&["doctor"]);
        let found = ended(&doctor, 1);
        assert!(found.contains(naming), "{found}");
    }
}

#[test]
fn a_policy_that_cannot_be_served_is_cleared_without_a_server() {
    let mut server = Server::start(&[]);
    assert!(server.terminate().success());
    let data = server.data.clone();
    let mistyped = Policy {
        vhost: "/".to_owned(),
        name: "short".to_owned(),
        pattern: ".*".to_owned(),
        apply_to: directory::ApplyTo::All,
        priority: 0,
        definition: "[]".to_owned(),
    };
    let mut directory = Directory::open(&data.join("directory.sqlite")).unwrap();
    directory.commit(&[Change::PolicySet(mistyped)]).unwrap();
    drop(directory);
    let doctor = ended(&server.chaski(&["doctor"]), 1);
    assert!(
        doctor.contains("`chaski policy clear short --vhost /`"),
        "{doctor}"
    );
    ended(
        &server.chaski(&["policy", "clear", "short", "--vhost", "/"]),
        0,
    );
    ended(&server.chaski(&["doctor"]), 0);
    let server = Server::start_on(&data, &[]);
    ended(&server.chaski(&["status"]), 0);
}
