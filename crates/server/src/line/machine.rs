//! Machine mode: each line is one JSON object, as `docs/chat.md` says.

use std::collections::BTreeMap;

use chat::{Actor, Language, Refusal, Reply};
use session::line::Unreadable;

use super::table::FIRST_OF_MACHINE;
use crate::chat::json::{self, Ref, Word};
use crate::chat::{Asker, Caller, Host};

/// What a connection in machine mode has asked, by our number of it.
#[derive(Default)]
pub(super) struct Machine {
    asked: BTreeMap<u64, Option<Ref>>,
    next: u64,
}

/// What is to be done with a line.
pub(super) enum Done {
    /// The chat was asked; the answer comes.
    Asked,
    /// This is the answer.
    Answered(String),
}

impl Machine {
    /// Acts on a line.
    pub(super) fn hear(
        &mut self,
        text: &str,
        heard_us: i64,
        now_us: impl Fn() -> i64,
        actor: &Actor,
        caller: Caller,
        host: &mut Host,
    ) -> Done {
        match json::parse(text) {
            Err(refused) => Done::Answered(json::refused(&refused)),
            Ok((reference, Word::Time { t1_us })) => {
                let answer = json::time(reference.as_ref(), t1_us, heard_us, now_us());
                Done::Answered(answer)
            }
            Ok((reference, Word::Command(command))) => {
                let number = self.next;
                self.next += 1;
                self.asked.insert(number, reference);
                host.ask(
                    actor.clone(),
                    Asker::Line(caller, FIRST_OF_MACHINE + number),
                    command,
                );
                Done::Asked
            }
        }
    }

    /// Says what was wrong with a line that is no text.
    pub(super) fn unreadable(why: Unreadable) -> String {
        let detail = match why {
            Unreadable::TooLong => "the line is too long".to_owned(),
            Unreadable::NotText => "the line is no UTF-8".to_owned(),
        };
        let reference = None;
        json::refused(&json::Refused { reference, detail })
    }

    /// Writes the answer to something that was asked.
    pub(super) fn answer(
        &mut self,
        number: u64,
        result: &Result<Reply, Refusal>,
        language: Language,
    ) -> String {
        let reference = self.asked.remove(&number).flatten();
        json::answer(reference.as_ref(), result, language)
    }
}
