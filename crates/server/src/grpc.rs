//! gRPC: the services of `chaski.v1` on the port of HTTP, with reflection and health.
//!
//! It does what REST does, through the same [`crate::gateway::Gateway`] and the same chat, with the errors of the same refusals: a status with the
//! details of `google.rpc`. It holds no rules, and opens nothing to callers who are not logged in but reflection, health, the clock and
//! what makes a login.
//!
//! Start reading at [`routes`].

mod accounts;
mod audit;
mod call;
mod chat;
mod consume;
mod deadletters;
mod files;
mod gate;
mod health;
mod message;
mod messages;
mod publish;
mod pull;
mod queues;
mod read;
mod request;
mod sessions;
mod status;
mod subscribe;
mod value;

use axum::Router;
use axum::middleware::from_fn_with_state;
use rpc::v1::account_service_server::AccountServiceServer;
use rpc::v1::audit_service_server::AuditServiceServer;
use rpc::v1::chat_service_server::ChatServiceServer;
use rpc::v1::dead_letter_service_server::DeadLetterServiceServer;
use rpc::v1::file_index_service_server::FileIndexServiceServer;
use rpc::v1::message_service_server::MessageServiceServer;
use rpc::v1::queue_service_server::QueueServiceServer;
use rpc::v1::session_service_server::SessionServiceServer;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_health::pb::health_server::HealthServer;
use tonic_reflection::server::Builder;

use crate::http::Web;

/// The services that are served, by name.
const SERVICES: [&str; 8] = [
    AccountServiceServer::<accounts::Accounts>::NAME,
    AuditServiceServer::<audit::Audit>::NAME,
    ChatServiceServer::<chat::Chats>::NAME,
    SessionServiceServer::<sessions::Sessions>::NAME,
    DeadLetterServiceServer::<deadletters::DeadLetters>::NAME,
    FileIndexServiceServer::<files::FileIndex>::NAME,
    MessageServiceServer::<messages::Messages>::NAME,
    QueueServiceServer::<queues::Queues>::NAME,
];
/// Room for everything of a message but its body.
const MESSAGE_OVERHEAD_BYTES: usize = 1 << 20;
/// The greatest request of services that carry no messages.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Everything that gRPC serves.
pub(crate) fn routes(web: &Web) -> Router<Web> {
    let message_bytes_max = web.settings().message_bytes_max;
    let message_service = MessageServiceServer::new(messages::Messages(web.clone()))
        .max_decoding_message_size(message_bytes_max.saturating_add(MESSAGE_OVERHEAD_BYTES));
    let queue_service = QueueServiceServer::new(queues::Queues(web.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let dead_letter_service = DeadLetterServiceServer::new(deadletters::DeadLetters(web.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let account_service = AccountServiceServer::new(accounts::Accounts(web.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let session_service = SessionServiceServer::new(sessions::Sessions(web.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let audit_service = AuditServiceServer::new(audit::Audit(web.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let chat_service = ChatServiceServer::new(chat::Chats(web.clone()))
        .max_decoding_message_size(chat::REQUEST_BYTES_MAX);
    let file_service = FileIndexServiceServer::new(files::FileIndex(web.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let health_service = HealthServer::new(health::Readiness(web.clone()))
        .max_decoding_message_size(REQUEST_BYTES_MAX);
    let services = Routes::default()
        .add_service(message_service)
        .add_service(queue_service)
        .add_service(dead_letter_service)
        .add_service(account_service)
        .add_service(session_service)
        .add_service(audit_service)
        .add_service(chat_service)
        .add_service(file_service)
        .add_service(health_service);
    reflecting(services)
        .into_axum_router()
        // Paths that lead nowhere are answered by HTTP, for gRPC too: clients read its 404 as UNIMPLEMENTED.
        .reset_fallback()
        .layer(from_fn_with_state(web.clone(), gate::pass))
        .with_state(())
}

/// Adds reflection, in the version of today and in the one that older tools ask for.
fn reflecting(services: Routes) -> Routes {
    let builder =
        || Builder::configure().register_encoded_file_descriptor_set(rpc::FILE_DESCRIPTOR_SET);
    let mut services = services;
    match builder().build_v1() {
        Ok(service) => services = services.add_service(service),
        Err(error) => tracing::error!(%error, "no gRPC reflection"),
    }
    match builder().build_v1alpha() {
        Ok(service) => services = services.add_service(service),
        Err(error) => tracing::error!(%error, "no gRPC reflection for older tools"),
    }
    services
}
