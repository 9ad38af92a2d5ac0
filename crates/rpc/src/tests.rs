mod lint;

use std::collections::BTreeMap;

use prost::Message as _;
use prost::bytes::Bytes;
use prost_types::{FileDescriptorProto, FileDescriptorSet};

use crate::FILE_DESCRIPTOR_SET;
use crate::v1::{Message, Value, message, value};

/// The descriptor of one file with this text, which need not link.
fn parsed(name: &str, text: &str) -> FileDescriptorProto {
    let file = protox::file::File::from_source(name, text).expect("it is protobuf");
    file.file_descriptor_proto().clone()
}

fn own() -> FileDescriptorSet {
    FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).expect("the build wrote it")
}

#[test]
fn every_proto_is_documented_and_named_by_the_rules() {
    let findings = lint::findings(&own());
    assert!(findings.is_empty(), "{findings:#?}");
}

#[test]
fn the_descriptors_hold_every_service_with_its_methods() {
    let set = own();
    let services: BTreeMap<&str, usize> = set
        .file
        .iter()
        .flat_map(|file| &file.service)
        .map(|service| (service.name(), service.method.len()))
        .collect();
    let expected = [
        ("AccountService", 8),
        ("AuditService", 2),
        ("ChatService", 28),
        ("DeadLetterService", 3),
        ("FileIndexService", 13),
        ("MessageService", 8),
        ("PeerService", 2),
        ("QueueService", 18),
        ("SessionService", 3),
    ];
    assert_eq!(services, BTreeMap::from(expected));
}

/// What is found in a file that is well but for `from`, which stands as `to`.
#[track_caller]
fn findings(from: &str, to: &str) -> Vec<String> {
    const GOOD: &str = r#"
// A file.
syntax = "proto3";
package chaski.v1;
// A service.
service PingService {
  // A method.
  rpc Ping(PingRequest) returns (PingResponse);
}
// A request.
message PingRequest {
  // Milliseconds.
  optional uint64 ttl_ms = 1;
  // Either.
  oneof target {
    // A queue.
    string queue = 2;
  }
  // A map.
  map<string, string> headers = 3;
  // An enum.
  enum PingKind {
    // None.
    PING_KIND_UNSPECIFIED = 0;
    // Loud.
    PING_KIND_LOUD = 1;
  }
}
// A response.
message PingResponse {}
"#;
    assert!(GOOD.contains(from), "{from} is not in the file");
    let file = parsed("chaski/v1/ping_service.proto", &GOOD.replacen(from, to, 1));
    lint::findings(&FileDescriptorSet { file: vec![file] })
}

#[test]
fn a_missing_comment_is_found() {
    const RULE: &str = "no comment of whole sentences before it";
    assert_eq!(findings("A file.", "A file."), [""; 0]);
    for (comment, name) in [
        ("// A file.", "chaski/v1/ping_service.proto"),
        ("// A service.", "PingService"),
        ("// A method.", "PingService.Ping"),
        ("// A request.", "PingRequest"),
        ("// Either.", "PingRequest.target"),
        ("// A queue.", "PingRequest.queue"),
        ("// A map.", "PingRequest.headers"),
        ("// An enum.", "PingRequest.PingKind"),
        ("// Loud.", "PingRequest.PingKind.PING_KIND_LOUD"),
    ] {
        assert_eq!(findings(comment, ""), [format!("{name}: {RULE}")]);
    }
    let expected = format!("PingRequest.queue: {RULE}");
    assert_eq!(findings("A queue.", "a queue"), [expected]);
}

#[test]
fn a_name_against_the_rules_is_found() {
    const FILE: &str = "chaski/v1/ping_service.proto";
    for (from, to, name, rule) in [
        (
            "string queue",
            "string queueName",
            "PingRequest.queueName",
            "not lower_snake_case",
        ),
        (
            "oneof target",
            "oneof Target",
            "PingRequest.Target",
            "not lower_snake_case",
        ),
        (
            "Milliseconds.",
            "A time.",
            "PingRequest.ttl_ms",
            "its comment does not name its unit",
        ),
        (
            "chaski.v1",
            "chaski.v2",
            FILE,
            "not in the folder of its package",
        ),
        (
            "PingService",
            "PongService",
            "PongService",
            "not in the file of its name",
        ),
        (
            "enum PingKind",
            "enum PINGKind",
            "PingRequest.PINGKind",
            "not UpperCamelCase",
        ),
        (
            "PING_KIND_UNSPECIFIED",
            "PING_KIND_NONE",
            "PingRequest.PingKind",
            "its first value is not _UNSPECIFIED = 0",
        ),
        (
            "PING_KIND_LOUD",
            "LOUD",
            "PingRequest.PingKind.LOUD",
            "not UPPER_SNAKE_CASE with the enum's prefix",
        ),
    ] {
        let finding = format!("{name}: {rule}");
        let found = findings(from, to);
        assert!(found.contains(&finding), "{from} as {to}: {found:#?}");
    }
    let found = findings("PingService", "PingDoor");
    let expected = [
        "PingDoor: not UpperCamelCase with the suffix Service",
        "PingDoor: not in the file of its name",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_request_or_response_without_its_method_is_found() {
    let found = findings("rpc Ping(PingRequest)", "rpc Ping(Other)");
    let expected = [
        "PingService.Ping: its request is not named after it",
        "PingRequest: used by no method",
    ];
    assert_eq!(found, expected);

    let found = findings("returns (PingResponse)", "returns (stream PingRequest)");
    let expected = [
        "PingService.Ping: its response is not named after it",
        "PingRequest: used by two methods",
        "PingResponse: used by no method",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_decoded_body_shares_the_buffer_that_it_came_in() {
    let message = Message {
        body: Bytes::from_static(b"a body that is worth not copying"),
        headers: BTreeMap::from([(
            "x".to_owned(),
            Value {
                kind: Some(value::Kind::Int64Value(-1)),
            },
        )]),
        ttl_ms: Some(0),
        schedule: Some(message::Schedule::DeliverAfterMs(5)),
        ..Message::default()
    };
    let bytes = Bytes::from(message.encode_to_vec());
    let decoded = Message::decode(bytes.clone()).expect("it was encoded");
    assert_eq!(decoded, message);
    assert!(bytes.as_ptr_range().contains(&decoded.body.as_ptr()));
}
