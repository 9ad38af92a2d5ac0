use super::*;

fn check(ask: &Ask, expected: &str) {
    let written: Value = serde_json::from_str(&write(ask, 7)).expect("JSON");
    let expected: Value = serde_json::from_str(expected).expect("JSON");
    assert_eq!(written, expected);
}

#[test]
fn what_a_client_says_is_written_as_the_contract_has_it() {
    let say = Say {
        room: "lobby".into(),
        text: "hola".into(),
        sent_id: "a1".into(),
        reply_to: None,
        action: false,
    };
    check(
        &Ask::Say(say),
        r#"{"type":"say","room":"lobby","text":"hola","sent_id":"a1","ref":7}"#,
    );
    let join = Ask::Join {
        room: "x".into(),
        after: Some(3),
    };
    check(&join, r#"{"type":"join","room":"x","after":3,"ref":7}"#);
    check(&Ask::Rooms, r#"{"type":"rooms","ref":7}"#);
    let room = Ask::DeleteRoom { room: "x".into() };
    check(&room, r#"{"type":"delete_room","room":"x","ref":7}"#);
    let ban = Ask::Ban(Sanction {
        room: "x".into(),
        login: "bob".into(),
        minutes: Some(5),
        reason: String::new(),
    });
    check(
        &ban,
        r#"{"type":"ban","room":"x","login":"bob","minutes":5,"ref":7}"#,
    );
}

#[test]
fn fields_that_are_left_out_have_their_defaults() {
    let (reference, said) = read(
        r#"{"type":"message","room":"lobby","id":9,"seq":3,"from":"bob","text":"x","at_ms":5}"#,
    )
    .expect("a message");
    assert_eq!(reference, None);
    let Said::Message(message) = said else {
        panic!("a message, not {said:?}");
    };
    assert_eq!((message.seq, message.at_ms, message.action), (3, 5, false));
    assert_eq!(message.reactions, []);
}

#[test]
fn answers_carry_their_reference_and_unknown_types_are_let_pass() {
    let (reference, said) =
        read(r#"{"type":"error","code":"forbidden","text":"no","ref":12}"#).expect("a refusal");
    assert_eq!(reference, Some(12));
    let refused = Refused {
        code: "forbidden".into(),
        text: "no".into(),
        retry_after_ms: None,
    };
    assert_eq!(said, Said::Error(refused));
    let (_, said) = read(r#"{"type":"dance","steps":3}"#).expect("an object");
    assert_eq!(said, Said::Unknown);
    assert!(read("[]").is_err());
}
