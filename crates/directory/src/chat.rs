//! What the chat keeps: rooms, private conversations, their messages, and what each account has read. One SQLite file of its own beside
//! the directory's, so that a long history never delays a login.
//!
//! [`ChatChange`]s are committed in batches; a message's sequence number is given in the transaction that stores it, so that what was
//! never stored never had a number, and no number is ever given twice. What was committed is on disk.
//!
//! It decides nothing about who may do what, but for what only a transaction can know: whether a message is there and whose it is,
//! whether a sender's own id was seen before, whether somebody who is away has blocked the sender.
//!
//! Start reading at [`ChatStore::commit`].

mod apply;
mod change;
mod inspect;
mod model;
mod reader;
mod row;
mod schema;
mod search;
mod store;

pub use change::{ChatChange, ChatOutcome, ChatRefused, Draft};
pub use inspect::{ChatCounts, inspect};
pub use model::{
    ChatAuthor, ChatMessage, ChatPage, ChatPerson, ChatPosition, ChatReaction, ChatRoom,
    ChatSanction, ChatSnapshot, Conversation, Cursor, RoomNumber, SanctionKind,
};
pub use reader::ChatReader;
pub(crate) use row::{int, optional_uint, run, uint};
pub use store::ChatStore;

#[cfg(test)]
mod tests;
