//! Dialogues, as a client sees them.

use chat::{Command, Language};

use super::{Greeting, LineAction, LineSession, LoggedIn, Registration};

const GREETING: Greeting<'_> = Greeting {
    server: "chaski",
    version: "0.1.0",
    language: Language::English,
    registration: Registration::Open,
    time_ms: 1_700_000_000_000,
    first_byte_ms: Some(10_000),
    login_ms: 120_000,
};

#[test]
fn somebody_logs_in_and_enters_a_room() {
    let mut session = LineSession::new(&GREETING, 0);
    let typed = b"ana\nsecreta1\n#gR tech\n";
    let used = session.handle_input(typed);
    assert_eq!(
        used,
        "ana\nsecreta1\n".len(),
        "the rest waits for the login"
    );
    let log_in = LineAction::LogIn {
        login: "ana".to_owned(),
        password: "secreta1".to_owned(),
    };
    assert_eq!(session.poll_action(), Some(log_in));
    session.logged_in(Ok(LoggedIn {
        login: "ana".to_owned(),
        language: None,
        unread_private: 0,
    }));
    assert_eq!(
        session.handle_input(typed.get(used..).expect("some is left")),
        "#gR tech\n".len()
    );
    let join = Command::Join {
        room: "tech".to_owned(),
        after: None,
        is_only: true,
    };
    assert_eq!(session.poll_action(), Some(LineAction::Ask(join)));
    assert_eq!(session.poll_action(), None);
}
