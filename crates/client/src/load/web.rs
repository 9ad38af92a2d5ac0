//! The load on the HTTP port of a Chaski server: REST, server-sent events and gRPC.
//!
//! In place of wires there are clients from libraries, and a task for each connection. The tasks of one thread share its books, so
//! nothing is locked. They must cost less than the server that answers them: what a request holds is laid out once, and events are
//! scanned where they lie.

mod batch;
mod crew;
mod events;
mod grpc;
mod http;

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet};

use super::context::{Books, Context};
use super::error::LoadError;
use super::options::{Door, Routing, Target};
use super::roles::{Cast, share_of};
use super::shared::Command;
use super::worker::StageSetup;

use crew::Crew;

/// How soon a thread notices what the controlling thread says, and says itself how far it is.
const LOOK: Duration = Duration::from_millis(2);

/// Runs the connections of thread `number` until told to stop.
///
/// # Errors
///
/// Fails when a connection cannot be opened or is lost, or the server refuses something.
pub(crate) fn run(
    setup: Arc<StageSetup>,
    context: Context,
    number: usize,
    cast: Cast,
) -> Result<Books, LoadError> {
    let Target::Web(target) = setup.options.target.clone() else {
        return Ok(context.into_books());
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(LoadError::system("starting a runtime"))?;
    let tasks = LocalSet::new();
    let crew = Rc::new(Crew::new(setup, context, target));
    let result = tasks.block_on(&runtime, conduct(crew.clone(), number, cast));
    // With the tasks go the connections.
    drop(tasks);
    result?;
    let crew = Rc::into_inner(crew).ok_or(LoadError::Thread)?;
    Ok(crew.into_books())
}

/// Starts a task for each connection and watches over them.
async fn conduct(crew: Rc<Crew>, number: usize, cast: Cast) -> Result<(), LoadError> {
    let mut tasks = JoinSet::new();
    start_consumers(&crew, number, cast, &mut tasks);
    start_producers(&crew, number, cast, &mut tasks);
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => if crew.look() == Command::Stop {
                return Ok(());
            },
            Some(ended) = tasks.join_next() => ended.map_err(|_| LoadError::Thread)??,
        }
    }
}

fn start_consumers(
    crew: &Rc<Crew>,
    number: usize,
    cast: Cast,
    tasks: &mut JoinSet<Result<(), LoadError>>,
) {
    let plan = &crew.setup.plan;
    let consumers = if cast.consumers { plan.consumers } else { 0 };
    for id in (0..consumers).filter(|&id| plan.consumer_thread(id) == number) {
        let queue = plan.queues_of(id).next().unwrap_or_default();
        let local = crew.follow(queue);
        let (crew, routing) = (crew.clone(), crew.setup.options.routing);
        match (crew.target.door, routing) {
            (Door::Http { .. }, _) => tasks.spawn_local(http::read(crew, local)),
            (Door::Grpc { .. }, Routing::Fanout) => tasks.spawn_local(grpc::subscribe(crew, local)),
            (Door::Grpc { .. }, Routing::Queue | Routing::Direct | Routing::Topic) => {
                tasks.spawn_local(grpc::consume(crew, queue, local))
            }
        };
    }
}

fn start_producers(
    crew: &Rc<Crew>,
    number: usize,
    cast: Cast,
    tasks: &mut JoinSet<Result<(), LoadError>>,
) {
    let plan = &crew.setup.plan;
    let producers = if cast.producers { plan.producers } else { 0 };
    for id in (0..producers).filter(|&id| plan.producer_thread(id) == number) {
        let messages = share_of(cast.messages, id, plan.producers);
        let crew = crew.clone();
        match crew.target.door {
            Door::Http { .. } => tasks.spawn_local(http::publish(crew, id, messages)),
            Door::Grpc { unary: true } => tasks.spawn_local(grpc::call(crew, id, messages)),
            Door::Grpc { unary: false } => tasks.spawn_local(grpc::stream(crew, id, messages)),
        };
    }
}
