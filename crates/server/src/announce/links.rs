//! The links that a start prints: to the page, and on the first start to a place in it for an administrator and for everybody else.

use std::net::SocketAddr;

use directory::{Change, Role};
use engine::{Engine, Handle};

use crate::config::{Accounts, Registration};
use crate::invitations::{self, Made, Wish};
use crate::listen::Door;

/// How many may join by the link of the first start, where the server asks for invitations.
const JOIN_USES: u32 = 50;

/// Where a browser goes.
#[derive(Debug, Default)]
pub(crate) struct Links {
    /// The page; absent if HTTP listens nowhere.
    pub(crate) page: Option<String>,
    /// For one administrator, once.
    pub(crate) administrator: Option<String>,
    /// For whoever wants to join.
    pub(crate) join: Option<String>,
    /// An administrator was invited before and never came.
    pub(crate) is_awaited: bool,
}

impl Links {
    /// Finds them, and on the first start makes the invitations in them.
    pub(crate) async fn of(engine: &Engine, accounts: &Accounts, doors: &[Door]) -> Self {
        let addresses = doors.iter().map(|door| (door.name, door.address));
        Self::at(engine, accounts, addresses).await
    }

    async fn at(
        engine: &Engine,
        accounts: &Accounts,
        doors: impl Iterator<Item = (&str, SocketAddr)> + Clone,
    ) -> Self {
        let Some(page) = invitations::page_address(doors) else {
            return Self::default();
        };
        let handle = engine.handle();
        let Some(first) = &engine.first else {
            let mut invited = handle.invitations().into_iter();
            return Self {
                page: Some(page),
                is_awaited: invited.any(|invitation| invitation.role == Role::Administrator),
                ..Self::default()
            };
        };
        let by = &*first.administrator;
        let administrator = invite(&handle, by, Role::Administrator, 1).await;
        let join = match accounts.registration {
            Registration::Open => Some(invitations::link(&page, Role::Member, None)),
            Registration::Invitation => invite(&handle, by, Role::Member, JOIN_USES)
                .await
                .map(|code| invitations::link(&page, Role::Member, Some(&code))),
            Registration::Closed => None,
        };
        Self {
            administrator: administrator
                .map(|code| invitations::link(&page, Role::Administrator, Some(&code))),
            join,
            page: Some(page),
            is_awaited: false,
        }
    }
}

/// Makes an invitation and gives its code. Without one the server is as good, so that a failure is only logged.
async fn invite(engine: &Handle, by: &str, role: Role, uses: u32) -> Option<String> {
    let wish = Wish {
        uses: Some(uses),
        ttl_ms: None,
        role,
    };
    let Ok(Made { invitation, code }) = invitations::make(wish, by, engine.now_ms()) else {
        tracing::error!("the operating system gives no random numbers for an invitation");
        return None;
    };
    match engine
        .commit(vec![Change::InvitationAdded(invitation)])
        .await
    {
        Ok(_) => Some(code),
        Err(error) => {
            tracing::error!(%error, "an invitation could not be stored");
            None
        }
    }
}
