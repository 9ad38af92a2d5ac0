//! What is answered to commands, as lines of text.

use chat::catalogue::{self, Sentence};
use chat::{Refusal, Reply};
use codec::line::Verb;

use super::open::Asked;
use super::session::{LineSession, State};

impl LineSession {
    pub(super) fn handle_said(&mut self, result: Result<&Reply, &Refusal>) {
        if let State::Open(open) = &mut self.state {
            open.saying = open.saying.saturating_sub(1);
            if let Ok(Reply::Posted(posted)) = result
                && open.room.as_deref() == Some(&*posted.place)
            {
                open.last_said = posted.message.seq;
            }
        }
        if let Err(refusal) = result {
            self.refuse(refusal);
        }
    }

    pub(super) fn handle_answer(&mut self, result: Result<&Reply, &Refusal>) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let asked = open.asked.take();
        match result {
            Ok(_) if asked == Some(Asked::Shown) => self.notice(&Sentence::Done),
            Ok(_) => {}
            Err(refusal) => self.refuse(refusal),
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let text = catalogue::refusal(&refusal.reason, self.language);
        self.notice_text(&text);
    }

    pub(super) fn unknown(&mut self, name: &str, meant: Option<Verb>) {
        let command = format!("#{name}");
        self.notice(&Sentence::UnknownCommand {
            command: &command,
            meant: meant.map(Verb::word),
            help: Verb::Help.word(),
        });
    }

    pub(super) fn misused(&mut self, verb: Verb) {
        self.notice(&Sentence::Misused(verb.word()));
    }

    pub(super) fn help(&mut self, _verb: Option<Verb>) {
        for verb in Verb::ALL {
            self.notice_text(verb.word());
        }
    }
}
