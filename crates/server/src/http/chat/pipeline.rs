//! What somebody says over one connection, and what comes of it, in that order.
//!
//! What is said in rooms may be under way together with others; all else waits until what was said before is answered.

use std::collections::VecDeque;
use std::pin::Pin;

use chat::{Actor, Command, Entered, LeftCause, Refusal, Reply};
use futures_util::FutureExt as _;

use crate::chat::Chat;

/// What may be under way; the rest waits in the client's socket.
const UNDER_WAY_MAX: usize = 64;

/// What the chat is to answer.
type Asked = Pin<Box<dyn Future<Output = Result<Reply, Refusal>> + Send>>;

/// What comes out of something that was under way, with what its client calls it: the chat's answer, or why the door did not ask.
pub(crate) type Outcome<R> = (R, Result<Result<Reply, Refusal>, String>);

/// Something that a client said, on its way.
struct UnderWay<R> {
    reference: R,
    answer: Awaited,
}

/// Its answer.
enum Awaited {
    /// The chat's, when it comes.
    Asked(Asked),
    /// The chat's.
    Answered(Result<Reply, Refusal>),
    /// The door's own: it was not understood.
    Refused(String),
}

/// A room that is being entered: its event is the answer.
struct Entering<R> {
    reference: R,
    is_told: bool,
}

/// What one connection said and was not answered yet; `R` is what the client calls it.
pub(crate) struct Pipeline<R> {
    /// What was said, in that order; only what is said in rooms is there together with others.
    under_way: VecDeque<UnderWay<R>>,
    /// What has to wait until nothing else is under way.
    held: Option<Box<(R, Command)>>,
    /// What is under way has to be answered before anything else is heard.
    is_ordered: bool,
    entering: Option<Box<Entering<R>>>,
}

impl<R> Default for Pipeline<R> {
    fn default() -> Self {
        Self {
            under_way: VecDeque::new(),
            held: None,
            is_ordered: false,
            entering: None,
        }
    }
}

impl<R: Clone> Pipeline<R> {
    /// More may be heard of the client.
    pub(crate) fn may_hear(&self) -> bool {
        self.held.is_none() && !self.is_ordered && self.under_way.len() < UNDER_WAY_MAX
    }

    /// Everything is answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.under_way.is_empty() && self.held.is_none() && self.entering.is_none()
    }

    /// Asks the chat, now or when what was said before is answered.
    pub(crate) fn take(&mut self, chat: &Chat, actor: Actor, reference: R, command: Command) {
        let is_ordered = !matches!(command, Command::Say { .. });
        if is_ordered && !self.under_way.is_empty() {
            self.held = Some(Box::new((reference, command)));
            return;
        }
        self.is_ordered = is_ordered;
        if matches!(command, Command::Join { .. } | Command::Create { .. }) {
            self.entering = Some(Box::new(Entering {
                reference: reference.clone(),
                is_told: false,
            }));
        }
        let chat = chat.clone();
        let mut asked: Asked = Box::pin(async move { chat.ask(actor, command).await });
        // At once, so that the chat hears everything in the order in which it was said.
        let answer = match (&mut asked).now_or_never() {
            Some(answered) => Awaited::Answered(answered),
            None => Awaited::Asked(asked),
        };
        self.under_way.push_back(UnderWay { reference, answer });
    }

    /// Takes what was not understood: it is answered in its turn.
    pub(crate) fn refuse(&mut self, reference: R, refused: String) {
        self.under_way.push_back(UnderWay {
            reference,
            answer: Awaited::Refused(refused),
        });
    }

    /// Waits for what comes of the oldest that is under way; nothing is lost when the wait is given up.
    pub(crate) async fn outcome(&mut self) -> Outcome<R> {
        if let Some(oldest) = self.under_way.front_mut()
            && let Awaited::Asked(asked) = &mut oldest.answer
        {
            oldest.answer = Awaited::Answered(asked.await);
        }
        match self.under_way.pop_front() {
            Some(UnderWay { reference, answer }) => match answer {
                Awaited::Answered(answered) => (reference, Ok(answered)),
                Awaited::Refused(text) => (reference, Err(text)),
                Awaited::Asked(_) => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// The event of a room that was entered came: what the client calls what it asked, if this is the answer.
    pub(crate) fn entered(&mut self, room: &Entered) -> Option<R> {
        let entering = self.entering.as_mut()?;
        if entering.is_told || room.cause != LeftCause::Asked {
            return None;
        }
        entering.is_told = true;
        Some(entering.reference.clone())
    }

    /// The event of a room that is being entered did not come yet.
    pub(crate) fn awaits_entry(&self) -> bool {
        self.entering
            .as_ref()
            .is_some_and(|entering| !entering.is_told)
    }

    /// What asked to enter a room is answered.
    pub(crate) fn end_entry(&mut self) {
        self.entering = None;
    }

    /// All that came out was told: asks for what had to wait, if nothing is under way any more.
    pub(crate) fn go_on(&mut self, chat: &Chat, actor: Actor) {
        if self.under_way.is_empty() && self.entering.is_none() {
            self.is_ordered = false;
            if let Some(held) = self.held.take() {
                self.take(chat, actor, held.0, held.1);
            }
        }
    }
}
