//! What the calls have in common: one command of whoever calls, and the answer that belongs to it.

use chat::{Command, PageOf, Reply, SanctionKind};
use directory::chat::Cursor;
use rpc::v1;
use rpc::v1::list_messages_request::Cursor as Wished;
use tonic::{Extensions, Status};

use super::{Chats, form};
use crate::chat::json::target;
use crate::flaw::Flaw;
use crate::grpc::call::Call;
use crate::grpc::queues::page;
use crate::grpc::status::{chat_refused, flawed, not_chatting};
use crate::http::{Chatter, nothing_said};

/// Messages of a page when nothing else was asked for.
const PAGE_DEFAULT: u32 = 50;

impl Chats {
    /// Asks for something as whoever calls.
    pub(super) async fn ask(
        &self,
        extensions: &Extensions,
        command: Command,
    ) -> Result<Reply, Status> {
        let (_, chatter) = self.enter(extensions)?;
        let answered = self.0.chat().ask(chatter.actor(), command).await;
        answered.map_err(|refusal| chat_refused(&refusal))
    }

    pub(super) fn enter(&self, extensions: &Extensions) -> Result<(Call, Chatter), Status> {
        let call = Call::of(&self.0, extensions)?;
        let chatter = Chatter::of(&self.0, call.caller.clone()).map_err(not_chatting)?;
        Ok((call, chatter))
    }

    /// Asks for something that is done or not.
    pub(super) async fn order(
        &self,
        extensions: &Extensions,
        command: Command,
    ) -> Result<(), Status> {
        let Reply::Done = self.ask(extensions, command).await? else {
            return Err(unexpected("done"));
        };
        Ok(())
    }

    /// Asks for something that is answered with a room.
    pub(super) async fn room(
        &self,
        extensions: &Extensions,
        command: Command,
    ) -> Result<Option<v1::ChatRoom>, Status> {
        let Reply::Room(view) = self.ask(extensions, command).await? else {
            return Err(unexpected("a room"));
        };
        Ok(Some(form::room(view)))
    }

    /// Asks for something that makes a message another one.
    pub(super) async fn change(
        &self,
        extensions: &Extensions,
        command: Command,
    ) -> Result<Option<v1::ChatMessage>, Status> {
        let Reply::Message { place, message } = self.ask(extensions, command).await? else {
            return Err(unexpected("a message"));
        };
        Ok(Some(form::message(&place, &message)))
    }

    pub(super) async fn page(
        &self,
        extensions: &Extensions,
        request: v1::ListMessagesRequest,
    ) -> Result<v1::ListMessagesResponse, Status> {
        let (_, chatter) = self.enter(extensions)?;
        let cursor = match request.cursor {
            None => Cursor::Before(u64::MAX),
            Some(Wished::Before(seq)) => Cursor::Before(seq),
            Some(Wished::After(seq)) => Cursor::After(seq),
        };
        let limit = limit(request.page_size)?;
        let of = target(&request.room);
        let command = Command::History {
            of: of.clone(),
            page: PageOf { cursor, limit },
        };
        let reply = match self.0.chat().ask(chatter.actor(), command).await {
            Ok(reply) => reply,
            Err(refusal) => {
                let nothing = nothing_said(&self.0, &of, &refusal);
                let nothing = nothing.ok_or_else(|| chat_refused(&refusal))?;
                return Ok(form::history(&nothing));
            }
        };
        let Reply::History(history) = reply else {
            return Err(unexpected("history"));
        };
        Ok(form::history(&history))
    }

    /// Lists bans or mutes of a room; with what to ask the next page with.
    pub(super) async fn sanctions(
        &self,
        extensions: &Extensions,
        kind: SanctionKind,
        room: String,
        (page_size, page_token): (u32, String),
    ) -> Result<(Vec<v1::ChatSanction>, String), Status> {
        let page = page(page_size, page_token)?;
        let command = Command::Sanctions {
            room,
            kind,
            behind: page.behind().to_owned(),
            limit: page.limit() + 1,
        };
        let Reply::Sanctions { sanctions, .. } = self.ask(extensions, command).await? else {
            return Err(unexpected("bans or mutes"));
        };
        let (sanctions, next) = page.split(sanctions, |sanction| sanction.login.clone());
        let shown = sanctions.into_iter().map(form::sanction).collect();
        Ok((shown, next.unwrap_or_default()))
    }
}

/// How many messages a page has.
pub(super) fn limit(page_size: u32) -> Result<u32, Status> {
    let max = chat::limits::PAGE_MAX;
    match page_size {
        0 => Ok(PAGE_DEFAULT),
        size if size <= max => Ok(size),
        _ => {
            let detail = format!("a page has at most {max} messages");
            Err(flawed(Flaw::new("page_size", detail)))
        }
    }
}

/// The status of an answer that is not what belongs to the question.
pub(super) fn unexpected(expected: &str) -> Status {
    tracing::error!(expected, "the chat answered something else than was asked");
    Status::internal("the server made a mistake; its log says which")
}
