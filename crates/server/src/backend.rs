//! What the administration socket can do: the engine's listings and changes as the socket's rows.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::Ordering;

use broker::ConnectionId;
use directory::{Change, Role, Subject};
use engine::accounts::GUEST;
use engine::{Alarm, Handle};

use crate::admin::{
    self, Backend, BindingRow, ConnectionRow, ConnectionTarget, ConsumerRow, Counts, ErrorCode,
    ExchangeRow, Invited, PageRequest, Plan, QueueRow, Request, Response, Status,
};
use crate::invitations::{self, Made, NotMade};
use crate::json::json_of_table;
use crate::tls::TlsAcceptor;

/// The operator's end of the engine.
pub(crate) struct Operator {
    engine: Handle,
    tls: Option<TlsAcceptor>,
    listeners: Vec<(String, String)>,
    started_at_ms: u64,
}

impl Backend for Operator {
    fn handle(&self, request: Request) -> Pin<Box<dyn Future<Output = Response>>> {
        let operator = Self {
            engine: self.engine.clone(),
            tls: self.tls.clone(),
            listeners: self.listeners.clone(),
            ..*self
        };
        Box::pin(async move { operator.answer(request).await })
    }
}

impl Operator {
    pub(crate) fn new(
        engine: Handle,
        tls: Option<TlsAcceptor>,
        listeners: Vec<(String, String)>,
    ) -> Self {
        let started_at_ms = engine.now_ms();
        Self {
            engine,
            tls,
            listeners,
            started_at_ms,
        }
    }

    async fn answer(&self, request: Request) -> Response {
        // A password is hashed in the plan, which takes tens of milliseconds: not on a shard's thread.
        let asked = request.clone();
        match engine::aside(move || admin::plan(&asked)).await {
            Ok(Plan::Change(changes)) => admin::answer_commit(self.engine.commit(changes).await),
            Ok(Plan::Read(reading)) => match self.engine.snapshot().await {
                Ok(snapshot) => reading.answer(&snapshot),
                Err(failure) => Response::error(ErrorCode::Failed, failure.to_string()),
            },
            Ok(Plan::Live) => self.live(request).await,
            Err(refused) => refused,
        }
    }

    async fn live(&self, request: Request) -> Response {
        if let Some(name) = listed_vhost(&request)
            && !self.engine.vhosts().iter().any(|vhost| **vhost == *name)
        {
            return Response::not_found(Subject::VirtualHost, name);
        }
        match request {
            Request::QueueList { vhost, page } => self.queues(vhost.as_deref(), &page).await,
            Request::ExchangeList { vhost, page } => self.exchanges(vhost.as_deref(), &page),
            Request::BindingList { vhost, page } => self.bindings(vhost.as_deref(), &page),
            Request::ConnectionList { page } => self.connections(&page),
            Request::ConnectionClose { target, reason } => self.close(target, reason.as_deref()),
            Request::ConsumerList { vhost, page } => self.consumers(vhost.as_deref(), &page).await,
            Request::AlarmSet { alarm } => self.alarm(alarm, true),
            Request::AlarmClear { alarm } => self.alarm(alarm, false),
            Request::Invite {
                uses,
                ttl_ms,
                administrator,
            } => {
                let role = if administrator {
                    Role::Administrator
                } else {
                    Role::Member
                };
                let wish = invitations::Wish { uses, ttl_ms, role };
                self.invite(wish).await
            }
            Request::Reload => match self.tls.as_ref().map(TlsAcceptor::reload) {
                Some(Err(error)) => Response::error(ErrorCode::Failed, error.to_string()),
                Some(Ok(())) | None => Response::Done,
            },
            Request::Status => self.status().await,
            Request::UserAdd { .. }
            | Request::UserList
            | Request::UserPassword { .. }
            | Request::UserTags { .. }
            | Request::UserDelete { .. }
            | Request::VhostAdd { .. }
            | Request::VhostDelete { .. }
            | Request::VhostList
            | Request::PermissionSet { .. }
            | Request::PermissionClear { .. }
            | Request::PermissionList { .. }
            | Request::TopicPermissionSet { .. }
            | Request::TopicPermissionClear { .. }
            | Request::PolicySet { .. }
            | Request::PolicyClear { .. }
            | Request::PolicyList { .. } => Response::error(
                ErrorCode::Invalid,
                "this request is answered from the directory",
            ),
        }
    }

    async fn invite(&self, wish: invitations::Wish) -> Response {
        let mut accounts = self.engine.account_list();
        accounts.retain(|account| account.role == Role::Administrator);
        // Guest is there on most servers, and may be switched off.
        accounts.sort_by_key(|account| (account.login == GUEST, account.created_ms));
        let Some(by) = accounts.first() else {
            let message = "an invitation is an administrator's, and there is none; make one with `chaski user add LOGIN` and `chaski user tags LOGIN administrator`";
            return Response::error(ErrorCode::Refused, message);
        };
        let Made { invitation, code } =
            match invitations::make(wish, &by.login, self.engine.now_ms()) {
                Ok(made) => made,
                Err(NotMade::Flawed(flaw)) => {
                    return Response::error(ErrorCode::Invalid, flaw.detail);
                }
                Err(NotMade::Random(error)) => {
                    let message = format!("no random numbers: {error}");
                    return Response::error(ErrorCode::Unavailable, message);
                }
            };
        let (uses, expires_ms) = (invitation.uses_left, invitation.expires_ms);
        let change = Change::InvitationAdded(invitation);
        let committed = self.engine.commit(vec![change]).await;
        if committed.is_err() {
            return admin::answer_commit(committed);
        }
        let listeners = self.listeners.iter();
        let page = invitations::page_address(
            listeners.filter_map(|(name, address)| Some((&**name, address.parse().ok()?))),
        );
        Response::Invited(Invited {
            link: page.map(|page| invitations::link(&page, wish.role, Some(&code))),
            code,
            uses,
            expires_ms,
        })
    }

    async fn queues(&self, vhost: Option<&str>, page: &PageRequest) -> Response {
        let views = self.engine.queues(vhost).await;
        let (chosen, total) = page.select(&views, |view| &view.name);
        let rows = chosen.into_iter().map(|view| QueueRow {
            vhost: view.vhost.to_string(),
            name: view.name.to_string(),
            kind: view.kind.name().to_owned(),
            durable: view.durable,
            auto_delete: view.auto_delete,
            exclusive: view.exclusive,
            arguments: json_of_table(&view.arguments),
            messages_ready: view.statistics.ready,
            messages_unacked: view.statistics.unacked,
            consumers: u64::from(view.statistics.consumers),
            message_bytes: view.statistics.ready_bytes,
            state: "running".to_owned(),
            policy: view.policy.clone(),
        });
        let rows = rows.collect();
        Response::Queues(page.page(rows, total))
    }

    fn exchanges(&self, vhost: Option<&str>, page: &PageRequest) -> Response {
        let views = self.engine.exchanges(vhost);
        let (chosen, total) = page.select(&views, |view| &view.name);
        let rows = chosen.into_iter().map(|view| ExchangeRow {
            vhost: view.vhost.to_string(),
            name: view.name.to_string(),
            kind: view.kind.name().to_owned(),
            durable: view.durable,
            auto_delete: view.auto_delete,
            internal: view.internal,
            arguments: json_of_table(&view.arguments),
            policy: view.policy.clone(),
        });
        let rows = rows.collect();
        Response::Exchanges(page.page(rows, total))
    }

    fn bindings(&self, vhost: Option<&str>, page: &PageRequest) -> Response {
        let views = self.engine.bindings(vhost);
        let (chosen, total) = page.select(&views, |view| &view.destination);
        let rows = chosen.into_iter().map(|view| BindingRow {
            vhost: view.vhost.to_string(),
            source: view.source.to_string(),
            destination_kind: if view.to_exchange {
                "exchange"
            } else {
                "queue"
            }
            .to_owned(),
            destination: view.destination.to_string(),
            routing_key: view.routing_key.to_string(),
            arguments: json_of_table(&view.arguments),
        });
        let rows = rows.collect();
        Response::Bindings(page.page(rows, total))
    }

    fn connections(&self, page: &PageRequest) -> Response {
        let views = self.engine.connections();
        let (chosen, total) = page.select(&views, |view| &view.info.login);
        let now_ms = self.engine.now_ms();
        let rows = chosen.into_iter().map(|view| ConnectionRow {
            id: view.id.0,
            peer: view.info.peer.clone(),
            listener: view.info.protocol.to_owned(),
            login: Some(view.info.login.to_string()),
            vhost: Some(view.info.vhost.to_string()),
            name: view.info.name.clone(),
            client: view.info.client.clone(),
            channels: channels_of(view),
            age_s: now_ms.saturating_sub(view.info.connected_at_ms) / 1_000,
            state: "running".to_owned(),
        });
        let rows = rows.collect();
        Response::Connections(page.page(rows, total))
    }

    fn close(&self, target: ConnectionTarget, reason: Option<&str>) -> Response {
        let connection = match target {
            ConnectionTarget::All => None,
            ConnectionTarget::Id(id) => Some(ConnectionId(id)),
        };
        let closed = self
            .engine
            .close_connections(connection, reason.unwrap_or("closed by the operator"));
        if closed == 0 && connection.is_some() {
            return Response::error(
                ErrorCode::NotFound,
                "no such connection; `chaski connection list` shows them",
            );
        }
        Response::Closed {
            connections: closed as u64,
        }
    }

    async fn consumers(&self, vhost: Option<&str>, page: &PageRequest) -> Response {
        let views = self.engine.consumers().await;
        let wanted: Vec<_> = views
            .into_iter()
            .filter(|view| vhost.is_none_or(|name| *view.vhost == *name))
            .collect();
        let (chosen, total) = page.select(&wanted, |view| &view.queue);
        let rows = chosen.into_iter().map(|view| ConsumerRow {
            vhost: view.vhost.to_string(),
            queue: view.queue.to_string(),
            tag: view.tag.to_string(),
            connection: view.connection.0,
            channel: view.channel,
            prefetch: u64::from(view.prefetch),
            ack_required: !view.no_ack,
            exclusive: view.exclusive,
            active: view.active,
        });
        let rows = rows.collect();
        Response::Consumers(page.page(rows, total))
    }

    fn alarm(&self, alarm: admin::Alarm, is_raised: bool) -> Response {
        let alarm = match alarm {
            admin::Alarm::Memory => Alarm::OperatorMemory,
            admin::Alarm::Disk => Alarm::OperatorDisk,
        };
        self.engine.set_alarm(alarm, is_raised);
        Response::Done
    }

    async fn status(&self) -> Response {
        let connections = self.engine.connections();
        let queues = self.engine.queues(None).await;
        let sum = |of: fn(&engine::QueueView) -> u64| queues.iter().map(of).sum();
        let alarms = match self.engine.alarms().reason() {
            None => Vec::new(),
            Some("low on memory") => vec![admin::Alarm::Memory],
            Some("low on disk") => vec![admin::Alarm::Disk],
            Some(_) => vec![admin::Alarm::Memory, admin::Alarm::Disk],
        };
        Response::Status(Box::new(Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            uptime_s: self.engine.now_ms().saturating_sub(self.started_at_ms) / 1_000,
            listeners: self.listeners.clone(),
            counts: Counts {
                connections: connections.len() as u64,
                channels: connections.iter().map(channels_of).sum(),
                consumers: sum(|queue| u64::from(queue.statistics.consumers)),
                queues: queues.len() as u64,
                exchanges: self.engine.exchanges(None).len() as u64,
                messages_ready: sum(|queue| queue.statistics.ready),
                messages_unacked: sum(|queue| queue.statistics.unacked),
            },
            alarms,
            memory_bytes: self.engine.alarms().resident_bytes(),
            disk_free_bytes: self.engine.alarms().free_bytes(),
        }))
    }
}

/// The virtual host that a list is asked for, if for one alone.
fn listed_vhost(request: &Request) -> Option<&str> {
    if let Request::QueueList { vhost, .. }
    | Request::ExchangeList { vhost, .. }
    | Request::BindingList { vhost, .. }
    | Request::ConsumerList { vhost, .. } = request
    {
        return vhost.as_deref();
    }
    None
}

fn channels_of(view: &engine::ConnectionView) -> u64 {
    u64::from(view.info.channels.load(Ordering::Relaxed))
}
