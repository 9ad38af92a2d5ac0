use super::events::{Event, Events};
use super::{ApiError, escape, refused};

#[test]
fn names_are_escaped_for_paths() {
    assert_eq!(escape("a/b c%ä"), "a%2Fb%20c%25%C3%A4");
    assert_eq!(escape("plain-name_1.2~"), "plain-name_1.2~");
}

#[test]
fn a_problem_document_is_told_by_its_detail() {
    let error = refused(404, br#"{"detail":"there is no queue 'x'"}"#);
    assert_eq!(error.to_string(), "there is no queue 'x'");
    let ApiError::Refused { status, .. } = error else {
        panic!("a refusal, not {error:?}");
    };
    assert_eq!(status, 404);
    assert_eq!(
        refused(502, b"<html>").to_string(),
        "the server answered 502"
    );
}

#[test]
fn events_are_read_over_comments_and_several_lines() {
    let stream: &[u8] =
        b": hello\n\nid: 7\nevent: x\ndata: one\ndata: two\r\n\n:\n\ndata: three\n\ndata: cut";
    let mut events = Events::new(stream);
    let first = Event {
        id: Some("7".into()),
        kind: "x".into(),
        data: "one\ntwo".into(),
    };
    let second = Event {
        id: Some("7".into()),
        kind: String::new(),
        data: "three".into(),
    };
    assert_eq!(events.next_event().expect("it can be read"), Some(first));
    assert_eq!(events.next_event().expect("it can be read"), Some(second));
    assert_eq!(events.next_event().expect("it can be read"), None);
}
