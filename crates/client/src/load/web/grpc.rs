//! gRPC: calls that publish a batch, streams that publish, consumers and subscribers.

use std::cell::RefCell;
use std::future::pending;
use std::rc::Rc;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use rpc::v1;
use rpc::v1::consume_request::Action;
use rpc::v1::message_service_client::MessageServiceClient;
use rpc::v1::{PublishStatus, address, consume_response, consume_start, subscribe_response};
use tokio::sync::{Semaphore, mpsc};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status};

use super::super::confirms::Confirms;
use super::super::error::LoadError;
use super::super::mark::MARK_BYTES;
use super::super::options::AckMode;
use super::super::scan::Delivery;
use super::crew::{Crew, Fates};

/// Messages that wait between a producer and its connection.
const WAITING_MAX: usize = 256;
const CUT: LoadError = LoadError::Protocol("the server ended a stream");

/// One connection.
struct Connection {
    client: MessageServiceClient<Channel>,
    authorization: MetadataValue<Ascii>,
}

/// What a producer makes its messages of.
struct Messages {
    producer: usize,
    size: usize,
    persistent: bool,
    address: v1::Address,
}

/// Publishes batches, a call after the other.
pub(super) async fn call(crew: Rc<Crew>, producer: usize, messages: u64) -> Result<(), LoadError> {
    let mut connection = Connection::open(&crew).await?;
    let source = Messages::of(&crew, producer);
    let batch = crew.window();
    let (mut left, mut sequence) = (messages, 0);
    crew.ready();
    while left > 0 && crew.has_room(batch).await {
        let count = left.min(batch as u64);
        let stamp = crew.published(usize::try_from(count).unwrap_or(batch));
        let request = v1::PublishRequest {
            address: Some(source.address.clone()),
            messages: (sequence..sequence + count)
                .map(|sequence| source.message(stamp, sequence))
                .collect(),
        };
        let request = connection.request(request);
        let answer = connection.client.publish(request).await;
        let results = answer.map_err(publishing)?.into_inner().results;
        let mut fates = Fates::default();
        for result in &results {
            add(&mut fates, result.status());
        }
        crew.confirmed(stamp, fates);
        left -= count;
        sequence += count;
    }
    Ok(())
}

/// Publishes by one stream, with as many messages unconfirmed as the options say.
pub(super) async fn stream(
    crew: Rc<Crew>,
    producer: usize,
    messages: u64,
) -> Result<(), LoadError> {
    let mut connection = Connection::open(&crew).await?;
    let source = Messages::of(&crew, producer);
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let request = connection.request(stream_of(receiver));
    let answers = connection.client.publish_stream(request).await;
    let mut answers = answers.map_err(publishing)?.into_inner();
    let window = Semaphore::new(crew.window());
    let unconfirmed = RefCell::new(Confirms::new(crew.window()));
    crew.ready();
    let sending = async {
        let mut left = messages;
        let mut number = 0;
        while left > 0 && crew.has_room(1).await {
            let Ok(permit) = window.acquire().await else {
                break;
            };
            permit.forget();
            let stamp = crew.published(1);
            unconfirmed.borrow_mut().sent(stamp);
            let message = v1::PublishStreamRequest {
                // The first is 1, as the tags that confirms are followed by.
                number: number + 1,
                address: (number == 0).then(|| source.address.clone()),
                message: Some(source.message(stamp, number)),
            };
            if sender.send(message).await.is_err() {
                break;
            }
            number += 1;
            left -= 1;
        }
        // What is under way is still to be confirmed.
        pending::<()>().await;
    };
    let receiving = async {
        while let Some(answer) = answers.message().await.map_err(publishing)? {
            let count = answer.confirms.len();
            for confirm in answer.confirms {
                let mut fates = Fates::default();
                add(&mut fates, confirm.status());
                unconfirmed
                    .borrow_mut()
                    .settle(confirm.number, false, |stamp| crew.confirmed(stamp, fates))?;
            }
            window.add_permits(count);
        }
        Err(CUT)
    };
    tokio::select! {
        () = sending => Ok(()),
        ended = receiving => ended,
    }
}

/// Consumes a queue by one stream and acknowledges.
pub(super) async fn consume(crew: Rc<Crew>, queue: usize, local: usize) -> Result<(), LoadError> {
    let mut connection = Connection::open(&crew).await?;
    let (sender, receiver) = mpsc::channel(WAITING_MAX);
    let prefetch = match crew.setup.options.acks {
        AckMode::Manual { prefetch, .. } if prefetch > 0 => prefetch,
        AckMode::Manual { .. } | AckMode::Auto => u16::MAX,
    };
    let start = v1::ConsumeStart {
        queue: crew.setup.plan.queue_name(queue),
        flow: Some(consume_start::Flow::Prefetch(prefetch.into())),
        ..v1::ConsumeStart::default()
    };
    tell(&sender, Action::Start(start)).await?;
    let request = connection.request(stream_of(receiver));
    let events = connection.client.consume(request).await;
    let mut events = events.map_err(consuming)?.into_inner();
    let mut consumer = crew.consumer(local);
    let mut tags = Vec::new();
    while let Some(response) = events.message().await.map_err(consuming)? {
        match response.event {
            Some(consume_response::Event::Started(_)) => crew.ready(),
            Some(consume_response::Event::Delivery(v1::Delivery {
                tag,
                received: Some(received),
            })) => {
                tags.push(tag);
                crew.tick();
                let due = crew.arrived(&mut consumer, &delivery(received));
                crew.wake_producers();
                if due.is_some() {
                    let tags = std::mem::take(&mut tags);
                    tell(&sender, Action::Ack(v1::ConsumeAck { tags })).await?;
                }
            }
            Some(consume_response::Event::Delivery(_) | consume_response::Event::Cancelled(_))
            | None => return Err(CUT),
        }
    }
    Err(CUT)
}

/// Reads a topic.
pub(super) async fn subscribe(crew: Rc<Crew>, local: usize) -> Result<(), LoadError> {
    let mut connection = Connection::open(&crew).await?;
    let request = connection.request(v1::SubscribeRequest {
        topic: crew.topic().unwrap_or_default(),
        ..v1::SubscribeRequest::default()
    });
    let events = connection.client.subscribe(request).await;
    let mut events = events.map_err(consuming)?.into_inner();
    let mut consumer = crew.consumer(local);
    while let Some(response) = events.message().await.map_err(consuming)? {
        match response.event {
            Some(subscribe_response::Event::Started(_)) => crew.ready(),
            Some(subscribe_response::Event::Received(received)) => {
                crew.tick();
                // A subscriber settles nothing.
                crew.arrived(&mut consumer, &delivery(received));
                crew.wake_producers();
            }
            None => return Err(CUT),
        }
    }
    Err(CUT)
}

impl Connection {
    async fn open(crew: &Crew) -> Result<Self, LoadError> {
        let url = &crew.target.url;
        let endpoint = Endpoint::from_shared(url.to_string());
        let channel = match endpoint {
            Ok(endpoint) => endpoint.tcp_nodelay(true).connect().await,
            Err(error) => Err(error),
        };
        let channel = channel.map_err(|error| LoadError::Grpc {
            doing: "connecting",
            detail: error.to_string(),
        })?;
        let authorization = url.authorization();
        Ok(Self {
            client: MessageServiceClient::new(channel),
            authorization: MetadataValue::try_from(authorization)
                .map_err(|_| LoadError::Protocol("the login has odd letters"))?,
        })
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request
            .metadata_mut()
            .insert("authorization", self.authorization.clone());
        request
    }
}

impl Messages {
    fn of(crew: &Crew, producer: usize) -> Self {
        let target = match crew.topic() {
            Some(topic) => address::Target::Topic(v1::TopicAddress {
                topic,
                routing_key: String::new(),
            }),
            None => address::Target::Queue(crew.setup.plan.queue_name(0)),
        };
        Self {
            producer,
            size: crew.size(),
            persistent: crew.setup.options.persistent,
            address: v1::Address {
                target: Some(target),
            },
        }
    }

    fn message(&self, stamp: u64, sequence: u64) -> v1::Message {
        let mut body = vec![b'x'; self.size];
        Crew::mark(self.producer, stamp, sequence).write(&mut body);
        v1::Message {
            body: Bytes::from(body),
            persistent: Some(self.persistent),
            ..v1::Message::default()
        }
    }
}

fn stream_of<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> impl Stream<Item = T> + Send {
    unfold(receiver, async |mut receiver| {
        let next = receiver.recv().await?;
        Some((next, receiver))
    })
}

async fn tell(sender: &mpsc::Sender<v1::ConsumeRequest>, action: Action) -> Result<(), LoadError> {
    let request = v1::ConsumeRequest {
        action: Some(action),
    };
    sender.send(request).await.map_err(|_| CUT)
}

fn delivery(received: v1::ReceivedMessage) -> Delivery {
    let body = received.message.map(|message| message.body);
    let body = body.unwrap_or_default();
    let mut head = [0; MARK_BYTES];
    let there = body.len().min(MARK_BYTES);
    head[..there].copy_from_slice(&body[..there]);
    Delivery {
        size: body.len() as u64,
        head,
        ..Delivery::default()
    }
}

fn add(fates: &mut Fates, status: PublishStatus) {
    fates.answered += 1;
    match status {
        PublishStatus::Confirmed => {}
        PublishStatus::Unroutable => fates.returned += 1,
        PublishStatus::Unspecified
        | PublishStatus::Rejected
        | PublishStatus::Refused
        | PublishStatus::Unavailable => fates.refused += 1,
    }
}

fn publishing(status: Status) -> LoadError {
    failed("publishing", &status)
}

fn consuming(status: Status) -> LoadError {
    failed("consuming", &status)
}

fn failed(doing: &'static str, status: &Status) -> LoadError {
    LoadError::Grpc {
        doing,
        detail: format!("{:?}: {}", status.code(), status.message()),
    }
}
