//! The command line, as a person or a script uses it.

use std::process::Output;

use crate::server::{Server, command};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Checks the exit code and returns what was printed.
pub(crate) fn ended(output: &Output, code: i32) -> String {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{} {}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// Checks that a command was refused with this exit code and one line that names what is wrong.
pub(crate) fn failed(output: &Output, code: i32, naming: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    let said = text(&output.stderr);
    assert!(said.contains(naming), "{said:?} names {naming:?}");
    assert_eq!(said.trim_end().lines().count(), 1, "one line, not {said:?}");
}

fn json(output: &Output) -> serde_json::Value {
    serde_json::from_str(&ended(output, 0)).unwrap()
}

impl Server {
    /// Runs an AMQP command as an account.
    fn amqp(&self, login: &str, arguments: &[&str]) -> Output {
        let url = format!("amqp://{login}@{}/%2f", self.address("amqp"));
        command(&self.data)
            .env("CHASKI_URL", url)
            .args(arguments)
            .output()
            .unwrap()
    }
}

#[test]
fn accounts_are_made_changed_and_deleted_while_the_server_runs() {
    let server = Server::start(&[]);
    let add = [
        "user",
        "add",
        "anna",
        "--password-stdin",
        "--tag",
        "monitoring",
        "--full-access",
        "/",
    ];
    ended(&server.chaski_with_input(&add, "first\n"), 0);
    failed(&server.chaski_with_input(&add, "first\n"), 6, "anna");
    let users = json(&server.chaski(&["--json", "user", "list"]));
    let anna = users
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["login"] == "anna")
        .unwrap();
    assert_eq!(anna["tags"], serde_json::json!(["monitoring"]));
    ended(&server.amqp("anna:first", &["queue", "declare", "q"]), 0);
    ended(
        &server.chaski_with_input(
            &["user", "password", "anna", "--password-stdin"],
            "second\n",
        ),
        0,
    );
    failed(
        &server.amqp("anna:first", &["queue", "declare", "q"]),
        4,
        "ACCESS_REFUSED",
    );
    ended(&server.amqp("anna:second", &["queue", "declare", "q"]), 0);
    ended(&server.chaski(&["user", "delete", "anna"]), 0);
    failed(
        &server.amqp("anna:second", &["queue", "declare", "q"]),
        4,
        "ACCESS_REFUSED",
    );
    failed(&server.chaski(&["user", "delete", "anna"]), 5, "anna");
}

#[test]
fn a_generated_password_is_printed_alone_and_works() {
    let server = Server::start(&[]);
    let printed = ended(
        &server.chaski(&["user", "add", "shop", "--generate", "--full-access", "/"]),
        0,
    );
    let password = printed.trim_end();
    assert!(
        password.len() >= 20 && !password.contains(char::is_whitespace),
        "{printed:?}"
    );
    ended(
        &server.amqp(&format!("shop:{password}"), &["queue", "declare", "q"]),
        0,
    );
}

#[test]
fn permissions_and_virtual_hosts_decide_who_may_what() {
    let server = Server::start(&[]);
    ended(
        &server.chaski_with_input(&["user", "add", "shop", "--password-stdin"], "pw\n"),
        0,
    );
    failed(
        &server.amqp("shop:pw", &["queue", "declare", "shop.a"]),
        4,
        "",
    );
    let set = [
        "permission",
        "set",
        "shop",
        "--configure=^shop[.]",
        "--write=^$",
        "--read=^$",
    ];
    ended(&server.chaski(&set), 0);
    ended(&server.amqp("shop:pw", &["queue", "declare", "shop.a"]), 0);
    failed(
        &server.amqp("shop:pw", &["queue", "declare", "other"]),
        4,
        "ACCESS_REFUSED",
    );
    failed(
        &server.amqp("shop:pw", &["queue", "purge", "shop.a"]),
        4,
        "ACCESS_REFUSED",
    );
    let listed = json(&server.chaski(&["permission", "list", "--user", "shop", "--json"]));
    assert_eq!(
        listed["permissions"][0]["configure"], "^shop[.]",
        "{listed}"
    );
    failed(
        &server.chaski(&["permission", "set", "nobody"]),
        5,
        "nobody",
    );
    ended(&server.chaski(&["vhost", "add", "second"]), 0);
    failed(&server.chaski(&["vhost", "add", "second"]), 6, "second");
    let vhosts = json(&server.chaski(&["vhost", "list", "--json"]));
    assert_eq!(
        vhosts,
        serde_json::json!([{ "name": "/" }, { "name": "second" }])
    );
    ended(&server.chaski(&["permission", "clear", "shop"]), 0);
    failed(
        &server.amqp("shop:pw", &["queue", "declare", "shop.b"]),
        4,
        "",
    );
    ended(&server.chaski(&["vhost", "delete", "second"]), 0);
    failed(&server.chaski(&["vhost", "delete", "second"]), 5, "second");
}

#[test]
fn a_message_makes_the_round_trip() {
    let server = Server::start(&[]);
    let amqp = |arguments: &[&str]| server.amqp("guest:guest", arguments);
    ended(
        &amqp(&["queue", "declare", "tasks", "-a", "x-max-length=100"]),
        0,
    );
    failed(&amqp(&["queue", "declare", "tasks"]), 4, "x-max-length");
    ended(
        &amqp(&[
            "publish",
            "-k",
            "tasks",
            "--persistent",
            "--header",
            "level=high",
            "wash",
        ]),
        0,
    );
    ended(&amqp(&["publish", "-k", "tasks", "-n", "2", "dry"]), 0);
    failed(&amqp(&["publish", "-k", "nowhere", "lost"]), 5, "NO_ROUTE");
    let rows = json(&server.chaski(&["queue", "list", "--json"]));
    assert_eq!(
        (&rows[0]["name"], &rows[0]["messages_ready"]),
        (&"tasks".into(), &3.into())
    );
    assert_eq!(
        ended(&amqp(&["queue", "peek", "tasks", "-n", "2"]), 0),
        "wash\ndry\n"
    );
    let first = json(&amqp(&["consume", "tasks", "-n", "1", "--json"]));
    assert_eq!(
        (&first["body"], &first["properties"]["headers"]["level"]),
        (&"wash".into(), &"high".into())
    );
    assert_eq!(first["redelivered"], true, "it was peeked at");
    assert_eq!(ended(&amqp(&["consume", "tasks", "-n", "1"]), 0), "dry\n");
    let purged = json(&amqp(&["queue", "purge", "tasks", "--json"]));
    assert_eq!(purged["purged_messages"], 1);
    assert_eq!(ended(&amqp(&["consume", "tasks"]), 0), "");
    ended(&amqp(&["queue", "delete", "tasks"]), 0);
    failed(&amqp(&["queue", "delete", "tasks"]), 5, "NOT_FOUND");
    failed(&amqp(&["consume", "tasks"]), 5, "NOT_FOUND");
}

#[test]
fn exit_codes_are_those_of_the_help() {
    let server = Server::start(&[]);
    let nobody = tempfile::tempdir().unwrap();
    let help = ended(&server.chaski(&["--help"]), 0);
    assert!(
        help.contains("Exit codes:") && help.contains("3  cannot reach the server"),
        "{help}"
    );
    assert_eq!(server.chaski(&["no-such-command"]).status.code(), Some(2));
    failed(
        &command(nobody.path()).arg("status").output().unwrap(),
        3,
        "",
    );
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("amqp://{closed}");
    failed(
        &server.chaski(&["queue", "declare", "q", "--url", &url]),
        3,
        &closed.to_string(),
    );
    failed(
        &server.amqp("guest:wrong", &["queue", "declare", "q"]),
        4,
        "ACCESS_REFUSED",
    );
    failed(
        &server.amqp("guest:guest", &["queue", "purge", "absent"]),
        5,
        "absent",
    );
}

#[test]
fn status_counts_and_connections_can_be_closed() {
    let server = Server::start(&[]);
    let mut wire = crate::wire::Wire::open(server.address("amqp"));
    wire.declare("q");
    let status = json(&server.chaski(&["status", "--json"]));
    assert_eq!(
        (
            &status["counts"]["connections"],
            &status["counts"]["queues"]
        ),
        (&1.into(), &1.into())
    );
    let shown = ended(&server.chaski(&["status"]), 0);
    assert!(shown.contains(server.address("amqp")), "{shown}");
    let rows = json(&server.chaski(&["connection", "list", "--json"]));
    assert_eq!(rows[0]["login"], "guest");
    let id = rows[0]["id"].to_string();
    ended(
        &server.chaski(&["connection", "close", &id, "--reason", "maintenance"]),
        0,
    );
    assert_eq!(wire.closed_with(), Some(320));
    failed(
        &server.chaski(&["connection", "close", &id]),
        5,
        "no such connection",
    );
}

#[test]
fn an_unknown_setting_names_the_nearest() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("some.toml");
    std::fs::write(&file, "[limits]\nframe_mx = 65536\n").unwrap();
    let path = file.to_str().unwrap();
    let run = |arguments: &[&str]| command(directory.path()).args(arguments).output().unwrap();
    failed(
        &run(&["config", "--effective", "--config", path]),
        2,
        "limits.frame_max",
    );
    failed(
        &run(&["serve", "--set", "limits.heartbeats=1"]),
        2,
        "limits.heartbeat_s",
    );
    let environment = command(directory.path())
        .env("CHASKI_FRAME_MX", "1")
        .args(["config", "--effective"])
        .output();
    failed(&environment.unwrap(), 2, "CHASKI_FRAME_MAX");
}

#[test]
fn the_default_file_loads_back_as_it_is_and_uncommented() {
    let directory = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| command(directory.path()).args(arguments).output().unwrap();
    let before = ended(&run(&["config", "--effective"]), 0);
    let template = ended(&run(&["config"]), 0);
    let file = directory.path().join("written.toml");
    // A line `#key = value` is a setting, `# text` is a comment.
    let is_setting = |line: &str| {
        let key = line
            .strip_prefix('#')
            .and_then(|rest| rest.split_once(" = "))
            .map(|(key, _)| key);
        key.is_some_and(|key| {
            key.bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        }) && !line.starts_with("#data")
    };
    let uncommented: Vec<_> = template
        .lines()
        .map(|line| if is_setting(line) { &line[1..] } else { line })
        .collect();
    assert!(uncommented.contains(&"frame_max = 131072"), "{template}");
    for content in [template.clone(), uncommented.join("\n")] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(
            ended(
                &run(&["config", "--effective", "--config", file.to_str().unwrap()]),
                0
            ),
            before
        );
    }
}

#[test]
fn secrets_are_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    for json in [&[][..], &["--json"]] {
        let mut command = command(directory.path());
        command
            .env("CHASKI_ADMINISTRATOR_PASSWORD", "hunter2")
            .args(["config", "--effective"])
            .args(json);
        let shown = ended(&command.output().unwrap(), 0);
        assert!(
            shown.contains("administrator_password") && !shown.contains("hunter2"),
            "{shown}"
        );
    }
}

#[test]
fn completions_know_the_commands() {
    let directory = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish"] {
        let script = ended(
            &command(directory.path())
                .args(["completions", shell])
                .output()
                .unwrap(),
            0,
        );
        assert!(
            script.contains("doctor") && script.contains("publish"),
            "{shell}"
        );
    }
}

#[test]
fn what_is_piped_or_logged_to_a_file_has_no_colours() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log");
    let data = directory.path().join("data");
    let mut child = command(&data)
        .args([
            "serve",
            "--amqp",
            "127.0.0.1:0",
            "--amqps",
            "off",
            "--ready-json",
        ])
        .stdout(std::process::Stdio::piped())
        .stderr(std::fs::File::create(&file).unwrap())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(child.stdout.as_mut().unwrap()),
        &mut line,
    )
    .unwrap();
    let listed = ended(&command(&data).args(["queue", "list"]).output().unwrap(), 0);
    assert!(
        !listed.contains('\u{1b}') && listed.starts_with("VHOST"),
        "{listed:?}"
    );
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(child.wait().unwrap().success());
    let log = std::fs::read_to_string(&file).unwrap();
    assert!(
        log.contains("stopped") && !log.contains('\u{1b}'),
        "{log:?}"
    );
}

#[test]
fn accounts_can_be_made_without_a_server() {
    let mut server = Server::start(&[]);
    assert!(server.terminate().success());
    let data = server.data.clone();
    ended(
        &server.chaski_with_input(
            &[
                "user",
                "add",
                "anna",
                "--password-stdin",
                "--full-access",
                "/",
            ],
            "pw\n",
        ),
        0,
    );
    let server = Server::start_on(&data, &[]);
    ended(&server.amqp("anna:pw", &["queue", "declare", "q"]), 0);
}
