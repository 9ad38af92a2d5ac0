//! Roles and tags, profiles, names that are taken, the last administrator.

use super::*;

fn find(fixture: &Fixture, login: &str) -> Account {
    let mut accounts = fixture.snapshot().accounts.into_iter();
    accounts.find(|account| account.login == login).unwrap()
}

fn member(login: &str) -> Account {
    Account {
        tags: Vec::new(),
        role: Role::Member,
        profile: Profile::default(),
        ..account(login)
    }
}

fn set_role(login: &str, role: Role) -> Change {
    Change::AccountRole {
        login: login.into(),
        role,
    }
}

fn set_tags(login: &str, tags: &[&str]) -> Change {
    Change::AccountTags {
        login: login.into(),
        tags: owned(tags),
    }
}

fn owned(tags: &[&str]) -> Vec<String> {
    tags.iter().map(|tag| (*tag).to_owned()).collect()
}

#[test]
fn the_role_and_the_tag_of_an_administrator_come_and_go_together() {
    use Role::{Administrator, Member, Service};
    let mut fixture = Fixture::furnished();
    fixture.commit(&[Change::AccountAdded(member("cleo"))]);
    for (change, role, tags) in [
        (set_tags("cleo", &["a"]), Member, &["a"][..]),
        (
            set_tags("cleo", &["a", "administrator"]),
            Administrator,
            &["a", "administrator"],
        ),
        (set_tags("cleo", &["b"]), Service, &["b"]),
        (
            set_role("cleo", Administrator),
            Administrator,
            &["b", "administrator"],
        ),
        (
            set_tags("cleo", &["administrator", "c"]),
            Administrator,
            &["administrator", "c"],
        ),
        // It carries the tag already.
        (
            set_role("cleo", Administrator),
            Administrator,
            &["administrator", "c"],
        ),
        (set_role("cleo", Member), Member, &["c"]),
        (set_role("cleo", Service), Service, &["c"]),
        (set_tags("cleo", &[]), Service, &[]),
    ] {
        fixture.commit(std::slice::from_ref(&change));
        let account = find(&fixture, "cleo");
        assert_eq!((account.role, &account.tags[..]), (role, &owned(tags)[..]));
    }
}

#[test]
fn an_account_whose_role_and_tags_contradict_each_other_is_refused() {
    let mut fixture = Fixture::furnished();
    for account in [
        Account {
            role: Role::Member,
            ..account("cleo")
        },
        Account {
            role: Role::Administrator,
            ..member("cleo")
        },
    ] {
        let refused = fixture.refusal(Change::AccountAdded(account));
        assert_eq!(
            refused.to_string(),
            "account: administrators and nobody else carry the tag 'administrator'"
        );
    }
}

#[test]
fn a_role_that_brings_a_tag_too_many_is_refused() {
    let mut fixture = Fixture::furnished();
    let tags: Vec<String> = (0..16).map(|number| number.to_string()).collect();
    fixture.commit(&[Change::AccountAdded(Account {
        tags: tags.clone(),
        ..member("cleo")
    })]);
    let refused = fixture.refusal(set_role("cleo", Role::Administrator));
    assert_eq!(refused.to_string(), "account: at most 16 tags, not 17");
    assert_eq!(find(&fixture, "cleo").role, Role::Member);
}

#[test]
fn the_last_administrator_stays() {
    let mut fixture = Fixture::furnished();
    let deleted = |login: &str| Change::AccountDeleted {
        login: login.into(),
    };
    fixture.commit(&[Change::AccountAdded(member("cleo")), deleted("ben")]);
    let before = fixture.snapshot();
    for change in [
        deleted("ana"),
        set_role("ana", Role::Member),
        set_tags("ana", &["monitoring"]),
    ] {
        let refused = fixture.refusal(change.clone());
        assert_eq!(
            refused,
            Refused::LastAdministrator {
                login: "ana".into()
            },
            "{change:?}"
        );
    }
    assert_eq!(fixture.snapshot(), before);
    // With another one, each of the two may go, but not both.
    fixture.commit(&[set_role("cleo", Role::Administrator)]);
    let results = fixture
        .directory
        .commit_batches(&[vec![deleted("ana")], vec![deleted("cleo")]]);
    assert!(results[0].is_ok() && results[1].is_err());
    // Others come and go as they like.
    fixture.commit(&[Change::AccountAdded(member("dora")), deleted("dora")]);
}

#[test]
fn a_login_is_taken_whatever_its_case() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&[Change::AccountAdded(member("Émile"))]);
    let refused = fixture.refusal(Change::AccountAdded(member("aNa")));
    assert_eq!(
        refused.to_string(),
        "login taken: 'aNa' and the existing 'ana' differ only in case"
    );
    // Only ASCII letters have a case here.
    fixture.commit(&[Change::AccountAdded(member("émile"))]);
    // To the schema, too.
    let sql = "INSERT INTO accounts (login, password_hash, tags) VALUES ('ANA', '', '')";
    let error = fixture.directory.connection.execute(sql, []).unwrap_err();
    assert!(error.to_string().contains("UNIQUE"), "{error}");
}

#[test]
fn a_profile_is_replaced_within_its_bounds() {
    let mut fixture = Fixture::furnished();
    let set = |profile: &Profile| Change::AccountProfile {
        login: "ana".into(),
        profile: profile.clone(),
    };
    let longest = Profile {
        // A joiner is part of some names.
        first_names: "ñ".repeat(127) + "\u{200c}",
        last_names: "x".repeat(128),
        age: Some(1),
        gender: "♀".repeat(32),
    };
    for profile in [&longest, &Profile::default()] {
        fixture.commit(&[set(profile)]);
        assert_eq!(find(&fixture, "ana").profile, *profile);
    }
    let before = fixture.snapshot();
    for refused in [
        Profile {
            first_names: "x".repeat(129),
            ..Profile::default()
        },
        Profile {
            last_names: "x".repeat(129),
            ..Profile::default()
        },
        Profile {
            gender: "x".repeat(33),
            ..Profile::default()
        },
        Profile {
            age: Some(0),
            ..Profile::default()
        },
        Profile {
            age: Some(151),
            ..Profile::default()
        },
        Profile {
            first_names: "line\nbreak".into(),
            ..Profile::default()
        },
    ] {
        for change in [
            set(&refused),
            Change::AccountAdded(Account {
                profile: refused.clone(),
                ..member("cleo")
            }),
        ] {
            assert!(
                matches!(fixture.refusal(change.clone()), Refused::Invalid { .. }),
                "{change:?}"
            );
        }
    }
    assert_eq!(fixture.snapshot(), before);
}

#[test]
fn a_password_in_another_form_replaces_only_the_one_it_was_made_from() {
    let mut fixture = Fixture::furnished();
    fixture.commit(&[Change::SessionAdded(session("s1", "ana"))]);
    let rehashed = |login: &str, old: &str| Change::AccountRehashed {
        login: login.into(),
        old_hash: old.into(),
        new_hash: "slow".into(),
    };
    fixture.commit(&[rehashed("ana", "another"), rehashed("gone", "another")]);
    assert_eq!(find(&fixture, "ana").password_hash, "hash of ana");
    fixture.commit(&[rehashed("ana", "hash of ana")]);
    assert_eq!(find(&fixture, "ana").password_hash, "slow");
    assert_eq!(fixture.snapshot().sessions.len(), 1);
}
