use super::*;

fn refusal(kind: RefusalKind) -> Refusal {
    Refusal::new(kind, "because")
}

#[test]
fn every_refusal_has_a_code_and_a_reason() {
    let table = [
        (RefusalKind::NotFound, Code::NotFound, "QUEUE_NOT_FOUND"),
        (
            RefusalKind::AccessRefused,
            Code::PermissionDenied,
            "ACCESS_REFUSED",
        ),
        (
            RefusalKind::NotAllowed,
            Code::PermissionDenied,
            "NOT_ALLOWED",
        ),
        (
            RefusalKind::PreconditionFailed,
            Code::FailedPrecondition,
            "PRECONDITION_FAILED",
        ),
        (
            RefusalKind::ResourceLocked,
            Code::FailedPrecondition,
            "RESOURCE_LOCKED",
        ),
        (
            RefusalKind::CommandInvalid,
            Code::InvalidArgument,
            "INVALID",
        ),
        (
            RefusalKind::NotImplemented,
            Code::Unimplemented,
            "NOT_IMPLEMENTED",
        ),
        (
            RefusalKind::LimitExceeded,
            Code::ResourceExhausted,
            "LIMIT_EXCEEDED",
        ),
        (RefusalKind::Unavailable, Code::Unavailable, "UNAVAILABLE"),
    ];
    for (kind, code, reason) in table {
        let status = refused(refusal(kind), Subject::Queue("q"));
        assert_eq!((status.code(), status.message()), (code, "because"));
        let details = status.get_error_details();
        let info = details.error_info().expect("it is there");
        assert_eq!(
            (info.reason.as_str(), info.domain.as_str()),
            (reason, "chaski")
        );
        assert_eq!(info.metadata.get("queue").map(String::as_str), Some("q"));
    }
}

#[test]
fn what_may_work_later_says_when() {
    for kind in [RefusalKind::LimitExceeded, RefusalKind::Unavailable] {
        let details = refused(refusal(kind), Subject::Several).get_error_details();
        let retry = details.retry_info().expect("it is there");
        assert_eq!(retry.retry_delay, Some(Duration::from_secs(1)));
    }
    let details = refused(refusal(RefusalKind::LimitExceeded), Subject::Several);
    let details = details.get_error_details();
    assert_eq!(
        details
            .quota_failure()
            .expect("it is there")
            .violations
            .len(),
        1
    );
    let details = refused(refusal(RefusalKind::NotFound), Subject::Several);
    assert!(details.get_error_details().retry_info().is_none());
}

#[test]
fn a_flaw_names_its_field() {
    let status = flawed(Flaw::new("body", "too long").within("messages[3]"));
    assert_eq!(status.code(), Code::InvalidArgument);
    let details = status.get_error_details();
    let violation = &details.bad_request().expect("it is there").field_violations[0];
    assert_eq!(violation.field, "messages[3].body");
    assert_eq!(violation.description, "too long");
}

#[track_caller]
fn check_chat(refusal: &chat::Refusal, code: Code, reason: &str, retry_after_ms: Option<u64>) {
    let status = chat_refused(refusal);
    assert_eq!(status.code(), code);
    let details = status.get_error_details();
    let info = details.error_info().expect("it is there");
    assert_eq!(
        (info.reason.as_str(), info.domain.as_str()),
        (reason, "chaski")
    );
    let retry = details.retry_info().and_then(|info| info.retry_delay);
    assert_eq!(retry, retry_after_ms.map(Duration::from_millis));
}

#[test]
fn every_kind_of_the_chats_refusals_has_a_code_and_a_word() {
    use chat::Reason;
    let name = || "x".to_owned();
    let table = [
        (Reason::NoRoom(name()), Code::NotFound, "NO_ROOM"),
        (Reason::NotAuthor, Code::PermissionDenied, "NOT_AUTHOR"),
        (Reason::EmptyText, Code::InvalidArgument, "EMPTY_TEXT"),
        (Reason::RoomTaken(name()), Code::AlreadyExists, "ROOM_TAKEN"),
        (
            Reason::TooMany(chat::Plenty::Rooms),
            Code::ResourceExhausted,
            "TOO_MANY",
        ),
    ];
    for (reason, code, word) in table {
        check_chat(&chat::Refusal::new(reason), code, word, None);
    }
    let flood = chat::Refusal::later(Reason::Flood, 250);
    check_chat(&flood, Code::ResourceExhausted, "FLOOD", Some(250));
    let away = chat::Refusal::new(Reason::Unavailable);
    check_chat(&away, Code::Unavailable, "UNAVAILABLE", Some(1_000));
}

#[test]
fn a_queues_key_may_not_chat() {
    assert_eq!(not_chatting(Outsider::Key).code(), Code::PermissionDenied);
    assert_eq!(not_chatting(Outsider::Gone).code(), Code::Unauthenticated);
}
