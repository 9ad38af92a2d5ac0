//! The threads of HTTP: a runtime of their own beside the shards, so that a slow handler delays no queue.

use std::time::Duration;

use axum::{Extension, Router};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::chat::amqp::{self, Bridge};
use crate::classroom::{self, Classroom};
use crate::config::Config;
use crate::files::Files;
use crate::gateway::{Gateway, Groups};
use crate::http::{self, ChatDoor, HEAD_TIMEOUT, HttpDoor, HttpSettings, PageFile, Web};
use crate::listen::{ConnectionCount, Door};
use crate::management::{self, Facts};
use crate::metrics::Observer;
use crate::registration::Policy;
use crate::serve::ServeError;
use crate::tls::TlsAcceptor;
use crate::webhooks::{HookOptions, Hooks};

/// The doors that speak HTTP.
const NAMES: [&str; 6] = [
    "http",
    "https",
    MANAGEMENT,
    classroom::CHAT,
    classroom::REST,
    classroom::GRPC,
];
/// The door that speaks RabbitMQ's management interface and nothing else.
const MANAGEMENT: &str = "management";
/// Threads of HTTP.
const THREADS: usize = 2;
/// How long requests under way may take when the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(2);

/// The sockets of HTTP, before anything is served.
pub(crate) struct Doors {
    doors: Vec<HttpDoor>,
    page: Vec<PageFile>,
}

/// HTTP while it is served.
pub(crate) struct Running {
    runtime: Runtime,
    stopping: watch::Sender<bool>,
    doors: Vec<JoinHandle<()>>,
    groups: Groups,
    /// The chat over AMQP, whose tasks run beside those of HTTP.
    bridge: Option<Bridge>,
}

impl Doors {
    /// Takes the sockets of the doors that speak HTTP, and what they show browsers.
    pub(crate) fn take(doors: &mut [Door], tls: Option<&TlsAcceptor>, page: Vec<PageFile>) -> Self {
        let of_http = doors.iter_mut().filter(|door| NAMES.contains(&door.name));
        let taken = of_http.filter_map(|door| {
            Some(HttpDoor {
                name: door.name,
                tls: tls.cloned().filter(|_| door.tls),
                patience: classroom::patience(door.name).unwrap_or(HEAD_TIMEOUT),
                socket: door.take_socket()?,
            })
        });
        Self {
            doors: taken.collect(),
            page,
        }
    }

    /// Begins to serve.
    ///
    /// # Errors
    /// The operating system refuses threads, or the names that older clients need are taken.
    pub(crate) fn open(
        self,
        config: &Config,
        gateway: Gateway,
        (chat, files): (ChatDoor, Files),
        observer: Observer,
        count: &ConnectionCount,
        listeners: Vec<(String, String)>,
    ) -> Result<Running, ServeError> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("http")
            .enable_all()
            .build()?;
        let (stopping, stops) = watch::channel(false);
        let mut running = Running {
            runtime,
            stopping,
            doors: Vec::new(),
            groups: gateway.groups().clone(),
            bridge: None,
        };
        running.bridge = Some({
            let _inside = running.runtime.enter();
            amqp::open(&chat.chat, &gateway)
        });
        // What nobody can reach need not be made.
        if self.doors.is_empty() {
            return Ok(running);
        }
        running.runtime.spawn(gateway.clone().sweep());
        running.runtime.spawn(gateway.groups().clone().keep());
        let settings = HttpSettings {
            memory_high_bytes: config.limits.memory_high(),
            disk_free_low_bytes: config.limits.disk_free_low_bytes,
            message_bytes_max: usize::try_from(config.limits.max_message_bytes)
                .unwrap_or(usize::MAX),
            registration: Policy::of(&config.accounts),
        };
        let web = Web::new(
            gateway.clone(),
            chat,
            files,
            settings,
            observer,
            stops.clone(),
        );
        running.runtime.spawn(web.clone().sweep());
        let history = web.history().clone();
        running
            .runtime
            .spawn(history.keep(gateway.engine().clone()));
        let hooks = Hooks::new(
            gateway,
            HookOptions {
                enabled: config.webhooks.enabled,
                allow_private: config.webhooks.allow_private,
            },
            running.runtime.handle().clone(),
        );
        running.runtime.spawn(hooks.clone().run());
        let facts = Facts {
            listeners,
            data: config.data.clone(),
            memory_high_bytes: config.limits.memory_high(),
            disk_free_low_bytes: config.limits.disk_free_low_bytes,
        };
        let management = Router::new().nest("/api", management::router(web.clone(), facts));
        let classroom = config
            .classroom
            .enabled
            .then(|| Classroom::new(web.clone(), config));
        if let Some(classroom) = &classroom {
            running.runtime.block_on(classroom.prepare())?;
            running.runtime.spawn(classroom.clone().sweep());
        }
        let everything = http::router(web, &self.page)
            .layer(Extension(hooks))
            .merge(management.clone());
        for door in self.doors {
            let of_classroom = classroom.as_ref().and_then(|room| room.router(door.name));
            let router = match of_classroom {
                Some(router) => router,
                None if door.name == MANAGEMENT => management.clone(),
                None => everything.clone(),
            };
            let served = http::serve(door, router, count.clone(), stops.clone());
            running.doors.push(running.runtime.spawn(served));
        }
        Ok(running)
    }
}

impl Running {
    /// Lets nobody new in; requests under way come to their end.
    pub(crate) fn stop(&self) {
        if let Some(bridge) = &self.bridge {
            bridge.stop();
        }
        // No receiver is left when no door is open.
        let _ = self.stopping.send(true);
    }

    /// Ends what is still under way.
    pub(crate) fn close(self) {
        self.doors.iter().for_each(JoinHandle::abort);
        if let Some(bridge) = self.bridge {
            self.runtime.block_on(bridge.close());
        }
        let written = async { tokio::time::timeout(LAST_REQUESTS, self.groups.flush()).await };
        // What is not written is delivered again.
        if let Ok(Err(refusal)) = self.runtime.block_on(written) {
            tracing::warn!(%refusal, "groups begin at an earlier place after the next start");
        }
        self.runtime.shutdown_timeout(LAST_REQUESTS);
    }
}
