//! Streams and consumers of JetStream, as far as a load needs them.

use std::time::Duration;

use serde_json::{Value, json};

use super::connection::NatsConnection;
use super::error::NatsError;

/// How long a consumer may keep a message before it is sent again; longer than any stall that is worth measuring.
const ACK_WAIT: Duration = Duration::from_secs(300);
/// JetStream's number for a stream that does not exist.
const STREAM_NOT_FOUND: u64 = 10_059;

/// Describes a durable push consumer that takes everything from a stream; every message is acknowledged by itself.
pub(crate) struct ConsumerShape<'a> {
    pub(crate) stream: &'a str,
    pub(crate) name: &'a str,
    /// Where messages are sent.
    pub(crate) deliver_subject: &'a str,
    /// Name of the group that shares the messages; none for a single subscriber.
    pub(crate) deliver_group: Option<&'a str>,
    /// The most messages that are sent and not acknowledged.
    pub(crate) max_ack_pending: u16,
}

/// Creates an empty stream in files that takes one subject and drops what is acknowledged, as a queue does.
///
/// A stream of the same name is removed before.
pub(crate) fn create_stream(
    connection: &mut NatsConnection,
    name: &str,
    subject: &str,
) -> Result<(), NatsError> {
    delete_stream(connection, name)?;
    let question = json!({
        "name": name,
        "subjects": [subject],
        "retention": "workqueue",
        "storage": "file",
        "discard": "old",
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "num_replicas": 1,
    });
    ask(
        connection,
        &format!("$JS.API.STREAM.CREATE.{name}"),
        Some(&question),
    )
    .map(drop)
}

/// Creates a consumer.
pub(crate) fn create_consumer(
    connection: &mut NatsConnection,
    shape: &ConsumerShape<'_>,
) -> Result<(), NatsError> {
    let ConsumerShape { stream, name, .. } = shape;
    let mut config = json!({
        "durable_name": name,
        "name": name,
        "deliver_subject": shape.deliver_subject,
        "deliver_policy": "all",
        "ack_policy": "explicit",
        "ack_wait": u64::try_from(ACK_WAIT.as_nanos()).unwrap_or(u64::MAX),
        "max_ack_pending": shape.max_ack_pending,
        "max_deliver": -1,
        "replay_policy": "instant",
    });
    if let Some(group) = shape.deliver_group {
        config["deliver_group"] = group.into();
    }
    let question = json!({ "stream_name": stream, "config": config });
    let subject = format!("$JS.API.CONSUMER.CREATE.{stream}.{name}");
    ask(connection, &subject, Some(&question)).map(drop)
}

/// Removes a stream with its messages and consumers, if it exists.
pub(crate) fn delete_stream(connection: &mut NatsConnection, name: &str) -> Result<(), NatsError> {
    match ask(connection, &format!("$JS.API.STREAM.DELETE.{name}"), None) {
        Ok(_)
        | Err(NatsError::JetStream {
            code: STREAM_NOT_FOUND,
            ..
        }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Counts the messages in a stream.
pub(crate) fn stream_messages(
    connection: &mut NatsConnection,
    name: &str,
) -> Result<u64, NatsError> {
    let subject = format!("$JS.API.STREAM.INFO.{name}");
    let answer = ask(connection, &subject, None)?;
    answer["state"]["messages"]
        .as_u64()
        .ok_or(NatsError::Answer(subject))
}

/// Asks JetStream and reads its refusals.
fn ask(
    connection: &mut NatsConnection,
    subject: &str,
    question: Option<&Value>,
) -> Result<Value, NatsError> {
    let answer = connection.request(subject, question)?;
    let error = &answer["error"];
    if error.is_null() {
        return Ok(answer);
    }
    Err(NatsError::JetStream {
        request: subject.to_owned(),
        code: error["err_code"].as_u64().unwrap_or(0),
        description: error["description"]
            .as_str()
            .unwrap_or("no reason given")
            .to_owned(),
    })
}
