//! Dialogues, as a client sees them.

use std::sync::Arc;

use chat::profile::Field;
use chat::{
    Command, Entered, Event, Language, LeftCause, MessageView, Posted, Reason, Refusal, Reply,
    Target,
};
use codec::line::Shown;
use proptest::prelude::*;

use super::{
    Greeting, LineAction, LineSession, LogInRefused, LoggedIn, Registration, Rendering, Unreadable,
    render_message,
};

const GREETING: Greeting<'_> = Greeting {
    server: "chaski",
    version: "0.1.0",
    language: Language::English,
    registration: Registration::Open,
    time_ms: 1_700_000_000_000,
    first_byte_ms: Some(10_000),
    login_ms: 120_000,
};

fn greeted(language: Language) -> LineSession {
    let greeting = Greeting {
        language,
        ..GREETING
    };
    LineSession::new(&greeting, 0)
}

fn written(session: &mut LineSession) -> String {
    String::from_utf8(session.take_output()).expect("UTF-8 is written")
}

fn type_in(session: &mut LineSession, text: &str) {
    assert_eq!(session.handle_input(text.as_bytes()), text.len(), "{text}");
}

fn account() -> LoggedIn {
    LoggedIn {
        login: "ana".to_owned(),
        language: None,
        time_ms: 1_700_000_000_000,
        unread_private: 2,
    }
}

fn entered(room: &str, cause: LeftCause) -> Event {
    Event::Entered(Arc::new(Entered {
        room: room.to_owned(),
        head: 3,
        read: 3,
        unread: 0,
        topic: "de todo".to_owned(),
        owner: None,
        keep: false,
        members: 3,
        is_default: room == "lobby",
        cause,
        skipped: 0,
    }))
}

fn said(from: &str, text: &str) -> MessageView {
    MessageView {
        id: 9,
        seq: 4,
        from: from.to_owned(),
        text: text.to_owned(),
        is_action: false,
        sent_id: None,
        reply_to: None,
        mentions: Vec::new(),
        at_ms: 1_700_000_000_000,
        edited_ms: None,
        deleted_ms: None,
        reactions: Vec::new(),
    }
}

fn message(place: &str, message: MessageView, is_history: bool) -> Event {
    Event::Message {
        place: place.into(),
        message: Arc::new(message),
        is_history,
    }
}

/// A session that is logged in and in the default room, with nothing left to write.
fn opened(language: Language) -> LineSession {
    let mut session = greeted(language);
    type_in(&mut session, "ana\nsecreta1\n");
    session.poll_action();
    assert!(session.logged_in(Ok(account())));
    session.handle_event(&entered("lobby", LeftCause::Arrived));
    session.take_output();
    session
}

#[test]
fn a_login_is_a_dialogue_and_what_was_typed_ahead_waits_for_it() {
    let mut session = greeted(Language::English);
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
    assert!(!format!("{log_in:?}").contains("secreta1"));
    assert_eq!(session.poll_action(), Some(log_in));
    assert!(session.logged_in(Ok(account())));
    session.handle_event(&entered("lobby", LeftCause::Arrived));
    assert_eq!(
        written(&mut session),
        "-- chaski 0.1.0. Server time: 2023-11-14 22:13:20 UTC\n\
         -- In telnet, type #telnet first: then your password is not shown.\n\
         -- Login (or new to make an account):\n\
         -- Password:\n\
         -- Welcome, ana. It is 2023-11-14 22:13:20 UTC. #help lists the commands.\n\
         -- You have 2 unread private messages: #unread shows from whom.\n\
         -- You are in lobby, 3 people here. Topic: de todo\n"
    );
    session.handle_input(typed.get(used..).expect("some is left"));
    let join = Command::Join {
        room: "tech".to_owned(),
        after: None,
        is_only: true,
    };
    assert_eq!(session.poll_action(), Some(LineAction::Ask(join)));
    assert_eq!(session.poll_action(), None);
    assert_eq!(
        session.handle_input(b"hola\n"),
        0,
        "the room is not entered yet"
    );
}

#[test]
fn an_account_is_made_field_by_field_and_what_is_wrong_is_asked_again() {
    let mut session = greeted(Language::Spanish);
    session.take_output();
    type_in(
        &mut session,
        "nuevo\nAna María\nPérez\nana!\nana\ncorta\nsecreta1\n200\n30\n\n",
    );
    let Some(LineAction::Register(wish)) = session.poll_action() else {
        panic!("all was asked");
    };
    assert_eq!(
        (
            &*wish.first_names,
            &*wish.last_names,
            &*wish.login,
            &*wish.password,
            wish.age,
            &*wish.gender
        ),
        ("Ana María", "Pérez", "ana", "secreta1", Some(30), "")
    );
    assert!(!format!("{wish:?}").contains("secreta1"));
    assert!(!session.logged_in(Err(LogInRefused::LoginTaken)));
    type_in(&mut session, "anita\n");
    let Some(LineAction::Register(again)) = session.poll_action() else {
        panic!("only the login was asked again");
    };
    assert_eq!((&*again.login, &*again.password), ("anita", "secreta1"));
    assert_eq!(
        written(&mut session),
        "-- Una cuenta nueva. Responde cada pregunta con una línea; #exit lo termina.\n\
         -- Nombres:\n\
         -- Apellidos:\n\
         -- Nombre de usuario, por el que otros te conocen:\n\
         -- El nombre de usuario se compone de las letras a-z y A-Z sin tilde, cifras, '.', '_' y '-'.\n\
         -- Nombre de usuario, por el que otros te conocen:\n\
         -- Contraseña:\n\
         -- La contraseña necesita al menos 8 caracteres.\n\
         -- Contraseña:\n\
         -- Edad (una línea vacía la omite):\n\
         -- La edad es un número de 1 a 150.\n\
         -- Edad (una línea vacía la omite):\n\
         -- Género (una línea vacía lo omite):\n\
         -- Este nombre de usuario ya existe. Elige otro.\n\
         -- Nombre de usuario, por el que otros te conocen:\n"
    );
    let field = Field::Gender;
    let detail = None;
    session.logged_in(Err(LogInRefused::Flawed { field, detail }));
    type_in(&mut session, "x\n");
    assert!(matches!(
        session.poll_action(),
        Some(LineAction::Register(_))
    ));
}

#[test]
fn three_wrong_passwords_close_and_so_does_time() {
    let mut session = greeted(Language::English);
    for _ in 0..3 {
        type_in(&mut session, "ana\nwrong\n");
        assert!(matches!(
            session.poll_action(),
            Some(LineAction::LogIn { .. })
        ));
        session.logged_in(Err(LogInRefused::Credentials));
    }
    assert_eq!(session.poll_action(), Some(LineAction::Close));
    assert!(!session.logged_in(Ok(account())), "it is over");

    let mut silent = greeted(Language::English);
    assert_eq!(silent.next_deadline(), Some(10_000));
    type_in(&mut silent, "a");
    assert_eq!(silent.next_deadline(), Some(120_000));
    silent.handle_timeout(119_999);
    assert_eq!(silent.poll_action(), None);
    silent.handle_timeout(120_000);
    assert_eq!(silent.poll_action(), Some(LineAction::Close));
    assert_eq!(opened(Language::English).next_deadline(), None);
}

#[test]
fn a_password_is_hidden_in_telnet_only() {
    let mut session = greeted(Language::English);
    type_in(&mut session, "ana\n");
    assert!(
        !session.take_output().contains(&255),
        "nc is sent text only"
    );
    let mut session = greeted(Language::English);
    session.take_output();
    type_in(&mut session, "#telnet\r\nana\r\n");
    let hidden = session.take_output();
    assert!(
        hidden.ends_with(b"-- Password:\n\xff\xfb\x01"),
        "{hidden:?}"
    );
    session.handle_input(b"\xff\xfd\x01secreta1\r\n");
    assert_eq!(session.take_output(), b"\xff\xfc\x01\n");
}

#[test]
fn a_message_has_its_author_in_front_whatever_it_says() {
    let rendering = Rendering {
        language: Language::English,
    };
    let mut out = Vec::new();
    render_message(&said("bob", "hola"), rendering, &mut out);
    let forged = "one\n-- You are banned\r\nana: two\x1b[2J";
    render_message(&said("bob", forged), rendering, &mut out);
    let action = MessageView {
        is_action: true,
        ..said("bob", "waves")
    };
    render_message(&action, rendering, &mut out);
    assert_eq!(
        String::from_utf8(out).expect("UTF-8"),
        "bob: hola\nbob: one\n    -- You are banned\n    ana: two␛[2J\n* bob waves\n"
    );
}

#[test]
fn private_and_past_messages_say_that_they_are() {
    for (language, expected) in [
        (
            Language::English,
            "[private] bob: hey\n[private to bob] ana: hey\n[4 2023-11-14 22:13] eva: hey\n",
        ),
        (
            Language::Spanish,
            "[privado] bob: hey\n[privado a bob] ana: hey\n[4 2023-11-14 22:13] eva: hey\n",
        ),
    ] {
        let mut session = opened(language);
        session.handle_event(&message("@bob", said("bob", "hey"), false));
        session.handle_event(&message("@bob", said("ana", "hey"), false));
        session.handle_event(&message("lobby", said("eva", "hey"), true));
        assert_eq!(written(&mut session), expected);
    }
}

#[test]
fn talking_waits_for_nothing_and_one_s_last_message_can_be_edited() {
    let mut session = opened(Language::English);
    type_in(&mut session, "uno\n##dos\n");
    for text in ["uno", "#dos"] {
        let Some(LineAction::Ask(Command::Say { to, text: said, .. })) = session.poll_action()
        else {
            panic!("a message");
        };
        assert_eq!((to, &*said), (Target::Room("lobby".to_owned()), text));
    }
    type_in(&mut session, "#edit x\n");
    assert!(written(&mut session).starts_with("-- You have said nothing here yet."));
    session.said(Ok(&Reply::Posted(Posted {
        place: "lobby".into(),
        message: Arc::new(said("ana", "uno")),
        is_duplicate: false,
    })));
    session.said(Err(&Refusal::later(Reason::Flood, 1_500)));
    assert_eq!(
        written(&mut session),
        "-- You are sending too fast. Wait a moment. Try again in 2 seconds.\n"
    );
    type_in(&mut session, "#edit tres\n");
    let edit = Command::Edit {
        of: Target::Room("lobby".to_owned()),
        seq: 4,
        text: "tres".to_owned(),
    };
    assert_eq!(session.poll_action(), Some(LineAction::Ask(edit)));
}

#[test]
fn a_mistyped_command_reaches_nobody() {
    let mut session = opened(Language::English);
    type_in(&mut session, "#histroy\n#cR\n#eR\n");
    assert_eq!(session.poll_action(), None);
    assert_eq!(
        written(&mut session),
        "-- Unknown command #histroy; nobody got it. Did you mean #history? #help lists the commands; ## begins a message with #.\n\
         -- Usage: #cR ROOM [keep]\n\
         -- You are in the default room already.\n"
    );
}

#[test]
fn who_loses_their_room_is_told_why_once() {
    let mut session = opened(Language::English);
    session.handle_event(&entered("tech", LeftCause::Asked));
    session.take_output();
    let cause = LeftCause::CreatorGone("bob".to_owned());
    session.handle_event(&Event::Left {
        place: "tech".into(),
        cause: cause.clone(),
    });
    session.handle_event(&entered("lobby", cause));
    assert_eq!(
        written(&mut session),
        "-- tech is gone, because bob, who created it, left.\n\
         -- You are in lobby, 3 people here. Topic: de todo\n"
    );
}

#[test]
fn one_s_own_messages_are_not_shown_where_they_are_not_wanted() {
    let mut session = opened(Language::English);
    type_in(&mut session, "#echo off\n");
    session.take_output();
    session.handle_event(&message("lobby", said("ana", "mine"), false));
    session.handle_event(&message("lobby", said("bob", "his"), false));
    assert_eq!(written(&mut session), "bob: his\n");
}

#[test]
fn machine_mode_hands_over_its_lines_and_shows_no_text() {
    let mut session = opened(Language::English);
    type_in(&mut session, "#mode json\n{\"type\":\"rooms\"}\n\n");
    session.handle_input(b"\xc3(\n");
    session.handle_event(&message("lobby", said("bob", "hola"), false));
    type_in(&mut session, "#mode text\n");
    for action in [
        LineAction::Mode(Shown::Json),
        LineAction::Json("{\"type\":\"rooms\"}".to_owned()),
        LineAction::NoJson(Unreadable::NotText),
        LineAction::Mode(Shown::Text),
    ] {
        assert_eq!(session.poll_action(), Some(action));
    }
    assert_eq!(written(&mut session), "-- You are shown text.\n");
}

#[test]
fn an_idle_connection_is_small() {
    assert!(
        size_of::<LineSession>() <= 400,
        "{}",
        size_of::<LineSession>()
    );
}

proptest! {
    #[test]
    fn any_bytes_leave_output_that_a_terminal_may_be_sent(
        pieces in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "#[a-zA-Z]{1,8} [ -~]{0,20}\n".prop_map(String::into_bytes),
            "\\PC{0,30}\r\n".prop_map(String::into_bytes),
        ], 0..20),
        is_open in any::<bool>(),
    ) {
        let mut session = if is_open { opened(Language::Spanish) } else { greeted(Language::English) };
        for piece in &pieces {
            session.handle_input(piece);
            while session.poll_action().is_some() {
                session.answered(Ok(&Reply::Done));
            }
            let out = session.take_output();
            let text: Vec<u8> = out.split(|byte| *byte == 255).map(<[u8]>::to_vec).enumerate()
                .flat_map(|(index, part)| part.get(if index > 0 { 2 } else { 0 }..).unwrap_or_default().to_vec())
                .collect();
            let text = String::from_utf8(text).expect("but for telnet's commands text is written");
            prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{:?}", text);
        }
    }
}
