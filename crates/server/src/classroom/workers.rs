//! The worker services of users' queues, by gRPC. See `docs/classroom/middleware.md`.

use axum::Router;
use axum::http::StatusCode;
use rpc::message_queue::message_queue_server::{MessageQueue, MessageQueueServer};
use rpc::message_queue::{GetMessageResponse, Message, SendMessageRequest, SendMessageResponse};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use super::json::Answer;
use super::users::origin;
use super::{Classroom, GRPC};
use crate::http::PeerAddress;

/// The greatest call: the longest response, and what goes with it.
const REQUEST_BYTES_MAX: usize = 2 << 20;

struct Workers(Classroom);

/// What the door serves.
pub(super) fn routes(classroom: &Classroom) -> Router<Classroom> {
    let service = MessageQueueServer::new(Workers(classroom.clone()));
    let service = service.max_decoding_message_size(REQUEST_BYTES_MAX);
    Routes::new(service).into_axum_router().with_state(())
}

#[tonic::async_trait]
impl MessageQueue for Workers {
    async fn get_message(
        &self,
        request: Request<Message>,
    ) -> Result<Response<GetMessageResponse>, Status> {
        let from = origin(GRPC, request.extensions().get::<PeerAddress>().copied());
        let service = request.into_inner().queue_name;
        Ok(Response::new(
            match self.0.queues().next(&service, &from).await {
                Ok(Some(work)) => GetMessageResponse {
                    status: 200,
                    message: "Message received".to_owned(),
                    username: work.username,
                    api_key: work.api_key,
                    service: work.service,
                    queue_name: work.queue_name,
                },
                Ok(None) => GetMessageResponse {
                    status: 400,
                    message: "No messages".to_owned(),
                    ..GetMessageResponse::default()
                },
                Err(answer) => {
                    let (status, message) = said(answer);
                    GetMessageResponse {
                        status,
                        message,
                        ..GetMessageResponse::default()
                    }
                }
            },
        ))
    }

    async fn send_message(
        &self,
        request: Request<SendMessageRequest>,
    ) -> Result<Response<SendMessageResponse>, Status> {
        let from = origin(GRPC, request.extensions().get::<PeerAddress>().copied());
        let (status, message) = match self.deliver(request.into_inner(), &from).await {
            Ok(()) => (200, "Message sent".to_owned()),
            Err(answer) => said(answer),
        };
        Ok(Response::new(SendMessageResponse { status, message }))
    }
}

impl Workers {
    async fn deliver(
        &self,
        request: SendMessageRequest,
        from: &engine::sessions::Origin,
    ) -> Result<(), Answer> {
        let queues = self.0.queues();
        let SendMessageRequest {
            username,
            api_key,
            queue_name,
            response,
            service: _,
        } = request;
        let opened = queues.open(&username, &queue_name, &api_key).await?;
        queues.respond(opened, response, from).await
    }
}

/// An answer in the fields of these calls.
fn said(answer: Answer) -> (i32, String) {
    match answer {
        Answer::Message(status, message) => (i32::from(status.as_u16()), message),
        Answer::Data(_) | Answer::Bare(_) => (i32::from(StatusCode::OK.as_u16()), String::new()),
    }
}
