use std::fs;

use super::*;

fn sources(flags: &[(&str, &str)], environment: &[(&str, &str)]) -> Sources {
    let owned = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    Sources {
        file: None,
        flags: owned(flags),
        environment: owned(environment),
    }
}

/// Loads with a configuration file of this text.
fn load_file(text: &str, mut sources: Sources) -> Result<Config, ConfigError> {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("settings.toml");
    fs::write(&path, text).expect("a small file");
    sources.file = Some(path);
    Config::load(&sources)
}

#[track_caller]
fn check_refused(loaded: Result<Config, ConfigError>, fragments: &[&str]) {
    let error = loaded.expect_err("must be refused").to_string();
    for fragment in fragments {
        assert!(error.contains(fragment), "`{fragment}` is not in: {error}");
    }
}

#[test]
fn what_the_command_line_reads_is_no_mistake_of_the_server() {
    for variable in [
        "CHASKI_SERVER",
        "CHASKI_CONTEXT",
        "CHASKI_TOKEN",
        "CHASKI_CA",
        "CHASKI_STATE",
    ] {
        let loaded = Config::load(&sources(&[], &[(variable, "x")]));
        assert!(loaded.is_ok(), "{variable}: {loaded:?}");
    }
}

#[test]
fn defaults_are_valid_and_listen_on_loopback() {
    let config = Config::load(&sources(&[], &[("CHASKI_DATA", "/nonexistent")]))
        .expect("defaults are valid");
    let amqp = config.listeners.amqp_address().expect("open by default");
    let amqps = config.listeners.amqps_address().expect("open by default");
    assert_eq!(amqp.to_string(), "127.0.0.1:5672");
    assert_eq!(amqps.to_string(), "127.0.0.1:5671");
    assert!((1..=SHARDS_MAX).contains(&config.shard_count()));
    assert!(config.limits.memory_resume() < config.limits.memory_high());
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file = "[limits]\nframe_max = 8192\nchannel_max = 10\nheartbeat_s = 5\n";
    let config = load_file(
        file,
        sources(
            &[("limits.frame_max", "16384")],
            &[
                ("CHASKI_FRAME_MAX", "32768"),
                ("CHASKI_CHANNEL_MAX", "20"),
                ("HOME", "/root"),
            ],
        ),
    )
    .expect("all values are valid");
    assert_eq!(config.limits.frame_max, 16384);
    assert_eq!(config.limits.channel_max, 20);
    assert_eq!(config.limits.heartbeat_s, 5);
    assert_eq!(config.limits.max_message_bytes, 16 << 20);
}

#[test]
fn the_last_of_two_equal_variables_wins_and_an_empty_one_unsets() {
    let load = |environment: &[(&str, &str)]| {
        Config::load(&sources(&[("data", "/nonexistent")], environment)).expect("valid")
    };
    let twice = [("CHASKI_SHARDS", "2"), ("CHASKI_SHARDS", "3")];
    assert_eq!(load(&twice).shards, 3);
    let unset = [("CHASKI_SHARDS", "2"), ("CHASKI_SHARDS", "")];
    assert_eq!(load(&unset).shards, 0);
}

#[test]
fn the_file_in_the_data_directory_is_found_but_cannot_move_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join(FILE_NAME);
    let data = directory.path().to_str().expect("a plain path");
    let load = || Config::load(&sources(&[("data", data)], &[]));

    fs::write(&path, "shards = 7\n").expect("a small file");
    assert_eq!(load().expect("valid").shards, 7);

    fs::write(&path, "data = \"/elsewhere\"\n").expect("a small file");
    check_refused(load(), &["chaski.toml", "`data`", "--data"]);
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest_right_one() {
    let load = |flags: &[(&str, &str)], environment: &[(&str, &str)]| {
        Config::load(&sources(flags, environment))
    };
    check_refused(
        load_file("[limits]\nframe_mx = 1\n", Sources::default()),
        &["settings.toml", "`limits.frame_mx`", "`limits.frame_max`"],
    );
    check_refused(
        load_file("frame_max = 1\n", Sources::default()),
        &["`frame_max`", "`limits.frame_max`"],
    );
    check_refused(
        load_file("[shards]\nx = 1\n", Sources::default()),
        &["shards"],
    );
    check_refused(
        load(&[], &[("CHASKI_FRAME_MAXX", "1")]),
        &["CHASKI_FRAME_MAXX", "`CHASKI_FRAME_MAX`"],
    );
    check_refused(load(&[], &[("CHASKI_FRAME", "1")]), &["`CHASKI_FRAME_MAX`"]);
    check_refused(
        load(&[("acounts.guest", "no")], &[]),
        &["`acounts.guest`", "`accounts.guest`"],
    );
    check_refused(
        load(&[("zzzzzzzz", "1")], &[]),
        &["`zzzzzzzz`", "chaski config"],
    );
}

#[test]
fn a_value_of_the_wrong_kind_names_its_source() {
    let load = |name: &str, value: &str| Config::load(&sources(&[], &[(name, value)]));
    check_refused(load("CHASKI_SHARDS", "many"), &["CHASKI_SHARDS", "`many`"]);
    check_refused(load("CHASKI_GUEST", "perhaps"), &["CHASKI_GUEST", "true"]);
    check_refused(load("CHASKI_AMQP", "1.2.3.4"), &["CHASKI_AMQP", "port"]);
    check_refused(load("CHASKI_AMQP", "host:1"), &["`host`", "IP address"]);
    check_refused(load("CHASKI_LOG_FORMAT", "xml"), &["xml"]);
    check_refused(load("CHASKI_SHARDS", "-1"), &["CHASKI_SHARDS"]);
    check_refused(
        load_file("[limits]\nframe_max = \"big\"\n", Sources::default()),
        &["settings.toml", "line 2"],
    );
}

#[test]
fn values_out_of_range_or_against_each_other_are_refused() {
    let load = |key: &str, value: &str| {
        Config::load(&sources(&[("data", "/nonexistent"), (key, value)], &[]))
    };
    check_refused(load("limits.frame_max", "4095"), &["4096"]);
    check_refused(load("shards", "65"), &["shards", "64"]);
    check_refused(load("limits.disk_free_resume_bytes", "1"), &["above"]);
    check_refused(load("tls.key", "k.pem"), &["tls.certificate"]);
    check_refused(load("log.level", "a=b=c"), &["log.level"]);
    check_refused(load("log.level", "loud"), &["`loud` is no level"]);
    check_refused(load("log.level", "info,session"), &["`session` is no"]);
    check_refused(load("log.level", ""), &["log.level"]);
    check_refused(load("accounts.administrator", ""), &["administrator"]);
    for wrong in ["-0.1", "1.1", "nan", "often"] {
        check_refused(load("traces.sample", wrong), &["traces.sample"]);
    }
    check_refused(load("traces.endpoint", "collector:4317"), &["http://"]);
    check_refused(load("traces.endpoint", "http://c:1/v1/traces"), &["path"]);
    for (wrong, secret) in [
        ("traces.endpoint", "http://me:hunter2@c:1"),
        ("traces.headers", "authorization hunter2"),
        ("traces.headers", "a=1,two words=hunter2"),
        ("traces.headers", "a-bin=hunter2"),
    ] {
        let error = load(wrong, secret)
            .expect_err("must be refused")
            .to_string();
        assert!(
            error.contains(wrong) && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn the_default_file_loads_and_says_everything() {
    let text = Config::default_file();
    let loaded = load_file(&text, Sources::default()).expect("all keys are commented out");
    assert_eq!(loaded.effective(), Config::default().effective());
    for key in schema::keys() {
        let name = key.path.rsplit('.').next().expect("a key has a name");
        assert!(text.contains(&format!("#{name} =")), "{name} is missing");
        let variable = key.variable.expect("every key has a variable");
        assert!(text.contains(variable), "{variable} is missing");
    }
}

#[test]
fn the_default_file_with_every_default_uncommented_is_the_default() {
    let text: String = Config::default_file()
        .lines()
        .map(|line| match line.strip_prefix('#') {
            // A comment begins with a space; a key without a default has no value.
            Some(rest) if !rest.starts_with(' ') && !rest.ends_with('=') => format!("{rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let loaded = load_file(&text, Sources::default()).expect("defaults are valid values");
    assert_eq!(loaded.effective(), Config::default().effective());
}

#[test]
fn effective_values_load_again_and_hide_secrets() {
    let flags = [
        ("data", "/nonexistent"),
        ("accounts.administrator_password", "hunter2"),
        ("listeners.amqps", "off"),
        ("traces.endpoint", "https://collector:4317"),
        ("traces.sample", "0.5"),
    ];
    let headers = [("CHASKI_TRACES_HEADERS", "authorization=Bearer hunter2")];
    let config = Config::load(&sources(&flags, &headers)).expect("valid");
    let text = config.effective_toml();
    assert!(!text.contains("hunter2") && text.contains("<redacted>"));
    assert!(!format!("{config:?}").contains("hunter2"));
    // What stands for a secret is no header.
    let shown = text.replace("headers = \"<redacted>\"", "headers = \"a=b\"");
    let again = load_file(&shown, Sources::default()).expect("what is shown can be loaded");
    assert_eq!(again.effective(), config.effective());
}

#[test]
fn every_key_is_shown_among_the_effective_values() {
    let all = [
        ("tls.certificate", "c.pem"),
        ("tls.key", "k.pem"),
        ("tls.directory", "certs"),
        ("accounts.administrator_password", "x"),
        ("traces.endpoint", "http://127.0.0.1:4317"),
        ("traces.headers", "a=b"),
    ];
    let effective = Config::load(&sources(&all, &[]))
        .expect("valid")
        .effective();
    for key in schema::keys() {
        let mut value = Some(&effective);
        let mut parts = key.path.split('.').peekable();
        while let Some(part) = parts.next() {
            let found = value.and_then(|table| table.get(part));
            assert!(found.is_some(), "{} is not shown", key.path);
            value = found.and_then(toml::Value::as_table);
            assert!(parts.peek().is_none() || value.is_some());
        }
    }
}

#[test]
fn listen_addresses_are_read_as_people_write_them() {
    let bind: IpAddr = "10.0.0.1".parse().expect("an address");
    let check = |text: &str, expected: Option<&str>| {
        let address: ListenAddress = text.parse().expect("a valid address");
        let resolved = address.resolve(bind).map(|address| address.to_string());
        assert_eq!(resolved.as_deref(), expected, "{text}");
        let again: ListenAddress = address.to_string().parse().expect("what is shown is valid");
        assert_eq!(again, address);
    };
    check("off", None);
    check("OFF", None);
    check("0", Some("10.0.0.1:0"));
    check(":5672", Some("10.0.0.1:5672"));
    check("127.0.0.1:0", Some("127.0.0.1:0"));
    check("localhost:5672", Some("127.0.0.1:5672"));
    check("[::1]:5672", Some("[::1]:5672"));
    for wrong in ["", "70000", "1.2.3.4", "1.2.3.4:", "a:b", "::1"] {
        assert!(wrong.parse::<ListenAddress>().is_err(), "{wrong}");
    }
}

#[test]
fn the_nearest_name_is_found_only_when_it_is_near() {
    let names = ["data", "shards", "frame_max"];
    assert_eq!(nearest("frame-max", names), Some("frame_max"));
    assert_eq!(nearest("shrads", names), Some("shards"));
    assert_eq!(nearest("frame", names), Some("frame_max"));
    assert_eq!(nearest("unrelated", names), None);
}

#[test]
fn older_clients_reach_the_server_from_its_own_machine_alone_unless_they_are_told() {
    let flags = [("data", "/nonexistent"), ("listeners.bind", "0.0.0.0")];
    let config = Config::load(&sources(&flags, &[])).expect("valid");
    assert!(!config.classroom.enabled);
    let doors = config.classroom;
    for (door, port) in [(doors.chat, 1545), (doors.rest, 4000), (doors.grpc, 50051)] {
        let address = door.resolve(config.listeners.bind).expect("it is open");
        assert!(address.ip().is_loopback() && address.port() == port);
    }
}
