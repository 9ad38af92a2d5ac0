//! What happens in the chat, as lines of text.

use chat::Event;
use chat::catalogue::Sentence;
use codec::line::Shown;

use super::render::render_message;
use super::session::{LineSession, State};

impl LineSession {
    pub(super) fn show(&mut self, event: &Event) {
        if let (Event::Entered(entered), State::Open(open)) = (event, &mut self.state) {
            open.room = Some(entered.room.as_str().into());
            open.is_default = entered.is_default;
            open.last_said = 0;
        }
        if self.mode() == Shown::Json {
            return;
        }
        match event {
            Event::Message { message, .. } => {
                if self.wants(message) {
                    let rendering = self.rendering();
                    render_message(message, rendering, self.output());
                }
            }
            Event::Entered(entered) => self.notice(&Sentence::Entered {
                room: &entered.room,
                members: entered.members,
            }),
            Event::Changed { .. }
            | Event::Mentioned { .. }
            | Event::Left { .. }
            | Event::Presence { .. }
            | Event::Typing { .. }
            | Event::Read { .. }
            | Event::Room { .. } => {}
        }
    }
}
