//! Topics: what is published to one goes to every queue, topic and reader whose pattern fits. They are AMQP's exchanges.

use axum::Json;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use broker::access::{Access, Resource};
use broker::topology::BindingView;
use broker::{ExchangeKind, Request, StreamOffset};
use codec::amqp::field::{Table, Value};
use engine::ExchangeView;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Web;
use super::body::{InPath, JsonBody, Params};
use super::caller::{Caller, DEFAULT_VHOST};
use super::events::{Events, last_event_id, prefetch_of, stream_events, stream_start};
use super::message::{Address, Attributes};
use super::page::{Page, PageParams};
use super::problem::Problem;
use super::publish::{BatchPublished, Published, message_of, publish_routed};
use super::samples::OwnRights;
use crate::flaw::check_name;
use crate::json::{json_of_table, map_of_table, table_of_json};

/// What the streams of readers are called, before a name that nobody can guess.
pub(crate) const READER_PREFIX: &str = "reader.";
/// How long a reader's stream waits for it to come back, in milliseconds.
const READER_KEPT_MS: i64 = 600_000;
/// How much a reader's stream keeps, in bytes.
const READER_BYTES_MAX: i64 = 64 << 20;
/// Patterns of one reader.
const PATTERNS_MAX: usize = 64;

/// How a topic finds what its messages go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum TopicKind {
    /// By patterns over the routing key's words: `*` is one, `#` any number.
    #[default]
    Topic,
    /// To all.
    Fanout,
    /// By the routing key itself.
    Direct,
    /// By the message's headers.
    Headers,
    /// One, by the hash of the routing key.
    ConsistentHash,
}

/// A topic to be made.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct TopicWish {
    /// How it finds what its messages go to.
    kind: TopicKind,
    /// It outlives a restart of the server. Default true.
    durable: Option<bool>,
    /// It goes with its last binding.
    auto_delete: bool,
    /// Where messages go that find nothing here.
    alternate: Option<String>,
}

/// A topic.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TopicOut {
    /// Its name.
    name: String,
    /// How it finds what its messages go to.
    kind: TopicKind,
    /// It outlives a restart of the server.
    durable: bool,
    /// It goes with its last binding.
    auto_delete: bool,
    /// Only the broker publishes to it.
    internal: bool,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// What it was declared with, in AMQP's terms.
    #[schema(value_type = Object)]
    arguments: serde_json::Value,
    /// What you may do with it.
    rights: OwnRights,
}

/// Which topics to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct TopicListParams {
    /// Only topics whose name contains this.
    name: Option<String>,
    /// Go on behind the page that gave this cursor.
    cursor: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

/// A binding: what of a topic's messages goes where.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Binding {
    /// The queue that they go to; else give `topic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    queue: Option<String>,
    /// The topic that they go to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    /// The pattern or routing key.
    #[serde(default)]
    pattern: String,
    /// Further conditions, as headers topics have.
    #[serde(default)]
    #[schema(value_type = Object)]
    arguments: serde_json::Map<String, serde_json::Value>,
}

/// All bindings of a topic.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Bindings {
    /// The bindings.
    items: Vec<Binding>,
}

/// How to be sent a topic's messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct ReaderParams {
    /// A pattern over routing keys; may be given several times. Default `#`, everything.
    pattern: Option<String>,
    /// At most so many messages are under way.
    #[param(minimum = 1, maximum = 10_000, default = 1_000)]
    prefetch: Option<u16>,
    /// As the header Last-Event-ID, for readers that cannot set it.
    last_event_id: Option<String>,
}

impl TopicKind {
    const fn exchange(self) -> ExchangeKind {
        match self {
            Self::Topic => ExchangeKind::Topic,
            Self::Fanout => ExchangeKind::Fanout,
            Self::Direct => ExchangeKind::Direct,
            Self::Headers => ExchangeKind::Headers,
            Self::ConsistentHash => ExchangeKind::ConsistentHash,
        }
    }

    const fn of(kind: ExchangeKind) -> Self {
        match kind {
            ExchangeKind::Topic => Self::Topic,
            ExchangeKind::Fanout => Self::Fanout,
            ExchangeKind::Direct => Self::Direct,
            ExchangeKind::Headers => Self::Headers,
            ExchangeKind::ConsistentHash => Self::ConsistentHash,
        }
    }
}

impl TopicOut {
    fn of(web: &Web, access: &Access, view: ExchangeView) -> Self {
        let engine = web.gateway().engine();
        Self {
            rights: OwnRights::of(engine, access, Resource::Exchange, &view.name),
            name: view.name.to_string(),
            kind: TopicKind::of(view.kind),
            durable: view.durable,
            auto_delete: view.auto_delete,
            internal: view.internal,
            owner: view.owner.map(|owner| owner.to_string()),
            arguments: json_of_table(&view.arguments),
        }
    }
}

impl Binding {
    fn of(view: &BindingView) -> Self {
        let destination = Some(view.destination.to_string());
        Self {
            queue: destination.clone().filter(|_| !view.to_exchange),
            topic: destination.filter(|_| view.to_exchange),
            pattern: view.routing_key.to_string(),
            arguments: map_of_table(&view.arguments),
        }
    }

    fn request(self, topic: String, unbind: bool) -> Result<Request, Problem> {
        let (destination, to_exchange) = match (self.queue, self.topic) {
            (Some(queue), None) => (queue, false),
            (None, Some(topic)) => (topic, true),
            (None, None) | (Some(_), Some(_)) => {
                return Err(Problem::invalid(
                    "say where messages go: either queue or topic",
                ));
            }
        };
        if self.pattern.len() > 255 {
            return Err(Problem::invalid("a pattern has at most 255 bytes"));
        }
        Ok(Request::Bind {
            unbind,
            source: topic,
            destination,
            to_exchange,
            routing_key: self.pattern,
            arguments: table_of_json(&self.arguments).map_err(Problem::invalid)?,
        })
    }
}

/// List the topics that you have a right on
#[utoipa::path(get, path = "/v1/topics", tag = "topics", params(TopicListParams),
    responses(
        (status = 200, description = "A page of topics, by name", body = Page<TopicOut>),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    Params(params): Params<TopicListParams>,
) -> Result<Json<Page<TopicOut>>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let page = PageParams::new(params.cursor, params.limit)?;
    let contains = params.name.unwrap_or_default();
    let is_wanted = |name: &str| page.is_behind_cursor(name) && name.contains(&contains);
    let engine = web.gateway().engine();
    let views = engine.exchanges_seen_by(&access, is_wanted, page.limit() + 1);
    Ok(Json(page.cut(
        views,
        |view| view.name.to_string(),
        |view| TopicOut::of(&web, &access, view),
    )))
}

/// Make a topic
///
/// Making one that is there already in the same form changes nothing.
#[utoipa::path(put, path = "/v1/topics/{topic}", tag = "topics",
    params(("topic" = String, Path, description = "The topic")),
    request_body = TopicWish,
    responses(
        (status = 200, description = "It was there", body = TopicOut),
        (status = 201, description = "It is new", body = TopicOut),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn create(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
    JsonBody(wish): JsonBody<TopicWish>,
) -> Result<(StatusCode, Json<TopicOut>), Problem> {
    check_name("topic", &topic)?;
    let access = caller.access(&web, DEFAULT_VHOST)?;
    let was_there = find(&web, &access, &topic).is_ok();
    let mut arguments = Table::default();
    if let Some(alternate) = wish.alternate {
        arguments.insert(
            "alternate-exchange",
            Value::LongString(alternate.into_bytes()),
        );
    }
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    link.request(Request::ExchangeDeclare {
        name: topic.clone(),
        kind: wish.kind.exchange().name().to_owned(),
        passive: false,
        durable: wish.durable.unwrap_or(true),
        auto_delete: wish.auto_delete,
        internal: false,
        arguments,
    })
    .await?;
    let status = if was_there {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    Ok((status, Json(find(&web, &access, &topic)?)))
}

/// Look at a topic
#[utoipa::path(get, path = "/v1/topics/{topic}", tag = "topics",
    params(("topic" = String, Path, description = "The topic")),
    responses(
        (status = 200, description = "The topic", body = TopicOut),
        (status = "4XX", description = "There is none that you have a right on", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn show(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
) -> Result<Json<TopicOut>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    find(&web, &access, &topic).map(Json)
}

/// Delete a topic with its bindings
#[utoipa::path(delete, path = "/v1/topics/{topic}", tag = "topics",
    params(("topic" = String, Path, description = "The topic")),
    responses(
        (status = 204, description = "It is gone"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn delete(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
) -> Result<StatusCode, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    find(&web, &access, &topic)?;
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    link.request(Request::ExchangeDelete {
        name: topic,
        if_unused: false,
    })
    .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Publish one message to a topic
///
/// The body of the request is the body of the message. Answers when every queue that takes it has it safely; none may.
#[utoipa::path(post, path = "/v1/topics/{topic}/messages", tag = "topics",
    params(("topic" = String, Path, description = "The topic"), Attributes),
    request_body(content = Vec<u8>, content_type = "application/octet-stream", description = "The message's body, of any content type"),
    responses(
        (status = 200, description = "What became of it", body = Published),
        (status = "4XX", description = "It was not published", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "It cannot be stored at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn publish(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
    Params(attributes): Params<Attributes>,
    request: HttpRequest,
) -> Result<Json<Published>, Problem> {
    let address = Address {
        exchange: topic,
        routing_key: String::new(),
    };
    let message = message_of(&web, request, attributes, address).await?;
    publish_routed(&web, &caller, message).await.map(Json)
}

/// Publish many messages to a topic
#[utoipa::path(post, path = "/v1/topics/{topic}/messages/batch", tag = "topics",
    params(("topic" = String, Path, description = "The topic")),
    request_body = super::publish::Batch,
    responses(
        (status = 200, description = "What became of each message", body = BatchPublished),
        (status = "4XX", description = "None was published", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "They cannot be stored at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn publish_batch(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
    request: HttpRequest,
) -> Result<Json<BatchPublished>, Problem> {
    let address = Address {
        exchange: topic,
        routing_key: String::new(),
    };
    super::publish::publish_batch(&web, &caller, request, &address).await
}

/// List a topic's bindings
#[utoipa::path(get, path = "/v1/topics/{topic}/bindings", tag = "topics",
    params(("topic" = String, Path, description = "The topic")),
    responses(
        (status = 200, description = "Its bindings to what you have a right on", body = Bindings),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn bindings(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
) -> Result<Json<Bindings>, Problem> {
    let access = caller.access(&web, DEFAULT_VHOST)?;
    find(&web, &access, &topic)?;
    let views = web.gateway().engine().bindings_seen_by(&access, &topic);
    Ok(Json(Bindings {
        items: views.iter().map(Binding::of).collect(),
    }))
}

/// Bind a queue or another topic to a topic
#[utoipa::path(post, path = "/v1/topics/{topic}/bindings", tag = "topics",
    params(("topic" = String, Path, description = "The topic")),
    request_body = Binding,
    responses(
        (status = 204, description = "Bound"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn bind(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
    JsonBody(binding): JsonBody<Binding>,
) -> Result<StatusCode, Problem> {
    change_binding(&web, &caller, binding.request(topic, false)?).await
}

/// Undo a binding
#[utoipa::path(delete, path = "/v1/topics/{topic}/bindings", tag = "topics",
    params(("topic" = String, Path, description = "The topic")),
    request_body = Binding,
    responses(
        (status = 204, description = "There is no such binding any more"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn unbind(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
    JsonBody(binding): JsonBody<Binding>,
) -> Result<StatusCode, Problem> {
    change_binding(&web, &caller, binding.request(topic, true)?).await
}

async fn change_binding(
    web: &Web,
    caller: &Caller,
    request: Request,
) -> Result<StatusCode, Problem> {
    let link = caller.link(web, DEFAULT_VHOST).await?;
    link.request(request).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Be sent a topic's messages as they come
///
/// Makes a stream for the reader that keeps what it has not seen: within ten minutes it comes back with `Last-Event-ID`, as browsers do
/// by themselves, and gets what follows that event, even when the server has started again.
#[utoipa::path(get, path = "/v1/topics/{topic}/events", tag = "topics",
    params(("topic" = String, Path, description = "The topic"), ReaderParams),
    responses(
        (status = 200, description = "Events without end", body = String, content_type = "text/event-stream"),
        (status = "4XX", description = "Refused", body = Problem, content_type = "application/problem+json"),
        (status = "5XX", description = "Not at the moment", body = Problem, content_type = "application/problem+json"),
    ))]
pub(super) async fn events(
    State(web): State<Web>,
    caller: Caller,
    InPath(topic): InPath<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Events, Problem> {
    let wish = ReaderWish::parse(uri.query().unwrap_or_default())?;
    let last = last_event_id(&headers, wish.last_event_id)?;
    let known = last.as_deref().and_then(|id| id.rsplit_once('.'));
    if let Some((stream, offset)) = known.filter(|(stream, _)| stream.starts_with(READER_PREFIX)) {
        let offset = stream_start(Some(offset), None)?;
        let prefix = format!("{stream}.");
        let stream = stream.to_owned();
        return stream_events(&web, &caller, stream, wish.prefetch, offset, prefix).await;
    }
    let stream = format!("{READER_PREFIX}{}", engine::accounts::random_name());
    let link = caller.link(&web, DEFAULT_VHOST).await?;
    link.request(reader_stream(&stream)).await?;
    for pattern in wish.patterns {
        let binding = Binding {
            queue: Some(stream.clone()),
            topic: None,
            pattern,
            arguments: serde_json::Map::new(),
        };
        if let Err(refusal) = link.request(binding.request(topic.clone(), false)?).await {
            let delete = Request::QueueDelete {
                name: stream,
                if_unused: false,
                if_empty: false,
            };
            // Unread, it would go by itself.
            let _ = link.request(delete).await;
            return Err(refusal.into());
        }
    }
    let prefix = format!("{stream}.");
    let first = StreamOffset::First;
    stream_events(&web, &caller, stream, wish.prefetch, first, prefix).await
}

/// What a reader of a topic asks for.
struct ReaderWish {
    patterns: Vec<String>,
    prefetch: u16,
    last_event_id: Option<String>,
}

impl ReaderWish {
    /// Reads the query, in which a pattern may come several times.
    fn parse(query: &str) -> Result<Self, Problem> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query)
            .map_err(|error| Problem::bad_request(format!("the query is not right: {error}")))?;
        let mut wish = Self {
            patterns: Vec::new(),
            prefetch: prefetch_of(None)?,
            last_event_id: None,
        };
        for (name, value) in pairs {
            match name.as_str() {
                "pattern" if wish.patterns.len() >= PATTERNS_MAX => {
                    return Err(Problem::invalid(format!(
                        "a reader has at most {PATTERNS_MAX} patterns"
                    )));
                }
                "pattern" => wish.patterns.push(value),
                "prefetch" => {
                    let number = value.parse();
                    let number =
                        number.map_err(|_| Problem::bad_request("prefetch is from 1 to 10000"))?;
                    wish.prefetch = prefetch_of(Some(number))?;
                }
                "last_event_id" => wish.last_event_id = Some(value),
                _ => {
                    return Err(Problem::bad_request(format!(
                        "there is no parameter '{name}': give pattern, prefetch or last_event_id"
                    )));
                }
            }
        }
        if wish.patterns.is_empty() {
            wish.patterns.push("#".to_owned());
        }
        Ok(wish)
    }
}

/// A stream for one reader; it goes when nobody reads it for a while.
pub(crate) fn reader_stream(name: &str) -> Request {
    let mut arguments = Table::default();
    arguments.insert("x-queue-type", Value::LongString(b"stream".to_vec()));
    arguments.insert("x-expires", READER_KEPT_MS);
    arguments.insert("x-max-length-bytes", READER_BYTES_MAX);
    Request::QueueDeclare {
        name: name.to_owned(),
        passive: false,
        durable: true,
        exclusive: false,
        auto_delete: false,
        arguments,
    }
}

fn find(web: &Web, access: &Access, topic: &str) -> Result<TopicOut, Problem> {
    let engine = web.gateway().engine();
    let found = engine.exchanges_seen_by(access, |name| name == topic, 1);
    let found = found.into_iter().next();
    let shown = found.map(|view| TopicOut::of(web, access, view));
    shown.ok_or_else(|| {
        Problem::not_found(format!(
            "there is no topic '{topic}' that you have a right on"
        ))
    })
}
