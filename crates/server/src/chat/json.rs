//! The chat's JSON, as `docs/chat.md` says: what the WebSocket, the line protocol's machine mode and REST read and write.
//!
//! A client's word is read by [`parse`]; what it is told is written by [`event`], [`answer`] and their neighbours, one object each.
//!
//! Start reading at [`Word`] and [`Said`].

mod forms;
mod said;
mod word;

use std::time::{SystemTime, UNIX_EPOCH};

use chat::catalogue::{self, Answer, Sentence};
use chat::{Entered, Event, Language, Refusal, Reply};

use super::Farewell;
pub(crate) use forms::{
    ConversationForm, FoundForm, HistoryForm, MemberForm, MessageForm, RoomForm, SanctionForm,
    UserForm,
};
pub(crate) use said::Hello;
use said::{ErrorForm, JoinedForm, Said};
pub(crate) use word::{Ref, Refused, Word, level_of, page_of, parse, target};

/// Why a connection ends, for whoever is at its other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bye {
    /// The server stops.
    Shutdown,
    /// The login does not hold any more.
    Revoked,
    /// The client did not read what it was sent.
    Slow,
    /// The client did not say that it is there.
    Silent,
    /// The client said goodbye.
    Asked,
}

impl Bye {
    /// What is said to whoever is at the other end.
    pub(crate) fn sentence(self, language: Language) -> String {
        let sentence = match self {
            Self::Shutdown => Sentence::Farewell(catalogue::Farewell::Shutdown),
            Self::Revoked => Sentence::Farewell(catalogue::Farewell::Revoked),
            Self::Slow => Sentence::Farewell(catalogue::Farewell::Slow),
            Self::Silent => Sentence::Farewell(catalogue::Farewell::Silent),
            Self::Asked => Sentence::Answer(Answer::Goodbye),
        };
        catalogue::say(language, sentence)
    }
}

impl From<Farewell> for Bye {
    fn from(farewell: Farewell) -> Self {
        match farewell {
            Farewell::Shutdown => Self::Shutdown,
            Farewell::Revoked => Self::Revoked,
            Farewell::Slow => Self::Slow,
        }
    }
}

/// The first object of a connection.
pub(crate) fn hello(hello: Hello<'_>) -> String {
    written(&Said::Hello(hello), None)
}

/// Something that happened.
pub(crate) fn event(event: &Event, language: Language) -> String {
    written(&Said::of_event(event, language), None)
}

/// What stands before an event's data in a stream of server-sent events: its type.
pub(crate) const fn event_name(event: &Event) -> &'static str {
    match event {
        Event::Message { .. } => "message",
        Event::Changed { .. } => "changed",
        Event::Mentioned { .. } => "mentioned",
        Event::Entered(_) => "joined",
        Event::Left { .. } => "left",
        Event::Presence { .. } => "presence",
        Event::Typing { .. } => "typing",
        Event::Read { .. } => "read",
        Event::Room { .. } => "changed_room",
    }
}

/// That the session is in a room, as the answer to what it asked.
pub(crate) fn entered(reference: Option<&Ref>, entered: &Entered, language: Language) -> String {
    let joined = JoinedForm::of(entered, language);
    written(&Said::Joined(Box::new(joined)), reference)
}

/// The answer to a command.
pub(crate) fn answer(
    reference: Option<&Ref>,
    answered: &Result<Reply, Refusal>,
    language: Language,
) -> String {
    let said = match answered {
        Ok(reply) => Said::of_reply(reply, language),
        Err(refusal) => Said::Error(ErrorForm::of(refusal, language)),
    };
    written(&said, reference)
}

/// The answer to what is no command.
pub(crate) fn refused(refused: &Refused) -> String {
    let said = Said::Error(ErrorForm::invalid(&refused.detail));
    written(&said, refused.reference.as_ref())
}

/// The answer to a client that asks for the time: when it asked, was heard and is answered, in microseconds since 1970.
pub(crate) fn time(reference: Option<&Ref>, t1_us: i64, t2_us: i64, t3_us: i64) -> String {
    let said = Said::Time {
        t1_us,
        t2_us,
        t3_us,
    };
    written(&said, reference)
}

/// The server's clock, in microseconds since 1970.
pub(crate) fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
    })
}

/// The last object of a connection.
pub(crate) fn bye(bye: Bye, language: Language) -> String {
    let cause = match bye {
        Bye::Shutdown => "shutdown",
        Bye::Revoked => "revoked",
        Bye::Slow => "slow",
        Bye::Silent => "silent",
        Bye::Asked => "asked",
    };
    let text = bye.sentence(language);
    written(&Said::Bye { cause, text }, None)
}

fn written(said: &Said<'_>, reference: Option<&Ref>) -> String {
    let text = match reference {
        None => serde_json::to_string(said),
        Some(reference) => serde_json::to_string(&said::Answer { said, reference }),
    };
    // These are strings, numbers and lists of them, which always have a JSON form.
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests;
