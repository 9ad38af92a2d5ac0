//! The service of messages: each method reads its call and leaves the work to the module of its name.

use rpc::v1::message_service_server::MessageService;
use rpc::v1::{
    ConsumeRequest, ConsumeResponse, PublishRequest, PublishResponse, PublishStreamRequest,
    PublishStreamResponse, PullRequest, PullResponse, ReadStreamRequest, ReadStreamResponse,
    RequestReplyRequest, RequestReplyResponse, SettleLeasesRequest, SettleLeasesResponse,
    SubscribeRequest, SubscribeResponse,
};
use tonic::{Request, Response, Status, Streaming, async_trait};

use super::call::{Answers, Call};
use super::{consume, publish, pull, read, request, subscribe};
use crate::http::Web;

/// The service.
pub(super) struct Messages(pub(super) Web);

#[async_trait]
impl MessageService for Messages {
    type PublishStreamStream = Answers<PublishStreamResponse>;
    type ConsumeStream = Answers<ConsumeResponse>;
    type SubscribeStream = Answers<SubscribeResponse>;
    type ReadStreamStream = Answers<ReadStreamResponse>;

    async fn publish(
        &self,
        request: Request<PublishRequest>,
    ) -> Result<Response<PublishResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let published = publish::batch(&call, request.into_inner()).await?;
        Ok(Response::new(published))
    }

    async fn publish_stream(
        &self,
        request: Request<Streaming<PublishStreamRequest>>,
    ) -> Result<Response<Self::PublishStreamStream>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let confirms = publish::stream(call.clone(), request.into_inner()).await?;
        Ok(Response::new(call.in_time(confirms)))
    }

    async fn consume(
        &self,
        request: Request<Streaming<ConsumeRequest>>,
    ) -> Result<Response<Self::ConsumeStream>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let events = consume::consume(call.clone(), request.into_inner()).await?;
        Ok(Response::new(call.in_time(events)))
    }

    async fn pull(&self, request: Request<PullRequest>) -> Result<Response<PullResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let pulled = pull::pull(&call, request.into_inner()).await?;
        Ok(Response::new(pulled))
    }

    async fn settle_leases(
        &self,
        request: Request<SettleLeasesRequest>,
    ) -> Result<Response<SettleLeasesResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let settled = pull::settle(&call, request.into_inner()).await?;
        Ok(Response::new(settled))
    }

    async fn request_reply(
        &self,
        request: Request<RequestReplyRequest>,
    ) -> Result<Response<RequestReplyResponse>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let replied = request::ask(&call, request.into_inner()).await?;
        Ok(Response::new(replied))
    }

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let events = subscribe::subscribe(call.clone(), request.into_inner()).await?;
        Ok(Response::new(call.in_time(events)))
    }

    async fn read_stream(
        &self,
        request: Request<ReadStreamRequest>,
    ) -> Result<Response<Self::ReadStreamStream>, Status> {
        let call = Call::of(&self.0, request.extensions())?;
        let messages = read::read(call.clone(), request.into_inner()).await?;
        Ok(Response::new(call.in_time(messages)))
    }
}
