//! What is answered to commands, as lines of text.

use chat::catalogue::{self, Answer};
use chat::{Posted, Refusal, RefusalKind, Reply};

use super::open::Asked;
use super::session::{LineSession, State};

impl LineSession {
    pub(super) fn handle_said(&mut self, result: Result<&Reply, &Refusal>) {
        let mut is_over = false;
        if let State::Open(open) = &mut self.state {
            open.saying = open.saying.saturating_sub(1);
            is_over = open.is_leaving && open.saying == 0;
        }
        match result {
            Ok(reply) => self.remember(reply),
            Err(refusal) => self.refuse(refusal),
        }
        if is_over {
            self.leave();
        }
    }

    pub(super) fn handle_answer(&mut self, result: Result<&Reply, &Refusal>) {
        let State::Open(open) = &mut self.state else {
            return;
        };
        let asked = open.asked.take();
        match result {
            Ok(reply) if asked == Some(Asked::Shown) => self.show_reply(reply),
            Ok(_) => {}
            Err(refusal) => self.refuse(refusal),
        }
    }

    /// Remembers the number of one's newest message here, which can be edited without it.
    fn remember(&mut self, reply: &Reply) {
        if let (Reply::Posted(Posted { place, message, .. }), State::Open(open)) =
            (reply, &mut self.state)
            && open.room.as_deref() == Some(&**place)
        {
            open.last_said = open.last_said.max(message.seq);
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let language = self.language();
        let mut text = catalogue::refusal(&refusal.reason, language);
        if let RefusalKind::Limited { retry_after_ms } = refusal.kind
            && retry_after_ms > 0
        {
            let seconds = retry_after_ms.div_ceil(1_000);
            text.push(' ');
            text.push_str(&catalogue::say(language, Answer::RetryIn { seconds }));
        }
        self.notice_text(&text);
    }
}
