//! Documents that are read, and that are refused before anything is changed.

use super::*;

const HASH: &str = "SANWI4y20wpaOTANAxAG9IB2UNeWEfNJ6lz88ordqEietl5m";

fn known() -> Known {
    Known {
        importer: "admin".to_owned(),
        accounts: Vec::new(),
        vhosts: vec!["/".to_owned()],
        now_ms: 1,
    }
}

/// The changes and the number of declarations that a document leads to, or what is wrong with it.
fn read(text: &str, vhost: Option<&str>) -> Result<(Vec<Change>, usize), String> {
    let read = || {
        let import: Import = body::parse(text.as_bytes())?;
        let changes = import.changes(&known(), vhost)?;
        let declarations = import.declarations(vhost)?;
        Ok((changes, declarations.iter().map(Vec::len).sum()))
    };
    read().map_err(|failure: Failure| failure.reason().to_owned())
}

#[test]
fn a_whole_export_is_read() {
    let text = format!(
        r#"{{"rabbit_version": "3.10.8", "unknown": [1],
        "users": [{{"name": "u", "password_hash": "{HASH}",
            "hashing_algorithm": "rabbit_password_hashing_sha256", "tags": ["management"], "limits": {{}}}}],
        "vhosts": [{{"name": "/"}}, {{"name": "v"}}],
        "permissions": [{{"user": "u", "vhost": "v", "configure": "^u", "write": "", "read": ".*"}}],
        "topic_permissions": [{{"user": "u", "vhost": "v", "exchange": "amq.topic", "write": "a", "read": "b"}}],
        "parameters": [], "global_parameters": [{{"name": "cluster_name", "value": "x"}}],
        "policies": [{{"vhost": "v", "name": "p", "pattern": "^q", "apply-to": "queues",
            "definition": {{"max-length": 5}}, "priority": 1}}],
        "queues": [{{"name": "q", "vhost": "v", "durable": true, "auto_delete": false, "arguments": {{}}}}],
        "exchanges": [{{"name": "e", "vhost": "v", "type": "topic", "durable": true, "auto_delete": false,
            "internal": false, "arguments": {{}}}}],
        "bindings": [{{"source": "e", "vhost": "v", "destination": "q", "destination_type": "queue",
            "routing_key": "k", "arguments": {{}}}}]}}"#
    );
    let (changes, declarations) = read(&text, None).expect("it is right");
    // A virtual host and its maker's rights, an account, two kinds of rights, a policy.
    assert_eq!((changes.len(), declarations), (6, 3), "{changes:?}");
    let account = changes.iter().find_map(|change| {
        if let Change::AccountAdded(account) = change {
            Some(account)
        } else {
            None
        }
    });
    let account = account.expect("it is right");
    assert_eq!(account.password_hash, format!("rabbit-sha256${HASH}"));
    assert_eq!(account.tags, ["management"]);
}

#[test]
fn entries_of_one_virtual_host_need_not_name_it() {
    let text = r#"{"queues": [{"name": "q", "durable": true}]}"#;
    assert_eq!(read(text, Some("/")).expect("it is right").1, 1);
    assert_eq!(
        read(text, None).expect_err("it is wrong"),
        "queue 'q': key_missing: vhost"
    );
}

#[test]
fn what_cannot_be_used_is_refused_whole() {
    let deep = format!(
        r#"{{"queues": [{{"name": "q", "vhost": "/", "arguments": {{"x": {}1{}}}}}]}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let hashed = |hash: &str, algorithm: &str| {
        format!(
            r#"{{"users": [{{"name": "u", "password_hash": "{hash}", "hashing_algorithm": "{algorithm}", "tags": []}}]}}"#
        )
    };
    for (text, wanted) in [
        (deep, "recursion limit"),
        ("[".to_owned(), "not_json"),
        (r#"{"users": 5}"#.to_owned(), "invalid type"),
        (
            r#"{"queues": [], "queues": []}"#.to_owned(),
            "duplicate field",
        ),
        (
            r#"{"queues": [{"name": "a", "name": "b"}]}"#.to_owned(),
            "duplicate field",
        ),
        (hashed(HASH, "rabbit_password_hashing_md5"), "rabbit_password_hashing_md5"),
        (hashed("$2y$31$abc", "bcrypt"), "bcrypt"),
        (hashed("eHg=", "rabbit_password_hashing_sha256"), "base64"),
        (hashed("plain", "argon2id"), "argon2id"),
        (
            r#"{"users": [{"name": "u", "password": "p"}]}"#.to_owned(),
            "tags_not_present",
        ),
        (
            r#"{"permissions": [{"user": "u", "vhost": "/", "configure": "(", "write": "", "read": ""}]}"#.to_owned(),
            "not a usable pattern",
        ),
        (
            r#"{"policies": [{"vhost": "/", "name": "p", "pattern": "a", "definition": {"max-lenth": 1}}]}"#.to_owned(),
            "max-length",
        ),
        (
            r#"{"policies": [{"vhost": "/", "name": "p", "pattern": "a", "definition": {}}]}"#.to_owned(),
            "no policy provided",
        ),
    ] {
        let refused = read(&text, None).expect_err("it is wrong");
        assert!(refused.contains(wanted), "{refused}");
    }
}
