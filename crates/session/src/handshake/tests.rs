use broker::{Refusal, RefusalKind};
use codec::amqp::field::{Table, Value};
use codec::amqp::frame::{self, PROTOCOL_HEADER};
use codec::amqp::method::{
    ConnectionCloseOk, ConnectionOpen, ConnectionTuneOk, ConnectionUpdateSecret, Method,
};

use crate::harness::{Bench, capabilities};
use crate::{Action, Denied, Login, Settings};

fn started() -> Bench {
    let mut bench = Bench::new(Settings::default());
    bench.raw(&PROTOCOL_HEADER);
    bench.expect_only("0 ConnectionStart {");
    bench
}

fn authenticated() -> Bench {
    let mut bench = started();
    bench.start_ok(&capabilities(), "PLAIN", b"\0user\0password");
    assert!(bench.session.poll_action().is_some());
    bench.session.authenticated(
        Ok(Login {
            name: "user".into(),
            impersonator: false,
        }),
        bench.now_ms,
    );
    bench.expect_only("0 ConnectionTune { channel_max: 2047, frame_max: 131072, heartbeat: 60 }");
    bench
}

#[test]
fn another_protocol_gets_the_header_and_nothing_else() {
    for other in [
        &b"AMQP\x00\x01\x00\x00"[..],
        b"GET / HTTP/1.1\r\n\r\n",
        b"AMQP\x03\x01\x00\x00",
        b"X",
    ] {
        let mut bench = Bench::new(Settings::default());
        bench.raw(other);
        assert_eq!(bench.output(), b"AMQP\x00\x00\x09\x01");
        assert!(bench.session.is_closed());
        assert_eq!(bench.held_back(), 0);
    }
}

#[test]
fn the_protocol_header_may_come_in_pieces() {
    let mut bench = Bench::new(Settings::default());
    for byte in PROTOCOL_HEADER {
        assert!(bench.output().is_empty());
        bench.raw(&[byte]);
    }
    bench.expect_only("0 ConnectionStart {");
}

#[test]
fn start_says_what_clients_look_for() {
    let mut bench = Bench::new(Settings {
        version: "4.1.0".to_owned(),
        ..Settings::default()
    });
    bench.raw(&PROTOCOL_HEADER);
    let output = bench.output();
    let (frame, _) = frame::parse(&output, 0)
        .expect("a frame")
        .expect("a whole one");
    let Ok(Method::ConnectionStart(start)) = Method::decode(frame.payload) else {
        unreachable!("it is start")
    };
    assert_eq!((start.version_major, start.version_minor), (0, 9));
    assert_eq!(
        (start.mechanisms, start.locales),
        (&b"PLAIN AMQPLAIN"[..], &b"en_US"[..])
    );
    let properties = start.server_properties.to_owned().expect("a table");
    assert_eq!(
        properties.get("product").and_then(Value::as_str),
        Some("Chaski")
    );
    assert_eq!(
        properties.get("version").and_then(Value::as_str),
        Some("4.1.0")
    );
    let capabilities = properties
        .get("capabilities")
        .and_then(Value::as_table)
        .expect("capabilities");
    for name in [
        "publisher_confirms",
        "exchange_exchange_bindings",
        "basic.nack",
        "consumer_cancel_notify",
        "connection.blocked",
        "consumer_priorities",
        "authentication_failure_close",
        "per_consumer_qos",
        "direct_reply_to",
    ] {
        assert_eq!(capabilities.get(name), Some(&Value::Bool(true)), "{name}");
    }
}

#[test]
fn both_mechanisms_hand_over_the_credentials() {
    let mut table = Table::new();
    table.insert("LOGIN", "ana");
    table.insert("PASSWORD", "secret");
    for (mechanism, response) in [
        ("PLAIN", b"\0ana\0secret".to_vec()),
        ("AMQPLAIN", table.to_bytes()),
    ] {
        let mut bench = started();
        bench.start_ok(&capabilities(), mechanism, &response);
        let expected = Action::Authenticate {
            login: "ana".to_owned(),
            password: b"secret".to_vec(),
        };
        assert_eq!(bench.session.poll_action(), Some(expected), "{mechanism}");
        assert!(bench.session.is_paused());
    }
}

#[test]
fn an_action_never_prints_its_secret() {
    let action = Action::Authenticate {
        login: "ana".to_owned(),
        password: b"hunter2".to_vec(),
    };
    assert_eq!(format!("{action:?}"), "Authenticate { login: \"ana\", .. }");
}

#[test]
fn a_refused_login_is_told_only_to_who_asked_for_it() {
    for (properties, is_told) in [(capabilities(), true), (Table::new(), false)] {
        let mut bench = started();
        bench.start_ok(&properties, "PLAIN", b"\0guest\0guest");
        bench.session.authenticated(Err(Denied), bench.now_ms);
        if is_told {
            bench.expect_only(
                "0 ConnectionClose { reply_code: 403, reply_text: \"ACCESS_REFUSED - Login was refused using authentication \
                 mechanism PLAIN. For details see the broker logfile.\", class_id: 0, method_id: 0 }",
            );
            bench.method(0, ConnectionCloseOk {});
        }
        assert!(bench.output().is_empty());
        assert!(bench.session.is_closed());
    }
}

#[test]
fn a_malformed_response_is_a_refused_login() {
    let mut bench = started();
    bench.start_ok(&capabilities(), "PLAIN", b"\0a\0b\0c");
    assert_eq!(bench.session.poll_action(), None);
    bench.expect_only("0 ConnectionClose { reply_code: 403");
}

#[test]
fn an_unknown_mechanism_is_a_fault() {
    let mut bench = started();
    bench.start_ok(&capabilities(), "EXTERNAL", b"");
    bench.expect_only("0 ConnectionClose { reply_code: 503");
}

#[test]
fn large_frames_are_refused_before_they_come_while_the_peer_is_unknown() {
    for size in [8_185_u32, 131_072, u32::MAX] {
        let mut bench = started();
        bench.raw(&[&[1, 0, 0][..], &size.to_be_bytes()].concat());
        bench.expect_only("0 ConnectionClose { reply_code: 501");
    }
    let mut bench = started();
    bench.raw(&[&[1, 0, 0][..], &8_184_u32.to_be_bytes()].concat());
    assert!(bench.output().is_empty(), "8 KiB is allowed");
}

#[test]
fn only_the_next_step_is_allowed() {
    let mut bench = started();
    bench.method(0, ConnectionTuneOk::default());
    bench.expect_only("0 ConnectionClose { reply_code: 503");
    let mut bench = authenticated();
    bench.method(
        0,
        ConnectionOpen {
            virtual_host: "/",
            ..ConnectionOpen::default()
        },
    );
    bench.expect_only("0 ConnectionClose { reply_code: 503");
    let mut bench = started();
    bench.raw(&crate::harness::publish_bytes(1, "q", &[0, 0], b"x"));
    bench.expect_only("0 ConnectionClose { reply_code: 504");
    assert_eq!(bench.calls(), []);
}

#[test]
fn limits_are_negotiated_down_and_refused_up() {
    let tune = |channel_max, frame_max| ConnectionTuneOk {
        channel_max,
        frame_max,
        heartbeat: 0,
    };
    for (tune, text) in [
        (
            tune(2_047, 4_095),
            "negotiated frame_max = 4095 is lower than the minimum allowed value (4096)",
        ),
        (
            tune(2_047, 131_073),
            "negotiated frame_max = 131073 is higher than the maximum allowed value (131072)",
        ),
        (
            tune(2_048, 131_072),
            "negotiated channel_max = 2048 is higher than the maximum allowed value (2047)",
        ),
    ] {
        let mut bench = authenticated();
        bench.method(0, tune);
        bench.expect_only(&format!(
            "0 ConnectionClose {{ reply_code: 530, reply_text: \"NOT_ALLOWED - {text}\""
        ));
    }
    let mut bench = authenticated();
    bench.method(0, tune(7, 4_096));
    assert_eq!(bench.session.frame_max(), 4_096);
    assert!(bench.output().is_empty());
}

#[test]
fn a_virtual_host_is_entered_or_refused_with_530() {
    for (outcome, expected) in [
        (Ok(()), "0 ConnectionOpenOk"),
        (
            Err(Refusal::new(RefusalKind::NotFound, "vhost v not found")),
            "0 ConnectionClose { reply_code: 530, reply_text: \"NOT_ALLOWED - vhost v not found\", class_id: 10, method_id: 40",
        ),
        (
            Err(Refusal::new(
                RefusalKind::AccessRefused,
                "access to vhost 'v' refused for user 'user'",
            )),
            "0 ConnectionClose { reply_code: 530, reply_text: \"NOT_ALLOWED - access to vhost 'v' refused for user 'user'\"",
        ),
    ] {
        let mut bench = authenticated();
        bench.method(
            0,
            ConnectionTuneOk {
                channel_max: 0,
                frame_max: 0,
                heartbeat: 0,
            },
        );
        bench.method(
            0,
            ConnectionOpen {
                virtual_host: "v",
                ..ConnectionOpen::default()
            },
        );
        assert_eq!(
            bench.session.poll_action(),
            Some(Action::Open {
                vhost: "v".to_owned()
            })
        );
        bench.session.opened(outcome, bench.now_ms);
        bench.expect_only(expected);
    }
}

#[test]
fn a_new_secret_is_checked_before_anything_else_is_read() {
    for (is_ok, expected) in [
        (true, "0 ConnectionUpdateSecretOk"),
        (false, "0 ConnectionClose { reply_code: 530"),
    ] {
        let mut bench = Bench::open();
        bench.method(
            0,
            ConnectionUpdateSecret {
                new_secret: b"new",
                reason: "old",
            },
        );
        assert_eq!(
            bench.session.poll_action(),
            Some(Action::UpdateSecret {
                secret: b"new".to_vec()
            })
        );
        bench.publish("q", b"x");
        assert_eq!(bench.calls(), []);
        bench.session.secret_updated(is_ok, bench.now_ms);
        bench.expect_only(expected);
        bench.resume_input();
        assert_eq!(bench.calls().len(), usize::from(is_ok));
    }
}

#[test]
fn the_description_says_who_it_is() {
    let bench = Bench::open();
    let description = bench.session.description();
    assert_eq!(description.login.map(|login| &**login), Some("user"));
    assert_eq!(
        (description.vhost, description.product),
        (Some("/"), Some("test"))
    );
    assert_eq!(
        (
            description.channels,
            description.consumers,
            description.unacked
        ),
        (1, 0, 0)
    );
}
