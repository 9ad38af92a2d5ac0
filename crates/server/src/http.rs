//! HTTP: the REST interface under `/v1`, its description and the server's health, on threads of their own.
//!
//! Handlers read a request, ask the engine through the [`Gateway`] as the caller, and write the answer: rights are the engine's to
//! decide. Every error is a problem document (RFC 9457). What is public is described by the OpenAPI document that the handlers'
//! annotations make.
//!
//! Start reading at [`router`].

mod access_log;
mod accounts;
mod audit;
mod body;
mod caller;
mod chat;
mod connections;
mod counted;
pub(crate) mod deadletters;
mod events;
mod feed;
pub(crate) mod files;
mod front;
mod groups;
mod health;
mod insight;
mod invitations;
mod leases;
mod leftover;
mod message;
mod openapi;
mod overview;
mod page;
mod policies;
mod problem;
mod publish;
mod pull;
mod queues;
mod quotas;
mod reference;
mod requests;
mod samples;
mod scrape;
mod serve;
mod sessions;
mod sharing;
mod tags;
mod topics;
mod vhosts;
mod webhooks;
mod websocket;
mod welcome;

use std::sync::Arc;

use ::chat::Language;
use axum::Router;
use tokio::sync::watch;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::chat::Chat;
use crate::files::Files;
use crate::gateway::Gateway;
use crate::history::History;
use crate::metrics::Observer;
use crate::registration;

pub(crate) use caller::{Caller, DEFAULT_VHOST, NotLoggedIn, PeerAddress, Visitor};
use chat::news::News;
pub(crate) use chat::{
    Chatter, Outcome, Outsider, Over, Pipeline, READ_PATIENCE, accepted, nothing_said, over,
};
use feed::Feeds;
pub(crate) use files::Sharer;
pub use front::PageFile;
pub use openapi::description as openapi_description;
pub(crate) use page::PageParams;
pub(crate) use problem::Problem;
pub(crate) use serve::{HttpDoor, serve};
pub(crate) use topics::{READER_PREFIX, reader_stream};

/// What every handler may use; cheap to clone.
#[derive(Clone)]
pub(crate) struct Web(Arc<Shared>);

struct Shared {
    gateway: Gateway,
    settings: HttpSettings,
    feeds: Feeds,
    chat: ChatDoor,
    files: Files,
    news: News,
    history: History,
    observer: Observer,
    stopping: watch::Receiver<bool>,
}

/// What the operator says of HTTP.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpSettings {
    /// The greatest body of one message, in bytes.
    pub(crate) message_bytes_max: usize,
    /// Memory from which on publishers have to wait, in bytes.
    pub(crate) memory_high_bytes: u64,
    /// Free disk space below which they have to, in bytes.
    pub(crate) disk_free_low_bytes: u64,
    /// Who may make an account, and what has to be told of it.
    pub(crate) registration: registration::Policy,
}

/// The chat, with what its clients are told of it.
#[derive(Clone)]
pub(crate) struct ChatDoor {
    /// The chat.
    pub(crate) chat: Chat,
    /// The room that always exists.
    pub(crate) default_room: String,
    /// The language in which strangers are spoken to.
    pub(crate) language: Language,
}

impl Web {
    pub(crate) fn new(
        gateway: Gateway,
        chat: ChatDoor,
        files: Files,
        settings: HttpSettings,
        observer: Observer,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self(Arc::new(Shared {
            gateway,
            settings,
            feeds: Feeds::default(),
            chat,
            files,
            news: News::default(),
            history: History::default(),
            observer,
            stopping,
        }))
    }

    /// Drops what nobody came back to, until the task is dropped.
    pub(crate) async fn sweep(self) {
        self.feeds().clone().sweep().await;
    }

    fn feeds(&self) -> &Feeds {
        &self.0.feeds
    }

    pub(crate) fn gateway(&self) -> &Gateway {
        &self.0.gateway
    }

    /// The chat.
    pub(crate) fn chat(&self) -> &Chat {
        &self.0.chat.chat
    }

    /// The chat, with what its clients are told of it.
    pub(crate) fn chat_door(&self) -> &ChatDoor {
        &self.0.chat
    }

    /// The file index.
    pub(crate) fn files(&self) -> &Files {
        &self.0.files
    }

    fn news(&self) -> &News {
        &self.0.news
    }

    /// How queues and the server did lately.
    pub(crate) fn history(&self) -> &History {
        &self.0.history
    }

    pub(crate) fn settings(&self) -> &HttpSettings {
        &self.0.settings
    }

    /// Turns true when the server stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.0.stopping.clone()
    }

    /// Why clients should go elsewhere; `None` while they need not.
    pub(crate) fn why_not_ready(&self) -> Option<String> {
        if *self.0.stopping.borrow() {
            return Some("the server stops".to_owned());
        }
        let reason = self.gateway().engine().alarms().reason()?;
        Some(format!("publishers have to wait: the server is {reason}"))
    }

    pub(crate) fn observer(&self) -> &Observer {
        &self.0.observer
    }
}

/// Everything that HTTP serves, the page for browsers among it.
pub(crate) fn router(web: Web, page: &[PageFile]) -> Router {
    let (router, _) = described_routes();
    let observer = web.observer().clone();
    let router = router
        .merge(reference::routes())
        .merge(openapi::routes())
        .merge(front::routes(page))
        .merge(crate::grpc::routes(&web))
        .fallback(problem::no_such_path)
        .method_not_allowed_fallback(problem::no_such_method)
        .with_state(web);
    access_log::around(router, observer)
}

/// What the OpenAPI document describes, and the document.
fn described_routes() -> (Router<Web>, utoipa::openapi::OpenApi) {
    OpenApiRouter::with_openapi(openapi::document())
        .routes(routes!(accounts::create, accounts::list))
        .routes(routes!(accounts::show, accounts::update, accounts::delete))
        .routes(routes!(accounts::password))
        .routes(routes!(accounts::set_role))
        .routes(routes!(quotas::quota, quotas::set_quota))
        .routes(routes!(accounts::me, accounts::update_me))
        .routes(routes!(invitations::create, invitations::list))
        .routes(routes!(invitations::delete))
        .routes(routes!(sessions::create, sessions::list))
        .routes(routes!(sessions::show, sessions::end))
        .routes(routes!(connections::list))
        .routes(routes!(connections::close))
        .routes(routes!(vhosts::list))
        .routes(routes!(vhosts::create, vhosts::delete))
        .routes(routes!(vhosts::permissions))
        .routes(routes!(vhosts::permit, vhosts::forbid))
        .routes(routes!(vhosts::permit_topic, vhosts::free_topic))
        .routes(routes!(policies::list))
        .routes(routes!(policies::set, policies::clear))
        .routes(routes!(overview::overview))
        .routes(routes!(overview::raise_alarm, overview::clear_alarm))
        .routes(routes!(accounts::set_tags))
        .routes(routes!(audit::list))
        .routes(routes!(audit::tail))
        .routes(routes!(queues::list))
        .routes(routes!(sharing::queue_grants))
        .routes(routes!(sharing::grant_queue, sharing::revoke_queue))
        .routes(routes!(sharing::topic_grants))
        .routes(routes!(sharing::grant_topic, sharing::revoke_topic))
        .routes(routes!(sharing::make_key, sharing::keys))
        .routes(routes!(sharing::delete_key))
        .routes(routes!(
            queues::create,
            queues::show,
            queues::rename,
            queues::delete
        ))
        .routes(routes!(queues::purge))
        .routes(routes!(insight::history))
        .routes(routes!(insight::consumers))
        .routes(routes!(insight::bindings))
        .routes(routes!(insight::peek))
        .routes(routes!(groups::list))
        .routes(routes!(groups::show, groups::seek, groups::delete))
        .routes(routes!(publish::to_queue))
        .routes(routes!(publish::batch_to_queue))
        .routes(routes!(pull::pull))
        .routes(routes!(leases::settle_many))
        .routes(routes!(leases::ack, leases::extend))
        .routes(routes!(leases::nack))
        .routes(routes!(events::of_queue))
        .routes(routes!(websocket::of_queue))
        .routes(routes!(requests::ask))
        .routes(routes!(requests::fetch))
        .routes(routes!(requests::reply))
        .routes(routes!(topics::list))
        .routes(routes!(topics::create, topics::show, topics::delete))
        .routes(routes!(topics::publish))
        .routes(routes!(topics::publish_batch))
        .routes(routes!(topics::bindings, topics::bind, topics::unbind))
        .routes(routes!(topics::events))
        .routes(routes!(deadletters::list))
        .routes(routes!(deadletters::replay))
        .routes(routes!(deadletters::discard))
        .routes(routes!(chat::socket::open))
        .routes(routes!(chat::rooms::list, chat::rooms::create))
        .routes(routes!(
            chat::rooms::show,
            chat::rooms::update,
            chat::rooms::delete
        ))
        .routes(routes!(chat::rooms::members))
        .routes(routes!(chat::moderation::kick))
        .routes(routes!(chat::moderation::bans))
        .routes(routes!(chat::moderation::ban, chat::moderation::unban))
        .routes(routes!(chat::moderation::mutes))
        .routes(routes!(chat::moderation::mute, chat::moderation::unmute))
        .routes(routes!(chat::messages::list, chat::messages::say))
        .routes(routes!(
            chat::messages::show,
            chat::messages::edit,
            chat::messages::delete
        ))
        .routes(routes!(chat::messages::react, chat::messages::unreact))
        .routes(routes!(chat::messages::read))
        .routes(routes!(chat::messages::notify))
        .routes(routes!(chat::events::of_room))
        .routes(routes!(chat::conversations::conversations))
        .routes(routes!(chat::conversations::list, chat::conversations::say))
        .routes(routes!(
            chat::conversations::show,
            chat::conversations::edit,
            chat::conversations::delete
        ))
        .routes(routes!(
            chat::conversations::react,
            chat::conversations::unreact
        ))
        .routes(routes!(chat::conversations::read))
        .routes(routes!(chat::conversations::notify))
        .routes(routes!(chat::events::of_user))
        .routes(routes!(chat::people::search))
        .routes(routes!(chat::people::users))
        .routes(routes!(chat::people::blocks))
        .routes(routes!(chat::people::block, chat::people::unblock))
        .routes(routes!(chat::people::time))
        .routes(routes!(files::peers::list))
        .routes(routes!(files::peers::announce, files::peers::log_out))
        .routes(routes!(files::peers::heartbeat))
        .routes(routes!(files::relay::stand))
        .routes(routes!(files::relay::take))
        .routes(routes!(files::relay::call))
        .routes(routes!(files::reports::report))
        .routes(routes!(files::publish::publish))
        .routes(routes!(files::search::search))
        .routes(routes!(files::search::show))
        .routes(routes!(files::tickets::fetch))
        .routes(routes!(files::tickets::offer))
        .routes(routes!(files::links::create, files::links::list))
        .routes(routes!(files::links::delete))
        .routes(routes!(webhooks::list, webhooks::create))
        .routes(routes!(webhooks::list_all))
        .routes(routes!(webhooks::show, webhooks::change, webhooks::delete))
        .routes(routes!(webhooks::test))
        .routes(routes!(welcome::welcome))
        .routes(routes!(health::healthz))
        .routes(routes!(health::readyz))
        .routes(routes!(scrape::metrics))
        .split_for_parts()
}
