//! The server: listeners, TLS, configuration, administration, shutdown.
//!
//! It binds sockets to sessions and sessions to the engine; it holds no rules of its own.
//!
//! Start reading at [`serve`].

pub mod admin;
mod amqp;
mod announce;
mod backend;
mod chat;
pub mod config;
pub mod doctor;
mod entries;
mod files;
mod flaw;
mod gateway;
mod grpc;
mod history;
#[expect(unused_qualifications, reason = "utoipa's macros write whole paths")]
mod http;
mod invitations;
mod json;
mod line;
mod listen;
mod management;
mod metrics;
mod qr;
mod registration;
mod serve;
mod tls;
mod traces;
mod transport;
mod web;
mod webhooks;

pub use crate::files::FilesFailure;
pub use entries::Obstacle;
pub use http::{PageFile, openapi_description};
pub use line::ChatError;
pub use qr::qr_code;
pub use serve::{ServeError, ServeOptions, serve};
