//! Sessions and invitations: how they end, and how many there may be.

use super::*;
use crate::limits::SESSIONS_PER_LOGIN_MAX;
use crate::token;

fn ids(fixture: &Fixture) -> Vec<String> {
    let sessions = fixture.snapshot().sessions.into_iter();
    sessions.map(|session| session.id).collect()
}

fn with_sessions() -> Fixture {
    let mut fixture = Fixture::furnished();
    fixture.commit(&[
        Change::SessionAdded(session("a1", "ana")),
        Change::SessionAdded(session("a2", "ana")),
        Change::SessionAdded(session("b1", "ben")),
    ]);
    fixture
}

#[test]
fn sessions_end_alone_together_or_but_for_one() {
    let end_all = |except: Option<&str>| Change::SessionsEnded {
        login: "ana".into(),
        except: except.map(str::to_owned),
    };
    for (change, left) in [
        (Change::SessionEnded { id: "a1".into() }, &["a2", "b1"][..]),
        (end_all(None), &["b1"]),
        (end_all(Some("a2")), &["a2", "b1"]),
        // Another's session is no exception.
        (end_all(Some("b1")), &["b1"]),
        (
            Change::AccountPassword {
                login: "ana".into(),
                password_hash: "new".into(),
            },
            &["b1"],
        ),
        (
            Change::AccountDeleted {
                login: "ana".into(),
            },
            &["b1"],
        ),
    ] {
        let mut fixture = with_sessions();
        fixture.commit(std::slice::from_ref(&change));
        assert_eq!(ids(&fixture), left, "{change:?}");
    }
}

#[test]
fn a_session_that_is_seen_holds_for_longer_and_one_that_is_not_expires() {
    let mut fixture = with_sessions();
    let seen = |id: &str| Change::SessionSeen {
        id: id.into(),
        last_seen_ms: 2_999,
        expires_ms: 5_000,
    };
    // One that has ended meanwhile does not come back.
    fixture.commit(&[seen("a1"), seen("gone")]);
    assert_eq!(
        fixture.snapshot().sessions[0],
        Session {
            last_seen_ms: 2_999,
            expires_ms: 5_000,
            ..session("a1", "ana")
        }
    );
    for (now_ms, left) in [(2_999, 3), (3_000, 1), (4_999, 1), (5_000, 0)] {
        fixture.commit(&[Change::SessionsExpired { now_ms }]);
        assert_eq!(ids(&fixture).len(), left, "at {now_ms}");
    }
}

#[test]
fn an_account_with_too_many_sessions_loses_the_oldest() {
    let mut fixture = with_sessions();
    let added = |number: usize| {
        Change::SessionAdded(Session {
            created_ms: 2_000 + number as u64,
            ..session(&format!("n{number}"), "ana")
        })
    };
    let full: Vec<Change> = (2..SESSIONS_PER_LOGIN_MAX).map(added).collect();
    fixture.commit(&full);
    assert_eq!(ids(&fixture).len(), SESSIONS_PER_LOGIN_MAX + 1);

    // Of two of the same age the one with the lower id goes; the new one never.
    fixture.commit(&[Change::SessionAdded(Session {
        created_ms: 0,
        ..session("late", "ana")
    })]);
    let left = ids(&fixture);
    assert_eq!(left.len(), SESSIONS_PER_LOGIN_MAX + 1);
    assert_eq!(left[..3], ["late", "a2", "n2"]);
    assert_eq!(left[SESSIONS_PER_LOGIN_MAX], "b1");
}

#[test]
fn a_session_that_cannot_be_is_refused() {
    let mut fixture = with_sessions();
    let before = fixture.snapshot();
    assert_eq!(
        fixture.refusal(Change::SessionAdded(session("x", "gone"))),
        not_found(Subject::Account, "gone")
    );
    let same_id = Session {
        token_hash: token::hash("another"),
        ..session("a1", "ben")
    };
    let same_token = Session {
        id: "x".into(),
        ..session("a1", "ben")
    };
    for (taken, id) in [(same_id, "a1"), (same_token, "x")] {
        assert_eq!(
            fixture.refusal(Change::SessionAdded(taken)),
            already_exists(Subject::Session, id)
        );
    }
    let base = || session("x", "ana");
    for (refused, what) in [
        (session("", "ana"), "an id"),
        (session(&"x".repeat(65), "ana"), "an id"),
        (session("a b", "ana"), "an id"),
        (
            Session {
                door: "x".repeat(65),
                ..base()
            },
            "the door",
        ),
        (
            Session {
                address: "x".repeat(257),
                ..base()
            },
            "the address",
        ),
        (
            Session {
                client: "é".repeat(257),
                ..base()
            },
            "the client",
        ),
        (
            Session {
                expires_ms: u64::MAX,
                ..base()
            },
            "the number",
        ),
    ] {
        let refused = fixture.refusal(Change::SessionAdded(refused)).to_string();
        assert!(refused.contains(what), "{refused}");
    }
    assert_eq!(fixture.snapshot(), before);
    fixture.commit(&[Change::SessionAdded(Session {
        client: "é".repeat(256),
        ..session(&"x".repeat(64), "ana")
    })]);
}

#[test]
fn an_invitation_makes_as_many_accounts_as_it_says_and_then_goes() {
    let mut fixture = Fixture::furnished();
    let join = |login: &str, now_ms| {
        vec![
            Change::InvitationUsed {
                code_hash: token::hash("code"),
                now_ms,
            },
            Change::AccountAdded(account(login)),
        ]
    };
    fixture.commit(&[Change::InvitationAdded(invitation("code"))]);
    // Whose login is taken uses nothing up.
    let refused = refused(fixture.directory.commit(&join("ben", 2_999)));
    assert_eq!(refused, already_exists(Subject::Account, "ben"));
    assert_eq!(fixture.snapshot().invitations, [invitation("code")]);

    fixture.commit(&join("cleo", 2_999));
    assert_eq!(fixture.snapshot().invitations[0].uses_left, 1);
    fixture.commit(&join("dora", 2_999));
    assert_eq!(fixture.snapshot().invitations, []);
    assert_eq!(void(&mut fixture, &join("emil", 2_999)), 4);
}

/// Has an invitation refused; returns how many accounts there are then.
fn void(fixture: &mut Fixture, batch: &[Change]) -> usize {
    let refused = refused(fixture.directory.commit(batch));
    assert_eq!(refused, Refused::InvitationVoid);
    fixture.snapshot().accounts.len()
}

#[test]
fn an_invitation_that_expired_was_deleted_or_never_made_is_void() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&[
        Change::InvitationAdded(invitation("code")),
        Change::InvitationAdded(invitation("deleted")),
        Change::InvitationDeleted {
            code_hash: token::hash("deleted"),
        },
    ]);
    for (code, now_ms) in [
        ("code", 3_000),
        ("code", 9_000),
        ("deleted", 1_000),
        ("never", 1_000),
    ] {
        let used = Change::InvitationUsed {
            code_hash: token::hash(code),
            now_ms,
        };
        assert_eq!(void(&mut fixture, &[used]), 2, "{code}");
    }
    assert_eq!(fixture.snapshot().invitations, [invitation("code")]);
}

#[test]
fn an_invitation_that_cannot_be_is_refused() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&[Change::InvitationAdded(invitation("code"))]);
    let refusal = fixture.refusal(Change::InvitationAdded(invitation("code")));
    assert!(matches!(refusal, Refused::AlreadyExists { .. }));
    for (refused, message) in [
        (
            Invitation {
                uses_left: 0,
                ..invitation("x")
            },
            "invitation: it has to have at least one use",
        ),
        (
            Invitation {
                created_by: "gone".into(),
                ..invitation("x")
            },
            "account 'gone' does not exist",
        ),
    ] {
        let refused = fixture.refusal(Change::InvitationAdded(refused));
        assert_eq!(refused.to_string(), message);
    }
    let most = Invitation {
        uses_left: u32::MAX,
        ..invitation("many")
    };
    fixture.commit(&[Change::InvitationAdded(most.clone())]);
    assert!(fixture.snapshot().invitations.contains(&most));
}
