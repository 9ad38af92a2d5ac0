//! The chat's rules: rooms and who is in them, private conversations, commands, moderation, presence, the exchange of clocks.
//!
//! A state machine: commands and outcomes of what was stored go in with the time, effects come out. Everything that has to outlive a
//! restart is a [`directory::chat::ChatChange`], and nobody hears of it before it is stored.
//!
//! It must never own a socket or know a line, JSON or AMQP: doors turn those into [`Command`]s and [`Event`]s.
//!
//! Start reading at [`Command`] and [`Event`], then [`Chat`].

pub mod catalogue;
mod chat;
mod clock;
mod command;
mod effect;
mod event;
pub mod limits;
mod name;
pub mod profile;
mod refusal;
mod reply;
mod session;
mod sessions;
mod settings;

pub use directory::chat::{ChatSanction, Cursor, SanctionKind};

pub use chat::Chat;
pub use clock::{ClockReading, Exchange};
pub use command::{Actor, Command, PageOf, RoomSettings, Sanction, Target};
pub use effect::{AccountFacts, Accounts, Effect, Query, Ticket, Told};
pub use event::{
    Entered, Event, LeftCause, Member, MessageView, Presence, PresenceChange, RoomChange,
};
pub use name::{RoomName, RoomNameError, fold};
pub use refusal::{Plenty, Reason, Refusal, RefusalKind, Rule};
pub use reply::{ConversationView, Found, History, Posted, Reply, RoomView, UserView};
pub use session::{Ended, Language, Newcomer, SessionId};
pub use settings::{KeepRooms, Settings};
