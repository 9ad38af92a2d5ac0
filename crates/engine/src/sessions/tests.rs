use directory::{Change, Grant, QueueKey, ResourceKind, Role, password, token};

use super::{Credentials, KEY_LOGIN, OpenedSession, Origin, SessionKind, SessionWish};
use crate::accounts::{Denied, GUEST, Login, Revoked};
use crate::audit::Author;
use crate::rig::{ADMIN, PASSWORD, Rig, VHOST, origin};

fn open(rig: &Rig, login: &Login, wish: SessionWish) -> OpenedSession {
    rig.run(rig.handle.open_session(login, &origin(), wish))
        .expect("the login is an account's")
}

fn by_token(rig: &Rig, opened: &OpenedSession) -> Result<Login, Denied> {
    rig.log_in(Credentials::Token(&opened.token))
}

fn end(rig: &Rig, id: &str) -> bool {
    rig.run(rig.handle.end_session(id, &Author::operator()))
        .expect("the disk did not fail")
}

#[test]
fn a_token_opens_what_the_password_does_also_after_a_restart() {
    let rig = Rig::new();
    let opened = open(&rig, &rig.by_password(ADMIN), SessionWish::default());
    assert!(opened.token.starts_with("cht_") && opened.csrf.is_none());
    let rig = rig.restart();
    let login = by_token(&rig, &opened).expect("the session is stored");
    assert_eq!(login.session(), Some(&*opened.view.id));
    assert!(login.is_administrator() && rig.handle.access(&login, VHOST).is_some());
    let password = &opened.token;
    let found = rig.log_in(Credentials::Password {
        login: ADMIN,
        password,
    });
    assert_eq!(
        found.expect("a token is a password, too").session(),
        Some(&*opened.view.id)
    );
    let others = rig.log_in(Credentials::Password {
        login: "guest",
        password,
    });
    assert_eq!(
        others.err(),
        Some(Denied::Credentials),
        "of another account"
    );
    let unknown = rig.log_in(Credentials::Token("cht_unknown"));
    assert_eq!(unknown.err(), Some(Denied::Secret));
}

#[test]
fn an_ended_session_closes_its_connections_and_opens_no_other() {
    let rig = Rig::new();
    let password = rig.by_password(ADMIN);
    let [ended, other] = [(); 2].map(|()| open(&rig, &password, SessionWish::default()));
    let login = by_token(&rig, &ended).expect("it is open");
    let mut connection = rig.connect(&login).expect("it has rights");
    let view = rig.handle.connections().pop().expect("it is open");
    assert_eq!(view.session.as_deref(), Some(&*ended.view.id));
    let mut changes = rig.handle.login_changes();
    changes.mark_unchanged();
    assert!(end(&rig, &ended.view.id));
    assert!(changes.has_changed().expect("the engine runs"));
    assert_eq!(connection.closed(), Revoked::SESSION);
    assert!(
        connection.declare("q", false).is_err(),
        "it has no rights left"
    );
    assert!(!rig.handle.is_valid(&login) && rig.handle.is_valid(&password));
    assert!(rig.connect(&login).is_err(), "also a moment later");
    assert_eq!(by_token(&rig, &ended).err(), Some(Denied::Secret));
    assert!(!end(&rig, &ended.view.id), "it is gone already");
    drop(connection);
    let rig = rig.restart();
    assert_eq!(by_token(&rig, &ended).err(), Some(Denied::Secret));
    assert!(by_token(&rig, &other).is_ok());
}

#[test]
fn whoever_waits_is_told_that_the_login_is_void() {
    let rig = Rig::new();
    let opened = open(&rig, &rig.by_password(ADMIN), SessionWish::default());
    let login = by_token(&rig, &opened).expect("it is open");
    let handle = rig.handle.clone();
    let by = Author::operator();
    let (ended, ()) = rig.run(async {
        tokio::join!(
            handle.end_session(&opened.view.id, &by),
            handle.until_void(&login)
        )
    });
    assert!(ended.expect("the disk did not fail"));
}

#[test]
fn another_password_ends_the_sessions_and_the_connections() {
    let rig = Rig::new();
    rig.add("ana", Role::Member);
    let login = rig.by_password("ana");
    let opened = open(&rig, &login, SessionWish::default());
    let by_token_login = by_token(&rig, &opened).expect("it is open");
    let mut by_password = rig.connect(&login).expect("it is at home");
    let mut by_session = rig.connect(&by_token_login).expect("it is at home");
    rig.commit([Change::AccountPassword {
        login: "ana".to_owned(),
        password_hash: password::hash("another secret").expect("it can be hashed"),
    }]);
    assert_eq!(by_password.closed(), Revoked::ACCOUNT);
    assert_eq!(by_session.closed(), Revoked::ACCOUNT);
    assert_eq!(by_token(&rig, &opened).err(), Some(Denied::Secret));
    let late = rig.run(
        rig.handle
            .open_session(&login, &origin(), SessionWish::default()),
    );
    assert!(late.is_err(), "the login is void");
    assert!(
        rig.handle
            .sessions(Some("ana"))
            .iter()
            .all(|view| view.kind == SessionKind::Connection)
    );
}

#[test]
fn a_session_ends_by_itself_some_time_after_its_last_use() {
    let rig = Rig::new();
    let wish = SessionWish {
        ttl_ms: Some(400),
        is_cookie: false,
    };
    let opened = open(&rig, &rig.by_password(ADMIN), wish);
    let login = by_token(&rig, &opened).expect("it is open");
    let mut connection = rig.connect(&login).expect("it has rights");
    rig.wait_for(|| !rig.handle.is_valid(&login));
    assert_eq!(by_token(&rig, &opened).err(), Some(Denied::Secret));
    assert_eq!(connection.closed(), Revoked::SESSION);
    assert!(rig.handle.session_of(&login).is_none());
}

#[test]
fn a_browser_shows_a_second_secret() {
    let rig = Rig::new();
    let password = rig.by_password(ADMIN);
    let wish = SessionWish {
        ttl_ms: None,
        is_cookie: true,
    };
    let [one, other] = [(); 2].map(|()| open(&rig, &password, wish));
    assert_eq!(one.view.kind, SessionKind::Cookie);
    let lasts_ms = one.view.expires_ms.expect("it expires") - one.view.since_ms;
    assert_eq!(lasts_ms, 12 * 60 * 60 * 1_000);
    let login = by_token(&rig, &one).expect("it is open");
    let secret = |opened: &OpenedSession| opened.csrf.clone().expect("it is a browser's");
    assert!(rig.handle.check_csrf(&login, &secret(&one)));
    for wrong in [&*secret(&other), &*one.token, ""] {
        assert!(!rig.handle.check_csrf(&login, wrong), "{wrong}");
    }
    assert!(!rig.handle.check_csrf(&password, &secret(&one)));
}

#[test]
fn a_page_that_is_loaded_again_learns_its_second_secret_by_its_cookie() {
    let rig = Rig::new();
    let password = rig.by_password(ADMIN);
    let wish = |is_cookie| SessionWish {
        ttl_ms: None,
        is_cookie,
    };
    let [one, other, program] =
        [true, true, false].map(|is_cookie| open(&rig, &password, wish(is_cookie)));
    let login = by_token(&rig, &one).expect("it is open");
    assert_eq!(rig.handle.csrf_of(&login, &one.token), one.csrf);
    assert_eq!(rig.handle.csrf_of(&login, &other.token), None);
    assert_eq!(rig.handle.csrf_of(&password, &one.token), None);
    let login = by_token(&rig, &program).expect("it is open");
    assert_eq!(rig.handle.csrf_of(&login, &program.token), None);
}

#[test]
fn a_listing_shows_tokens_and_connections_and_either_can_be_ended() {
    let rig = Rig::new();
    rig.add("ana", Role::Member);
    let ana = rig.by_password("ana");
    let opened = open(&rig, &ana, SessionWish::default());
    let mut by_password = rig.connect(&ana).expect("it is at home");
    let login = by_token(&rig, &opened).expect("it is open");
    let _by_token = rig.connect(&login).expect("it is at home");
    let _others = rig.connect(&rig.by_password(ADMIN)).expect("it has rights");
    let views = rig.handle.sessions(Some("ana"));
    let shown: Vec<_> = views
        .iter()
        .map(|view| (view.kind, &*view.address))
        .collect();
    assert_eq!(
        shown,
        [
            (SessionKind::Token, "127.0.0.1"),
            (SessionKind::Connection, "127.0.0.1")
        ]
    );
    assert_eq!(rig.handle.sessions(None).len(), 3);
    let view = rig.handle.session_of(&login).expect("it is a session's");
    assert_eq!(
        (view.id, view.door),
        (opened.view.id.clone(), "amqp".to_owned())
    );
    assert!(rig.handle.session_of(&ana).is_none());
    assert!(end(&rig, &views[1].id));
    assert_eq!(by_password.closed(), "the session was ended");
    assert!(!end(&rig, "c-999") && !end(&rig, "c-x") && !end(&rig, "nonsense"));
}

#[test]
fn failed_logins_close_the_door_but_not_to_tokens() {
    let rig = Rig::new();
    let opened = open(&rig, &rig.by_password(ADMIN), SessionWish::default());
    let log_in = |password| {
        rig.log_in(Credentials::Password {
            login: ADMIN,
            password,
        })
    };
    for _ in 0..11 {
        assert_eq!(log_in("wrong").err(), Some(Denied::Credentials));
    }
    let denied = log_in(PASSWORD).err();
    assert!(
        matches!(denied, Some(Denied::LockedOut { .. })),
        "the right password is not heard either: {denied:?}"
    );
    assert!(by_token(&rig, &opened).is_ok());
    rig.wait_for(|| log_in_now(&rig));
}

/// Says whether the right password is heard again.
fn log_in_now(rig: &Rig) -> bool {
    let credentials = Credentials::Password {
        login: ADMIN,
        password: PASSWORD,
    };
    let origin = origin();
    let login = std::pin::pin!(rig.handle.log_in(credentials, &origin));
    // The password is remembered, so that the answer comes at once.
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    matches!(
        Future::poll(login, &mut context),
        std::task::Poll::Ready(Ok(_))
    )
}

#[test]
fn grants_and_keys_hold_after_a_restart_and_go_with_the_queue() {
    let rig = Rig::new();
    rig.add("ana", Role::Member);
    rig.add("ben", Role::Member);
    let ana = rig.by_password("ana");
    let mut owner = rig.connect(&ana).expect("it is at home");
    owner.declare("letters", true).expect("the name is free");
    let secret = "chk_secret";
    rig.commit([
        Change::GrantSet(Grant {
            vhost: VHOST.to_owned(),
            resource: ResourceKind::Queue,
            name: "letters".to_owned(),
            login: "ben".to_owned(),
            configure: false,
            write: true,
            read: false,
        }),
        Change::QueueKeyAdded(QueueKey {
            id: "door".to_owned(),
            vhost: VHOST.to_owned(),
            queue: "letters".to_owned(),
            secret_hash: token::hash(secret),
            write: true,
            read: true,
            note: String::new(),
            created_by: Some("ana".to_owned()),
            created_ms: 1,
            expires_ms: None,
        }),
    ]);
    drop(owner);
    let rig = rig.restart();
    let key = rig.log_in(Credentials::Password {
        login: KEY_LOGIN,
        password: secret,
    });
    let key = key.expect("the key is stored");
    assert_eq!(key.key(), Some("door"));
    let mut by_key = rig.connect(&key).expect("its queue is here");
    assert!(by_key.declare("mine", false).is_err());
    let grants = |rig: &Rig| rig.handle.grants(VHOST, ResourceKind::Queue, "letters");
    assert_eq!(grants(&rig).len(), 1);
    assert_eq!(rig.handle.queue_keys(VHOST, "letters").len(), 1);
    let ana = rig.by_password("ana");
    let mut owner = rig.connect(&ana).expect("it is at home");
    owner.delete("letters").expect("it is its own");
    assert_eq!(by_key.closed(), Revoked::KEY);
    assert!(rig.log_in(Credentials::QueueKey(secret)).is_err());
    assert_eq!(grants(&rig), []);
    let mut ben = rig.connect(&rig.by_password("ben")).expect("it is at home");
    ben.declare("letters", true)
        .expect("the name is free again");
}

#[test]
fn the_token_of_guest_opens_from_this_machine_alone() {
    let rig = Rig::new();
    let credentials = Credentials::Password {
        login: GUEST,
        password: GUEST,
    };
    let guest = rig.log_in(credentials).expect("it is on this machine");
    let opened = open(&rig, &guest, SessionWish::default());
    assert!(by_token(&rig, &opened).is_ok());
    let elsewhere = Origin {
        address: [192, 0, 2, 1].into(),
        ..origin()
    };
    let token = Credentials::Token(&opened.token);
    let denied = rig.run(rig.handle.log_in(token, &elsewhere));
    assert_eq!(denied.err(), Some(Denied::NotLocal));
}

#[test]
fn a_key_opens_no_session() {
    let rig = Rig::new();
    let mut admin = rig.connect(&rig.by_password(ADMIN)).expect("it has rights");
    admin.declare("q", true).expect("it may");
    rig.commit([Change::QueueKeyAdded(QueueKey {
        id: "k".to_owned(),
        vhost: VHOST.to_owned(),
        queue: "q".to_owned(),
        secret_hash: token::hash("chk_k"),
        write: true,
        read: false,
        note: String::new(),
        created_by: None,
        created_ms: 1,
        expires_ms: None,
    })]);
    let key = rig
        .log_in(Credentials::QueueKey("chk_k"))
        .expect("it is known");
    let opened = rig.run(
        rig.handle
            .open_session(&key, &origin(), SessionWish::default()),
    );
    assert!(opened.is_err());
    rig.commit([Change::QueueKeyDeleted { id: "k".to_owned() }]);
    assert!(!rig.handle.is_valid(&key));
}
