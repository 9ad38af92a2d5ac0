use amq_protocol::protocol::{AMQPHardError, AMQPSoftError};

use super::ReplyCode;

#[test]
fn codes_names_and_scopes_are_those_of_the_specification() {
    for code in 0..1000 {
        let soft = AMQPSoftError::from_id(code).map(|error| error.to_string());
        let hard = AMQPHardError::from_id(code).map(|error| error.to_string());
        let expected = match (soft, hard) {
            (Some(name), _) => Some((code, name.replace('-', "_"), false)),
            (None, Some(name)) => Some((code, name.replace('-', "_"), true)),
            (None, None) if code == 200 => Some((200, "REPLY_SUCCESS".to_owned(), false)),
            (None, None) => None,
        };
        let actual = ReplyCode::from_code(code).map(|reply| {
            (
                reply.code(),
                reply.name().to_owned(),
                reply.closes_connection(),
            )
        });
        assert_eq!(actual, expected, "reply code {code}");
    }
}

#[test]
fn all_lists_every_code_once_in_order() {
    let all: Vec<u16> = ReplyCode::ALL.iter().map(|reply| reply.code()).collect();
    let known: Vec<u16> = (0..u16::MAX)
        .filter(|code| ReplyCode::from_code(*code).is_some())
        .collect();
    assert_eq!(all, known);
    assert_eq!(all.len(), 19);
}
