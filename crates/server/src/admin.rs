//! Administration from the machine itself: a Unix socket that speaks JSON lines.
//!
//! One request per line, one response per line, in order. Whoever may open `DATA/admin.sock`
//! (mode 0600) is the operator, so there is no login. The socket carries requests of people and
//! scripts, never messages of queues.
//!
//! The command line uses [`run`]: it asks the running server, and falls back to the database of
//! the data directory ([`offline`]) for accounts, virtual hosts, permissions and policies when no
//! server runs. The server implements [`Backend`] and drives [`serve`]; [`plan`] turns the requests
//! that concern only the directory into changes and [`Reading`]s for both.
//!
//! Start reading at [`Request`] and [`Response`].

mod client;
mod listener;
mod page;
mod plan;
mod reading;
mod request;
mod response;
mod socket;

pub mod offline;

pub use client::{AdminError, call, run};
pub use listener::{Backend, LINE_BYTES_MAX, serve};
pub use page::{PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, Page, PageRequest};
pub(crate) use plan::with_causes;
pub use plan::{Plan, answer_commit, plan, policy_hints};
pub use reading::Reading;
pub use request::{Alarm, ConnectionTarget, Password, PolicyTarget, Request};
pub use response::{
    BindingRow, ConnectionRow, ConsumerRow, Counts, ErrorCode, ExchangeRow, Invited, PermissionRow,
    PolicyRow, QueueRow, Response, Status, TopicPermissionRow, UserRow, VhostRow,
};
pub use socket::bind;

pub use directory::password::{PasswordError, generate_password};

#[cfg(test)]
mod tests;
