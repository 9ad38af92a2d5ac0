//! The service of queues and topics: each method reads its call and leaves the work to a module.

mod queue;
mod settings;
mod sharing;
mod topics;

use rpc::v1::queue_service_server::QueueService;
use rpc::v1::{
    BindRequest, BindResponse, CreateQueueKeyRequest, CreateQueueKeyResponse, CreateQueueRequest,
    CreateQueueResponse, CreateTopicRequest, CreateTopicResponse, DeleteGrantRequest,
    DeleteGrantResponse, DeleteQueueKeyRequest, DeleteQueueKeyResponse, DeleteQueueRequest,
    DeleteQueueResponse, DeleteTopicRequest, DeleteTopicResponse, GetQueueRequest,
    GetQueueResponse, ListBindingsRequest, ListBindingsResponse, ListGrantsRequest,
    ListGrantsResponse, ListQueueKeysRequest, ListQueueKeysResponse, ListQueuesRequest,
    ListQueuesResponse, ListTopicsRequest, ListTopicsResponse, PurgeQueueRequest,
    PurgeQueueResponse, SetGrantRequest, SetGrantResponse, UnbindRequest, UnbindResponse,
    UpdateQueueRequest, UpdateQueueResponse,
};
use tonic::{Request, Response, Status, async_trait};

pub(super) use topics::find as find_topic;

use super::call::Call;
use super::status::flawed;
use crate::flaw::Flaw;
use crate::http::{PageParams, Web};

/// The service.
pub(super) struct Queues(pub(super) Web);

/// The answer of a method.
type Answer<T> = Result<Response<T>, Status>;

#[async_trait]
impl QueueService for Queues {
    async fn create_queue(
        &self,
        request: Request<CreateQueueRequest>,
    ) -> Answer<CreateQueueResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let created = queue::create(&call, request.into_inner()).await?;
        Ok(Response::new(created))
    }

    async fn get_queue(&self, request: Request<GetQueueRequest>) -> Answer<GetQueueResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let found = queue::find(&call, &request.into_inner().name).await?;
        Ok(Response::new(GetQueueResponse { queue: Some(found) }))
    }

    async fn list_queues(&self, request: Request<ListQueuesRequest>) -> Answer<ListQueuesResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let page = queue::list(&call, request.into_inner()).await?;
        Ok(Response::new(page))
    }

    async fn update_queue(
        &self,
        request: Request<UpdateQueueRequest>,
    ) -> Answer<UpdateQueueResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let updated = queue::update(&call, request.into_inner()).await?;
        let queue = Some(updated);
        Ok(Response::new(UpdateQueueResponse { queue }))
    }

    async fn delete_queue(
        &self,
        request: Request<DeleteQueueRequest>,
    ) -> Answer<DeleteQueueResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let messages_deleted = queue::delete(&call, request.into_inner()).await?;
        Ok(Response::new(DeleteQueueResponse { messages_deleted }))
    }

    async fn purge_queue(&self, request: Request<PurgeQueueRequest>) -> Answer<PurgeQueueResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let messages_purged = queue::purge(&call, request.into_inner()).await?;
        Ok(Response::new(PurgeQueueResponse { messages_purged }))
    }

    async fn set_grant(&self, request: Request<SetGrantRequest>) -> Answer<SetGrantResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let grant = Some(sharing::set_grant(&call, request.into_inner()).await?);
        Ok(Response::new(SetGrantResponse { grant }))
    }

    async fn list_grants(&self, request: Request<ListGrantsRequest>) -> Answer<ListGrantsResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let page = sharing::grants(&call, request.into_inner()).await?;
        Ok(Response::new(page))
    }

    async fn delete_grant(
        &self,
        request: Request<DeleteGrantRequest>,
    ) -> Answer<DeleteGrantResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        sharing::delete_grant(&call, request.into_inner()).await?;
        Ok(Response::new(DeleteGrantResponse {}))
    }

    async fn create_queue_key(
        &self,
        request: Request<CreateQueueKeyRequest>,
    ) -> Answer<CreateQueueKeyResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let created = sharing::create_key(&call, request.into_inner()).await?;
        Ok(Response::new(created))
    }

    async fn list_queue_keys(
        &self,
        request: Request<ListQueueKeysRequest>,
    ) -> Answer<ListQueueKeysResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let page = sharing::keys(&call, request.into_inner()).await?;
        Ok(Response::new(page))
    }

    async fn delete_queue_key(
        &self,
        request: Request<DeleteQueueKeyRequest>,
    ) -> Answer<DeleteQueueKeyResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        sharing::delete_key(&call, request.into_inner()).await?;
        Ok(Response::new(DeleteQueueKeyResponse {}))
    }

    async fn create_topic(
        &self,
        request: Request<CreateTopicRequest>,
    ) -> Answer<CreateTopicResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let created = topics::create(&call, request.into_inner()).await?;
        Ok(Response::new(created))
    }

    async fn list_topics(&self, request: Request<ListTopicsRequest>) -> Answer<ListTopicsResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let page = topics::list(&call, request.into_inner())?;
        Ok(Response::new(page))
    }

    async fn delete_topic(
        &self,
        request: Request<DeleteTopicRequest>,
    ) -> Answer<DeleteTopicResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        topics::delete(&call, request.into_inner()).await?;
        Ok(Response::new(DeleteTopicResponse {}))
    }

    async fn bind(&self, request: Request<BindRequest>) -> Answer<BindResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        topics::bind(&call, request.into_inner().binding, false).await?;
        Ok(Response::new(BindResponse {}))
    }

    async fn unbind(&self, request: Request<UnbindRequest>) -> Answer<UnbindResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        topics::bind(&call, request.into_inner().binding, true).await?;
        Ok(Response::new(UnbindResponse {}))
    }

    async fn list_bindings(
        &self,
        request: Request<ListBindingsRequest>,
    ) -> Answer<ListBindingsResponse> {
        let call = Call::of(&self.0, request.extensions())?;
        let page = topics::list_bindings(&call, &request.into_inner())?;
        Ok(Response::new(page))
    }
}

/// Reads which page of a list is wanted.
pub(super) fn page(page_size: u32, page_token: String) -> Result<PageParams, Status> {
    let limit = Some(page_size).filter(|size| *size > 0);
    let cursor = Some(page_token).filter(|token| !token.is_empty());
    PageParams::new(cursor, limit).map_err(|flaw| {
        let field = match flaw.field.as_str() {
            "limit" => "page_size",
            _ => "page_token",
        };
        flawed(Flaw {
            field: field.to_owned(),
            ..flaw
        })
    })
}
