//! Users and queues with keys, by JSON over HTTP. See `docs/classroom/middleware.md`.

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, post, put};
use serde_json::Value;

use super::json::{Answer, Call};
use super::queues::{Opened, Work};
use super::users::{NoUser, origin};
use super::{Classroom, REST, read};

/// What a handler gives: an answer either way.
type Answered = Result<Answer, Answer>;

/// These calls.
pub(super) fn routes() -> Router<Classroom> {
    Router::new()
        .route("/create-user", post(create_user))
        .route("/create-queue", post(create_queue))
        .route("/update-queue", put(update_queue))
        .route("/delete-queue", delete(delete_queue))
        .route("/get-queues", read(list_queues))
        .route("/add-message", post(add_message))
        .route("/get-messages-user", read(take_messages))
}

async fn create_user(State(room): State<Classroom>, call: Call) -> Answered {
    let name = call.text("username")?;
    if name.contains('.') && matches!(room.users().find(&name), Err(NoUser::Unknown)) {
        return Err(Answer::refused(
            StatusCode::BAD_REQUEST,
            "A user's name has no '.' here: a dot parts it from the name of a queue",
        ));
    }
    let (_, is_new) = room.users().make(&name, &origin(REST, call.peer)).await?;
    if is_new {
        return Ok(Answer::done("User created"));
    }
    Err(Answer::refused(StatusCode::CONFLICT, "User already exists"))
}

async fn create_queue(State(room): State<Classroom>, call: Call) -> Answered {
    let user = call.text("username")?;
    let queue = call.text("queue_name")?;
    let key = call.text("api_key")?;
    let from = origin(REST, call.peer);
    room.queues().create(&user, &queue, &key, &from).await?;
    Ok(Answer::done("Queue created"))
}

async fn update_queue(State(room): State<Classroom>, call: Call) -> Answered {
    let opened = open(&room, &call).await?;
    let name = call.optional("new_queue_name")?;
    let key = call.optional("new_api_key")?;
    if name.is_none() && key.is_none() {
        return Err(Answer::refused(
            StatusCode::BAD_REQUEST,
            "Missing new_queue_name or new_api_key parameter",
        ));
    }
    let from = origin(REST, call.peer);
    let queues = room.queues();
    queues
        .update(opened, name.as_deref(), key.as_deref(), &from)
        .await?;
    Ok(Answer::done("Queue updated"))
}

async fn delete_queue(State(room): State<Classroom>, call: Call) -> Answered {
    let opened = open(&room, &call).await?;
    room.queues()
        .delete(opened, &origin(REST, call.peer))
        .await?;
    Ok(Answer::done("Queue deleted"))
}

async fn list_queues(State(room): State<Classroom>, call: Call) -> Answered {
    let names = room.queues().list(&call.text("username")?).await?;
    Ok(Answer::Data(Value::from(names)))
}

async fn add_message(State(room): State<Classroom>, call: Call) -> Answered {
    let work = Work {
        username: call.text("username")?,
        queue_name: call.text("queue_name")?,
        api_key: call.text("api_key")?,
        service: call.text("service")?,
    };
    let opened = open(&room, &call).await?;
    room.queues()
        .ask(&opened, work, &origin(REST, call.peer))
        .await?;
    Ok(Answer::done("Message added"))
}

async fn take_messages(State(room): State<Classroom>, call: Call) -> Answered {
    let opened = open(&room, &call).await?;
    let texts = room.queues().take(opened, &origin(REST, call.peer)).await?;
    Ok(Answer::Data(Value::from(texts)))
}

/// Opens the queue that a call names by the key that it shows.
async fn open(room: &Classroom, call: &Call) -> Result<Opened, Answer> {
    let user = call.text("username")?;
    let queue = call.text("queue_name")?;
    let key = call.text("api_key")?;
    room.queues().open(&user, &queue, &key).await
}
