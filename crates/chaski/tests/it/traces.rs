//! Traces: what a collector is told of a message on its way, and what is not.

mod collector;

use std::net::TcpListener;

use futures_util::StreamExt as _;
use futures_util::stream::poll_fn;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicRejectOptions,
    ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Connection, ConnectionProperties};
use opentelemetry_proto::tonic::trace::v1::Span;
use rpc::v1;
use rpc::v1::consume_request::Action;
use rpc::v1::consume_response::Event;
use rpc::v1::message_service_client::MessageServiceClient;
use serde_json::{Value, json};

use crate::observe::{Answer, GUEST, SCRAPER, add_scraper, number, send};
use crate::server::{Server, wait_until};
use collector::{Collector, attribute, named};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const BODY: &str = "a-body-that-nobody-else-reads";
/// guest's, as Basic has it.
const CREDENTIALS: &str = "Z3Vlc3Q6Z3Vlc3Q=";
const OUTCOME: &str = "messaging.chaski.outcome";

fn start(endpoint: &str, more: &[&str]) -> Server {
    let endpoint = format!("traces.endpoint={endpoint}");
    let mut arguments = vec!["--http", "127.0.0.1:0", "--set", &endpoint];
    for setting in more {
        arguments.extend(["--set", setting]);
    }
    Server::start(&arguments)
}

fn post(server: &Server, path: &str, headers: &[&str], body: &str) -> Answer {
    let all: Vec<_> = [GUEST, "Content-Type: application/json"]
        .iter()
        .chain(headers)
        .copied()
        .collect();
    send(server, "POST", path, &all, body)
}

fn make_queue(server: &Server, queue: &str) {
    let made = send(server, "PUT", &format!("/v1/queues/{queue}"), &[GUEST], "");
    assert_eq!(made.status, 201, "{}", made.body);
}

fn publish(server: &Server, queue: &str, headers: &[&str]) {
    let path = format!("/v1/queues/{queue}/messages?message_id=m-1");
    let answer = post(server, &path, headers, BODY);
    assert_eq!(answer.status, 201, "{}", answer.body);
}

/// Takes one message.
fn pull(server: &Server, queue: &str) -> Value {
    let path = format!("/v1/queues/{queue}/pull");
    let wish = json!({ "wait_ms": 5_000 }).to_string();
    let answer = post(server, &path, &[], &wish);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut pulled: Value = serde_json::from_str(&answer.body).unwrap();
    pulled["messages"][0].take()
}

fn ack(server: &Server, message: &Value) {
    let path = format!("/v1/leases/{}", message["lease"].as_str().unwrap());
    let answer = send(server, "DELETE", &path, &[GUEST], "");
    assert_eq!(answer.status, 204, "{}", answer.body);
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The one span of a name.
#[track_caller]
fn only(spans: &[Span], name: &str) -> Span {
    let mut found = named(spans, name);
    assert_eq!(found.len(), 1, "{name} in {spans:#?}");
    found.remove(0)
}

#[track_caller]
fn check_nothing_secret(collector: &Collector) {
    let text = collector.text();
    assert!(text.contains("service.name"), "the spans are there");
    for secret in [BODY, CREDENTIALS, "guest:guest", "hunter2"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

#[test]
fn a_trace_follows_a_message_over_rest() {
    let collector = Collector::start();
    let server = start(
        &collector.endpoint(),
        &["traces.sample=0", "traces.headers=x-token=a token"],
    );
    make_queue(&server, "orders");
    let parent = format!("traceparent: 00-{TRACE}-{PARENT}-01");
    publish(&server, "orders", &[&parent, "tracestate: vendor=1"]);
    let message = pull(&server, "orders");
    ack(&server, &message);

    let spans = collector.wait_for("deliver orders", 1);
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE, "{span:#?}");
    }
    assert_eq!(spans.len(), 3, "the pull and the ack are of no trace");
    let request = only(&spans, "POST /v1/queues/{queue}/messages");
    assert_eq!(hex(&request.parent_span_id), PARENT);
    let status = attribute(&request, "http.response.status_code");
    assert_eq!(status.as_deref(), Some("201"));
    let publish = only(&spans, "publish orders");
    assert_eq!(publish.parent_span_id, request.span_id);
    let deliver = only(&spans, "deliver orders");
    assert_eq!(deliver.parent_span_id, publish.span_id);
    assert_eq!(attribute(&publish, OUTCOME).as_deref(), Some("stored"));
    assert_eq!(attribute(&deliver, OUTCOME).as_deref(), Some("acked"));
    for span in [&publish, &deliver] {
        let of = |key| attribute(span, key).unwrap();
        assert_eq!(of("messaging.system"), "chaski");
        assert_eq!(of("messaging.destination.name"), "orders");
        assert_eq!(of("messaging.message.id"), "m-1");
        let size: usize = of("messaging.message.body.size").parse().unwrap();
        assert_eq!(size, BODY.len());
    }
    // Whoever takes the message can go on with its trace.
    let carried = format!("00-{TRACE}-{}-01", hex(&publish.span_id));
    assert_eq!(message["headers"]["traceparent"], carried);
    assert_eq!(message["headers"]["tracestate"], "vendor=1");
    assert_eq!(collector.head().get("x-token").unwrap(), "a token");
    check_nothing_secret(&collector);
}

#[test]
fn a_message_says_itself_which_trace_it_belongs_to() {
    let collector = Collector::start();
    let server = start(&collector.endpoint(), &["traces.sample=1"]);
    make_queue(&server, "q");
    let own = format!("Chaski-Header-Traceparent: 00-{TRACE}-{PARENT}-01");
    publish(&server, "q", &[&own]);
    let message = pull(&server, "q");
    ack(&server, &message);
    let as_sent = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(message["headers"]["traceparent"], as_sent);
    let spans = collector.wait_for("deliver q", 1);
    for name in ["publish q", "deliver q"] {
        assert_eq!(hex(&only(&spans, name).parent_span_id), PARENT, "{name}");
    }
}

#[test]
fn the_server_begins_traces_of_its_own_but_none_that_were_decided_against() {
    let collector = Collector::start();
    let server = start(&collector.endpoint(), &["traces.sample=1"]);
    make_queue(&server, "q");
    let not_sampled = format!("traceparent: 00-{TRACE}-{PARENT}-00");
    publish(&server, "q", &[&not_sampled]);
    assert_eq!(pull(&server, "q")["headers"], json!({}));
    publish(&server, "q", &[]);
    let message = pull(&server, "q");
    let path = format!("/v1/leases/{}/nack", message["lease"].as_str().unwrap());
    assert_eq!(post(&server, &path, &[], "{}").status, 204);
    ack(&server, &pull(&server, "q"));

    let spans = collector.wait_for("deliver q", 2);
    let publish = only(&spans, "publish q");
    assert!(publish.parent_span_id.is_empty(), "it begins its trace");
    assert_ne!(hex(&publish.trace_id), TRACE);
    let delivered = named(&spans, "deliver q");
    let told: Vec<_> = delivered
        .iter()
        .map(|span| {
            assert_eq!(span.parent_span_id, publish.span_id);
            let redelivered = attribute(span, "messaging.chaski.redelivered");
            (attribute(span, OUTCOME).unwrap(), redelivered.unwrap())
        })
        .collect();
    let expected = [("requeued", "false"), ("acked", "true")];
    assert_eq!(told, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    assert_eq!(spans.len(), 3, "{spans:#?}");
}

#[tokio::test]
async fn a_trace_follows_a_message_over_amqp() {
    let collector = Collector::start();
    let server = start(&collector.endpoint(), &["traces.sample=0"]);
    let connection = Connection::connect(&server.url(), ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    let options = QueueDeclareOptions::default();
    let declared = channel.queue_declare("jobs".into(), options, FieldTable::default());
    declared.await.unwrap();
    let confirms = channel.confirm_select(ConfirmSelectOptions::default());
    confirms.await.unwrap();
    let mut headers = FieldTable::default();
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let value = AMQPValue::LongString(parent.into());
    headers.insert("traceparent".into(), value);
    let traced = BasicProperties::default()
        .with_headers(headers)
        .with_message_id("m-1".into());
    for properties in [
        traced.clone(),
        traced.clone(),
        BasicProperties::default(),
        traced,
    ] {
        let options = BasicPublishOptions::default();
        let published = channel.basic_publish(
            "".into(),
            "jobs".into(),
            options,
            BODY.as_bytes(),
            properties,
        );
        assert!(published.await.unwrap().await.unwrap().is_ack());
    }
    let get = BasicGetOptions { no_ack: true };
    let got = channel.basic_get("jobs".into(), get).await.unwrap();
    assert_eq!(got.unwrap().delivery.data, BODY.as_bytes());
    let options = BasicConsumeOptions::default();
    let mut consumer = channel
        .basic_consume("jobs".into(), "c".into(), options, FieldTable::default())
        .await
        .unwrap();
    let first = consumer.next().await.unwrap().unwrap();
    first.acker.ack(BasicAckOptions::default()).await.unwrap();
    let untraced = consumer.next().await.unwrap().unwrap();
    untraced
        .acker
        .ack(BasicAckOptions::default())
        .await
        .unwrap();
    let last = consumer.next().await.unwrap().unwrap();
    let reject = BasicRejectOptions { requeue: false };
    last.acker.reject(reject).await.unwrap();

    let spans = tokio::task::spawn_blocking(move || {
        let spans = collector.wait_for("deliver jobs", 3);
        check_nothing_secret(&collector);
        spans
    });
    let spans = spans.await.unwrap();
    assert_eq!(spans.len(), 6, "{spans:#?}");
    for span in &spans {
        assert_eq!(hex(&span.trace_id), TRACE);
        assert_eq!(hex(&span.parent_span_id), PARENT);
        assert_eq!(attribute(span, "messaging.chaski.door").unwrap(), "amqp");
        assert_eq!(attribute(span, "messaging.message.id").unwrap(), "m-1");
    }
    for published in named(&spans, "publish jobs") {
        assert_eq!(attribute(&published, OUTCOME).unwrap(), "stored");
    }
    let outcomes: Vec<_> = named(&spans, "deliver jobs")
        .iter()
        .map(|span| attribute(span, OUTCOME).unwrap())
        .collect();
    assert_eq!(outcomes, ["automatic", "acked", "rejected"]);
}

#[tokio::test]
async fn a_trace_follows_a_message_over_grpc() {
    let collector = Collector::start();
    let server = start(&collector.endpoint(), &["traces.sample=0"]);
    make_queue(&server, "q");
    let address = format!("http://{}", server.address("http"));
    let mut client = MessageServiceClient::connect(address).await.unwrap();
    let mut request = tonic::Request::new(v1::PublishRequest {
        address: Some(v1::Address {
            target: Some(v1::address::Target::Queue("q".to_owned())),
        }),
        messages: vec![v1::Message {
            body: BODY.into(),
            ..v1::Message::default()
        }],
    });
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let metadata = request.metadata_mut();
    metadata.insert("traceparent", parent.parse().unwrap());
    let credentials = format!("Basic {CREDENTIALS}");
    metadata.insert("authorization", credentials.parse().unwrap());
    client.publish(request).await.unwrap();

    let (actions, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let action = |action| v1::ConsumeRequest {
        action: Some(action),
    };
    let start = v1::ConsumeStart {
        queue: "q".to_owned(),
        ..v1::ConsumeStart::default()
    };
    actions.send(action(Action::Start(start))).unwrap();
    let mut consume = tonic::Request::new(poll_fn(move |context| asked.poll_recv(context)));
    let metadata = consume.metadata_mut();
    metadata.insert("authorization", credentials.parse().unwrap());
    let mut events = client.consume(consume).await.unwrap().into_inner();
    let tag = loop {
        let event = events.message().await.unwrap().unwrap().event.unwrap();
        if let Event::Delivery(delivery) = event {
            break delivery.tag;
        }
    };
    let ack = v1::ConsumeAck { tags: vec![tag] };
    actions.send(action(Action::Ack(ack))).unwrap();
    let spans = tokio::task::spawn_blocking(move || {
        let spans = collector.wait_for("deliver q", 1);
        check_nothing_secret(&collector);
        spans
    });
    let spans = spans.await.unwrap();
    let publish = only(&spans, "publish q");
    let request = only(&spans, "chaski.v1.MessageService/Publish");
    assert_eq!(hex(&request.parent_span_id), PARENT);
    assert_eq!(publish.parent_span_id, request.span_id);
    let deliver = only(&spans, "deliver q");
    assert_eq!(deliver.parent_span_id, publish.span_id);
    assert_eq!(attribute(&deliver, OUTCOME).unwrap(), "acked");
    for span in [&publish, &deliver] {
        assert_eq!(attribute(span, "messaging.chaski.door").unwrap(), "grpc");
    }
}

#[test]
fn without_its_collector_everything_else_works() {
    // Nobody listens there, and nobody else gets the port meanwhile.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", taken.local_addr().unwrap());
    let mut server = start(&endpoint, &["traces.sample=1", "traces.headers=k=hunter2"]);
    add_scraper(&server);
    make_queue(&server, "q");
    for _ in 0..20 {
        publish(&server, "q", &[]);
        ack(&server, &pull(&server, "q"));
    }
    drop(taken);
    wait_until("spans that are lost", || {
        let page = send(&server, "GET", "/metrics", &[SCRAPER], "").body;
        number(&page, "chaski_trace_spans_total{outcome=\"failed\"}") > 0
    });
    assert!(server.terminate().success());
}

#[test]
fn what_waits_is_sent_when_the_server_stops() {
    let collector = Collector::start();
    let mut server = start(&collector.endpoint(), &["traces.sample=1"]);
    make_queue(&server, "q");
    publish(&server, "q", &[]);
    pull(&server, "q");
    assert!(server.terminate().success());
    // At once, and with what the end of the connection did to the message.
    let deliver = only(&collector.spans(), "deliver q");
    assert_eq!(attribute(&deliver, OUTCOME).unwrap(), "requeued");
    only(&collector.spans(), "publish q");
}
