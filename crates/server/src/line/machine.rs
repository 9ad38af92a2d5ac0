//! Machine mode: each line is one JSON object, as `docs/chat.md` says.

use std::collections::BTreeMap;

use chat::{Actor, Command, Entered, Language, LeftCause, Refusal, Reply};
use session::line::Unreadable;

use super::acting::FIRST_OF_MACHINE;
use crate::chat::json::{self, Ref, Word};
use crate::chat::{Asker, Caller, Host};

/// What a connection in machine mode has asked, by our number of it. Messages do not wait for each other; everything else waits for all
/// before it and keeps all behind it waiting, so that answers come in the order of what was asked.
#[derive(Default)]
pub(super) struct Machine {
    asked: BTreeMap<u64, Asked>,
    next: u64,
    /// What waits for messages to be stored.
    held: Option<(Option<Ref>, Command)>,
}

/// Something that was asked.
struct Asked {
    reference: Option<Ref>,
    is_say: bool,
    /// The room of which its answer says that the session is there.
    entering: Option<String>,
}

/// What is to be done with a line.
pub(super) enum Done {
    /// The chat was asked, or will be when the answers before have come; the answer comes.
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
                let is_say = matches!(command, Command::Say { .. });
                if is_say || self.asked.is_empty() {
                    self.ask(reference, command, actor, caller, host);
                } else {
                    self.held = Some((reference, command));
                }
                Done::Asked
            }
        }
    }

    /// Asks what has waited, if it need not wait any more.
    pub(super) fn go_on(&mut self, actor: &Actor, caller: Caller, host: &mut Host) {
        if self.asked.is_empty()
            && let Some((reference, command)) = self.held.take()
        {
            self.ask(reference, command, actor, caller, host);
        }
    }

    /// Whether nothing more may be asked before there are answers.
    pub(super) fn is_waiting(&self) -> bool {
        self.held.is_some() || self.asked.values().any(|asked| !asked.is_say)
    }

    fn ask(
        &mut self,
        reference: Option<Ref>,
        command: Command,
        actor: &Actor,
        caller: Caller,
        host: &mut Host,
    ) {
        let number = self.next;
        self.next += 1;
        let entering = if let Command::Join { room, .. } | Command::Create { room, .. } = &command {
            Some(room.to_lowercase())
        } else {
            None
        };
        let asked = Asked {
            reference,
            is_say: matches!(command, Command::Say { .. }),
            entering,
        };
        self.asked.insert(number, asked);
        let asker = Asker::Line(caller, FIRST_OF_MACHINE + number);
        host.ask(actor.clone(), asker, command);
    }

    /// Whether an answer is coming that says the same as an event.
    pub(super) fn is_entering(&self, entered: &Entered) -> bool {
        let room = entered.room.to_lowercase();
        let says_it = |asked: &Asked| asked.entering.as_ref() == Some(&room);
        entered.cause == LeftCause::Asked && self.asked.values().any(says_it)
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
