//! Keeping order in a room: its creator and administrators.

use std::ops::Bound;

use directory::chat::{ChatChange, ChatSanction, SanctionKind};

use super::after::After;
use super::{Chat, refuse};
use crate::command::{Actor, Sanction};
use crate::effect::{Accounts, Ticket};
use crate::event::LeftCause;
use crate::limits::{REASON_CHARS_MAX, SANCTIONS_MAX};
use crate::refusal::{Plenty, Reason, Refusal, Rule};
use crate::reply::Reply;
use crate::session::SessionId;

impl Chat {
    pub(super) fn kick(
        &mut self,
        actor: &Actor,
        typed: &str,
        login: &str,
        reason: String,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) -> Result<Reply, Refusal> {
        let number = self.room_to_run(actor, typed)?;
        self.check_victim(actor, login, &reason, accounts)?;
        if number == self.default_room {
            return refuse(Reason::DefaultRoom);
        }
        let Some(room) = self.rooms.get(number) else {
            return refuse(Reason::NoRoom(typed.to_owned()));
        };
        if !room.members.contains_key(login) && !self.is_entering(number, login) {
            return refuse(Reason::UserNotThere(
                login.to_owned(),
                room.name.to_string(),
            ));
        }
        let by = actor.login.clone();
        self.send_out(number, login, &LeftCause::Kicked { by, reason }, now_ms);
        Ok(Reply::Done)
    }

    /// Takes all sessions of somebody out of a room.
    pub(super) fn send_out(
        &mut self,
        number: directory::chat::RoomNumber,
        login: &str,
        cause: &LeftCause,
        now_ms: u64,
    ) {
        let person = self.people.get(login);
        let sessions = person.map(|person| person.sessions.clone());
        let is_in = |id: &SessionId| {
            let session = self.sessions.find(*id);
            session.is_some_and(|one| one.rooms.contains(&number))
        };
        let sessions: Vec<_> = sessions.into_iter().flatten().filter(is_in).collect();
        for id in sessions {
            self.put_out(id, number, cause.clone(), now_ms);
            self.send_to_default(id, false, cause.clone(), now_ms);
        }
        self.turn_away(number, login);
    }

    fn check_victim(
        &self,
        actor: &Actor,
        login: &str,
        reason: &str,
        accounts: &dyn Accounts,
    ) -> Result<(), Refusal> {
        if login == actor.login {
            return refuse(Reason::Yourself);
        }
        let Some(account) = accounts.find(login) else {
            return refuse(Reason::NoUser(login.to_owned()));
        };
        if account.is_administrator && !actor.is_administrator {
            return refuse(Reason::Administrator);
        }
        if reason.chars().count() > REASON_CHARS_MAX || reason.contains(['\n', '\r']) {
            return refuse(Reason::Invalid(Rule::Reason));
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "each is a word of the command")]
    pub(super) fn sanction(
        &mut self,
        actor: &Actor,
        ticket: Ticket,
        kind: SanctionKind,
        typed: &str,
        login: &str,
        sanction: Option<Sanction>,
        accounts: &dyn Accounts,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let number = self.room_to_run(actor, typed)?;
        let Some(room) = self.rooms.get(number) else {
            return refuse(Reason::NoRoom(typed.to_owned()));
        };
        let Some(sanction) = sanction else {
            // Whoever runs a room does not lift what an administrator has put on them.
            if login == actor.login && !actor.is_administrator {
                return refuse(Reason::Yourself);
            }
            if !room.sanctions.contains_key(&(kind, login.to_owned())) {
                return refuse(Reason::NotSanctioned(login.to_owned()));
            }
            let change = ChatChange::SanctionEnded {
                room: number,
                login: login.to_owned(),
                kind,
            };
            let after = After::SanctionEnded {
                ticket,
                room: number,
                login: login.to_owned(),
                kind,
                by: actor.login.clone(),
            };
            self.store(change, after);
            return Ok(());
        };
        self.check_victim(actor, login, &sanction.reason, accounts)?;
        if kind == SanctionKind::Ban && number == self.default_room {
            return refuse(Reason::DefaultRoom);
        }
        if room.sanctions.len() >= SANCTIONS_MAX {
            return refuse(Reason::TooMany(Plenty::Sanctions));
        }
        if sanction.minutes == Some(0) {
            return refuse(Reason::Invalid(Rule::Minutes));
        }
        let minutes = sanction.minutes.map(u64::from);
        let stored = ChatSanction {
            login: login.to_owned(),
            kind,
            until_ms: minutes.map(|minutes| now_ms + minutes * 60_000),
            by: actor.login.clone(),
            reason: sanction.reason,
        };
        let change = ChatChange::SanctionSet {
            room: number,
            sanction: stored.clone(),
        };
        let after = After::Sanctioned {
            ticket,
            room: number,
            sanction: stored,
        };
        self.store(change, after);
        Ok(())
    }

    /// Who is kept out of a room, or kept from talking in it.
    pub(super) fn list_sanctions(
        &self,
        actor: &Actor,
        typed: &str,
        kind: SanctionKind,
        behind: String,
        limit: usize,
        now_ms: u64,
    ) -> Result<Reply, Refusal> {
        let number = self.room_to_run(actor, typed)?;
        let Some(room) = self.rooms.get(number) else {
            return refuse(Reason::NoRoom(typed.to_owned()));
        };
        let from = (Bound::Excluded((kind, behind)), Bound::Unbounded);
        let sanctions = room
            .sanctions
            .range(from)
            .map(|(_, sanction)| sanction)
            .take_while(|sanction| sanction.kind == kind)
            .filter(|sanction| sanction.until_ms.is_none_or(|until| until > now_ms))
            .take(limit);
        Ok(Reply::Sanctions {
            place: room.name.clone(),
            sanctions: sanctions.cloned().collect(),
        })
    }

    /// Bans and mutes that are over need not be kept.
    pub(super) fn end_old_sanctions(&mut self, now_ms: u64) {
        let mut over = Vec::new();
        for (number, room) in self.rooms.iter_mut() {
            room.sanctions.retain(|(kind, login), one| {
                let is_over = one.until_ms.is_some_and(|until| until <= now_ms);
                if is_over {
                    over.push(ChatChange::SanctionEnded {
                        room: number,
                        login: login.clone(),
                        kind: *kind,
                    });
                }
                !is_over
            });
        }
        for change in over {
            self.store(change, After::Nothing);
        }
    }
}
