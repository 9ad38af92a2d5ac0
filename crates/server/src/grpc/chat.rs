//! The service of the chat: calls turn into one command each of whoever calls, and a stream into a session that listens. Rules are the
//! chat's own.

mod asking;
mod converse;
mod form;

use chat::{Command, RoomSettings, Sanction, SanctionKind};
use rpc::v1;
use rpc::v1::chat_service_server::ChatService;
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::call::Answers;
use super::status::flawed;
use crate::chat::json::{now_us, target};
use crate::flaw::Flaw;
use crate::http::{Web, accepted};
use asking::{limit, unexpected};

/// The greatest request: the longest text, and room for all else.
pub(super) const REQUEST_BYTES_MAX: usize = 64 << 10;

/// The service.
pub(super) struct Chats(pub(super) Web);

/// The answer of a method.
type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl ChatService for Chats {
    type ConverseStream = Answers<v1::ConverseResponse>;

    async fn converse(
        &self,
        request: Request<Streaming<v1::ConverseRequest>>,
    ) -> Answer<Self::ConverseStream> {
        let (metadata, extensions, requests) = request.into_parts();
        let (call, chatter) = self.enter(&extensions)?;
        let wished = language(metadata);
        let told = converse::converse(call.clone(), chatter, wished, requests).await?;
        Ok(Response::new(call.in_time(told)))
    }

    async fn list_rooms(
        &self,
        request: Request<v1::ListRoomsRequest>,
    ) -> Answer<v1::ListRoomsResponse> {
        let chat::Reply::Rooms(views) = self.ask(request.extensions(), Command::Rooms).await?
        else {
            return Err(unexpected("rooms"));
        };
        let rooms = views.into_iter().map(form::room).collect();
        Ok(Response::new(v1::ListRoomsResponse { rooms }))
    }

    async fn get_room(&self, request: Request<v1::GetRoomRequest>) -> Answer<v1::GetRoomResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Room { room: request.room };
        let room = self.room(&extensions, command).await?;
        Ok(Response::new(v1::GetRoomResponse { room }))
    }

    async fn create_room(
        &self,
        request: Request<v1::CreateRoomRequest>,
    ) -> Answer<v1::CreateRoomResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Create {
            room: request.room,
            keep: request.keep,
            is_only: false,
        };
        let room = self.room(&extensions, command).await?;
        Ok(Response::new(v1::CreateRoomResponse { room }))
    }

    async fn update_room(
        &self,
        request: Request<v1::UpdateRoomRequest>,
    ) -> Answer<v1::UpdateRoomResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Set {
            room: request.room,
            settings: RoomSettings {
                topic: request.topic,
                keep: request.keep,
                slow_s: request.slow_s,
            },
        };
        let room = self.room(&extensions, command).await?;
        Ok(Response::new(v1::UpdateRoomResponse { room }))
    }

    async fn delete_room(
        &self,
        request: Request<v1::DeleteRoomRequest>,
    ) -> Answer<v1::DeleteRoomResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::DeleteRoom { room: request.room };
        self.order(&extensions, command).await?;
        Ok(Response::new(v1::DeleteRoomResponse {}))
    }

    async fn list_members(
        &self,
        request: Request<v1::ListMembersRequest>,
    ) -> Answer<v1::ListMembersResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Members { room: request.room };
        let chat::Reply::Members { place, members } = self.ask(&extensions, command).await? else {
            return Err(unexpected("members"));
        };
        Ok(Response::new(v1::ListMembersResponse {
            room: place.to_string(),
            members: members.iter().map(form::member).collect(),
        }))
    }

    async fn say(&self, request: Request<v1::SayRequest>) -> Answer<v1::SayResponse> {
        let (_, extensions, request) = request.into_parts();
        let words = request.say.ok_or_else(|| {
            let detail = "what is said, and where, is missing";
            flawed(Flaw::new("say", detail))
        })?;
        let chat::Reply::Posted(posted) = self.ask(&extensions, say(words)).await? else {
            return Err(unexpected("posted"));
        };
        let posted = Some(form::posted(&posted));
        Ok(Response::new(v1::SayResponse { posted }))
    }

    async fn edit_message(
        &self,
        request: Request<v1::EditMessageRequest>,
    ) -> Answer<v1::EditMessageResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Edit {
            of: target(&request.room),
            seq: request.seq,
            text: request.text,
        };
        let message = self.change(&extensions, command).await?;
        Ok(Response::new(v1::EditMessageResponse { message }))
    }

    async fn delete_message(
        &self,
        request: Request<v1::DeleteMessageRequest>,
    ) -> Answer<v1::DeleteMessageResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Delete {
            of: target(&request.room),
            seq: request.seq,
        };
        let message = self.change(&extensions, command).await?;
        Ok(Response::new(v1::DeleteMessageResponse { message }))
    }

    async fn react(&self, request: Request<v1::ReactRequest>) -> Answer<v1::ReactResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::React {
            of: target(&request.room),
            seq: request.seq,
            emoji: request.emoji,
            is_on: !request.off,
        };
        let message = self.change(&extensions, command).await?;
        Ok(Response::new(v1::ReactResponse { message }))
    }

    async fn list_messages(
        &self,
        request: Request<v1::ListMessagesRequest>,
    ) -> Answer<v1::ListMessagesResponse> {
        let (_, extensions, request) = request.into_parts();
        Ok(Response::new(self.page(&extensions, request).await?))
    }

    async fn search(&self, request: Request<v1::SearchRequest>) -> Answer<v1::SearchResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Search {
            words: request.words,
            of: Some(request.room.as_str())
                .filter(|room| !room.is_empty())
                .map(target),
            before: request.before,
            limit: limit(request.page_size)?,
        };
        let chat::Reply::Found { found, has_more } = self.ask(&extensions, command).await? else {
            return Err(unexpected("found messages"));
        };
        Ok(Response::new(form::found(&found, has_more)))
    }

    async fn list_conversations(
        &self,
        request: Request<v1::ListConversationsRequest>,
    ) -> Answer<v1::ListConversationsResponse> {
        let command = Command::Conversations;
        let chat::Reply::Conversations(views) = self.ask(request.extensions(), command).await?
        else {
            return Err(unexpected("conversations"));
        };
        let conversations = views.into_iter().map(form::conversation).collect();
        Ok(Response::new(v1::ListConversationsResponse {
            conversations,
        }))
    }

    async fn list_users(
        &self,
        request: Request<v1::ListUsersRequest>,
    ) -> Answer<v1::ListUsersResponse> {
        let chat::Reply::Users(views) = self.ask(request.extensions(), Command::Users).await?
        else {
            return Err(unexpected("users"));
        };
        let users = views.into_iter().map(form::user).collect();
        Ok(Response::new(v1::ListUsersResponse { users }))
    }

    async fn mark_read(
        &self,
        request: Request<v1::MarkReadRequest>,
    ) -> Answer<v1::MarkReadResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Read {
            of: target(&request.room),
            seq: request.seq,
        };
        self.order(&extensions, command).await?;
        Ok(Response::new(v1::MarkReadResponse {}))
    }

    async fn set_notify(
        &self,
        request: Request<v1::SetNotifyRequest>,
    ) -> Answer<v1::SetNotifyResponse> {
        let (_, extensions, request) = request.into_parts();
        let level = form::level(request.level()).ok_or_else(|| {
            let detail = "name one of the levels: all, mentions or nothing";
            flawed(Flaw::new("level", detail))
        })?;
        let command = Command::Notify {
            of: target(&request.room),
            level: level.to_owned(),
        };
        self.order(&extensions, command).await?;
        Ok(Response::new(v1::SetNotifyResponse {}))
    }

    async fn kick(&self, request: Request<v1::KickRequest>) -> Answer<v1::KickResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Kick {
            room: request.room,
            login: request.login,
            reason: request.reason,
        };
        self.order(&extensions, command).await?;
        Ok(Response::new(v1::KickResponse {}))
    }

    async fn ban(&self, request: Request<v1::BanRequest>) -> Answer<v1::BanResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Ban {
            room: request.room,
            login: request.login.clone(),
            sanction: Some(sanction(request.login, request.minutes, request.reason)),
        };
        self.order(&extensions, command).await?;
        Ok(Response::new(v1::BanResponse {}))
    }

    async fn unban(&self, request: Request<v1::UnbanRequest>) -> Answer<v1::UnbanResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Ban {
            room: request.room,
            login: request.login,
            sanction: None,
        };
        self.order(&extensions, command).await?;
        Ok(Response::new(v1::UnbanResponse {}))
    }

    async fn list_bans(
        &self,
        request: Request<v1::ListBansRequest>,
    ) -> Answer<v1::ListBansResponse> {
        let (_, extensions, request) = request.into_parts();
        let part = (request.page_size, request.page_token);
        let listed = self.sanctions(&extensions, SanctionKind::Ban, request.room, part);
        let (bans, next_page_token) = listed.await?;
        Ok(Response::new(v1::ListBansResponse {
            bans,
            next_page_token,
        }))
    }

    async fn mute(&self, request: Request<v1::MuteRequest>) -> Answer<v1::MuteResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Mute {
            room: request.room,
            login: request.login.clone(),
            sanction: Some(sanction(request.login, request.minutes, request.reason)),
        };
        self.order(&extensions, command).await?;
        Ok(Response::new(v1::MuteResponse {}))
    }

    async fn unmute(&self, request: Request<v1::UnmuteRequest>) -> Answer<v1::UnmuteResponse> {
        let (_, extensions, request) = request.into_parts();
        let command = Command::Mute {
            room: request.room,
            login: request.login,
            sanction: None,
        };
        self.order(&extensions, command).await?;
        Ok(Response::new(v1::UnmuteResponse {}))
    }

    async fn list_mutes(
        &self,
        request: Request<v1::ListMutesRequest>,
    ) -> Answer<v1::ListMutesResponse> {
        let (_, extensions, request) = request.into_parts();
        let part = (request.page_size, request.page_token);
        let listed = self.sanctions(&extensions, SanctionKind::Mute, request.room, part);
        let (mutes, next_page_token) = listed.await?;
        Ok(Response::new(v1::ListMutesResponse {
            mutes,
            next_page_token,
        }))
    }

    async fn block(&self, request: Request<v1::BlockRequest>) -> Answer<v1::BlockResponse> {
        let (_, extensions, v1::BlockRequest { login }) = request.into_parts();
        let is_on = true;
        self.order(&extensions, Command::Block { login, is_on })
            .await?;
        Ok(Response::new(v1::BlockResponse {}))
    }

    async fn unblock(&self, request: Request<v1::UnblockRequest>) -> Answer<v1::UnblockResponse> {
        let (_, extensions, v1::UnblockRequest { login }) = request.into_parts();
        let is_on = false;
        self.order(&extensions, Command::Block { login, is_on })
            .await?;
        Ok(Response::new(v1::UnblockResponse {}))
    }

    async fn list_blocked(
        &self,
        request: Request<v1::ListBlockedRequest>,
    ) -> Answer<v1::ListBlockedResponse> {
        let chat::Reply::Blocked(logins) = self.ask(request.extensions(), Command::Blocked).await?
        else {
            return Err(unexpected("blocked logins"));
        };
        Ok(Response::new(v1::ListBlockedResponse { logins }))
    }

    async fn get_time(&self, request: Request<v1::GetTimeRequest>) -> Answer<v1::GetTimeResponse> {
        let t2_us = now_us();
        let time = v1::ChatTime {
            t1_us: request.get_ref().t1_us,
            t2_us,
            t3_us: now_us(),
        };
        Ok(Response::new(v1::GetTimeResponse { time: Some(time) }))
    }
}

/// The command of saying something.
fn say(words: v1::ChatSay) -> Command {
    Command::Say {
        to: target(&words.room),
        text: words.text,
        is_action: words.action,
        sent_id: Some(words.sent_id).filter(|id| !id.is_empty()),
        reply_to: words.reply_to,
    }
}

fn sanction(login: String, minutes: Option<u32>, reason: String) -> Sanction {
    Sanction {
        login,
        minutes,
        reason,
    }
}

/// In which language a client wants to be told things.
fn language(metadata: MetadataMap) -> Option<chat::Language> {
    accepted(&metadata.into_headers())
}

#[cfg(test)]
mod tests;
