//! Machine mode: each line is one JSON object, as `docs/chat.md` says.

use std::collections::BTreeMap;

use chat::{Actor, Command, Language, Refusal, Reply};
use session::line::Unreadable;

use super::table::FIRST_OF_MACHINE;
use crate::chat::json::{self, Ref, Word};
use crate::chat::{Asker, Caller, Host};

/// What a connection in machine mode has asked, by our number of it.
#[derive(Default)]
pub(super) struct Machine {
    asked: BTreeMap<u64, Asked>,
    next: u64,
}

/// Something that was asked.
struct Asked {
    reference: Option<Ref>,
    /// Its answer says where the session is.
    is_entering: bool,
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
                let is_entering = matches!(command, Command::Join { .. } | Command::Create { .. });
                self.asked.insert(
                    number,
                    Asked {
                        reference,
                        is_entering,
                    },
                );
                host.ask(
                    actor.clone(),
                    Asker::Line(caller, FIRST_OF_MACHINE + number),
                    command,
                );
                Done::Asked
            }
        }
    }

    /// Whether an answer is coming that says where the session is.
    pub(super) fn is_entering(&self) -> bool {
        self.asked.values().any(|asked| asked.is_entering)
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
        let asked = self.asked.remove(&number);
        let reference = asked.and_then(|asked| asked.reference);
        json::answer(reference.as_ref(), result, language)
    }
}
