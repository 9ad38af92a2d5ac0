//! Accounts and their quotas.

use rusqlite::{Connection, OptionalExtension, params};

use super::{
    Applied, ApplyError, already_exists, exists, invalid, number, optional_number, require,
    require_account, run, sessions,
};
use crate::account::{check_login_name, check_profile, check_tags};
use crate::error::{Refused, Subject};
use crate::model::{Account, Profile, Quota, Role};
use crate::table::row;

pub(super) fn add(sql: &Connection, account: &Account) -> Applied {
    let refuse = |reason: String| invalid(Subject::Account, reason);
    check_login_name(&account.login).map_err(|error| refuse(error.to_string()))?;
    check_tags(&account.tags).map_err(refuse)?;
    check_profile(&account.profile).map_err(refuse)?;
    if !account.is_consistent() {
        let reason = "administrators and nobody else carry the tag 'administrator'";
        return Err(refuse(reason.to_owned()).into());
    }
    let created_ms = number(Subject::Account, account.created_ms)?;
    refuse_taken(sql, &account.login)?;
    let profile = &account.profile;
    run(
        sql,
        "INSERT INTO accounts
             (login, password_hash, tags, role, first_names, last_names, age, gender, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            account.login,
            account.password_hash,
            row::join_tags(&account.tags),
            account.role.as_str(),
            profile.first_names,
            profile.last_names,
            profile.age,
            profile.gender,
            created_ms
        ],
    )?;
    Ok(())
}

fn refuse_taken(sql: &Connection, login: &str) -> Applied {
    let existing: Option<String> = sql
        .prepare_cached("SELECT login FROM accounts WHERE lower(login) = lower(?1)")?
        .query_row(params![login], |row| row.get(0))
        .optional()?;
    match existing {
        None => Ok(()),
        Some(existing) if existing == login => Err(already_exists(Subject::Account, login).into()),
        Some(existing) => Err(Refused::LoginTaken {
            login: login.to_owned(),
            existing,
        }
        .into()),
    }
}

pub(super) fn set_password(sql: &Connection, login: &str, password_hash: &str) -> Applied {
    let updated = run(
        sql,
        "UPDATE accounts SET password_hash = ?2 WHERE login = ?1",
        params![login, password_hash],
    )?;
    require(updated > 0, Subject::Account, login)?;
    // Whoever stole a token must not outlive the password.
    sessions::end_all(sql, login, None)
}

/// Compares first: between a login that verified the old hash and this, the
/// password itself may have become another.
pub(super) fn rehash(sql: &Connection, login: &str, old_hash: &str, new_hash: &str) -> Applied {
    run(
        sql,
        "UPDATE accounts SET password_hash = ?3 WHERE login = ?1 AND password_hash = ?2",
        params![login, old_hash, new_hash],
    )?;
    Ok(())
}

pub(super) fn set_tags(sql: &Connection, login: &str, tags: &[String]) -> Applied {
    change(sql, login, |account| account.set_tags(tags.to_vec()))
}

pub(super) fn set_role(sql: &Connection, login: &str, role: Role) -> Applied {
    change(sql, login, |account| account.set_role(role))
}

/// Changes an account's role and tags, which depend on each other.
fn change(sql: &Connection, login: &str, modify: impl FnOnce(&mut Account)) -> Applied {
    let mut account = find(sql, login)?;
    let role_before = account.role;
    modify(&mut account);
    check_tags(&account.tags).map_err(|reason| invalid(Subject::Account, reason))?;
    if role_before == Role::Administrator && account.role != Role::Administrator {
        keep_an_administrator(sql, login)?;
    }
    run(
        sql,
        "UPDATE accounts SET tags = ?2, role = ?3 WHERE login = ?1",
        params![login, row::join_tags(&account.tags), account.role.as_str()],
    )?;
    Ok(())
}

pub(super) fn set_profile(sql: &Connection, login: &str, profile: &Profile) -> Applied {
    check_profile(profile).map_err(|reason| invalid(Subject::Account, reason))?;
    let updated = run(
        sql,
        "UPDATE accounts SET first_names = ?2, last_names = ?3, age = ?4, gender = ?5
         WHERE login = ?1",
        params![
            login,
            profile.first_names,
            profile.last_names,
            profile.age,
            profile.gender
        ],
    )?;
    require(updated > 0, Subject::Account, login)
}

/// All that belongs to the account alone goes by the schema.
pub(super) fn delete(sql: &Connection, login: &str) -> Applied {
    if find(sql, login)?.role == Role::Administrator {
        keep_an_administrator(sql, login)?;
    }
    run(sql, "DELETE FROM accounts WHERE login = ?1", params![login])?;
    Ok(())
}

fn keep_an_administrator(sql: &Connection, login: &str) -> Applied {
    let others = exists(
        sql,
        "SELECT 1 FROM accounts WHERE role = 'administrator' AND login <> ?1",
        params![login],
    )?;
    if others {
        return Ok(());
    }
    Err(Refused::LastAdministrator {
        login: login.to_owned(),
    }
    .into())
}

fn find(sql: &Connection, login: &str) -> Result<Account, ApplyError> {
    sql.prepare_cached("SELECT * FROM accounts WHERE login = ?1")?
        .query_row(params![login], row::account)
        .optional()?
        .ok_or_else(|| {
            Refused::NotFound {
                subject: Subject::Account,
                name: login.to_owned(),
            }
            .into()
        })
}

pub(super) fn set_quota(sql: &Connection, quota: &Quota) -> Applied {
    require_account(sql, &quota.login)?;
    let number = |value| optional_number(Subject::Quota, value);
    run(
        sql,
        "INSERT INTO quotas (login, queues, bytes, connections, publish_rate)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO UPDATE SET
             queues = excluded.queues, bytes = excluded.bytes,
             connections = excluded.connections, publish_rate = excluded.publish_rate",
        params![
            quota.login,
            number(quota.queues)?,
            number(quota.bytes)?,
            number(quota.connections)?,
            number(quota.publish_rate)?
        ],
    )?;
    Ok(())
}

pub(super) fn clear_quota(sql: &Connection, login: &str) -> Applied {
    require_account(sql, login)?;
    run(sql, "DELETE FROM quotas WHERE login = ?1", params![login])?;
    Ok(())
}
