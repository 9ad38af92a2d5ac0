//! One connection without its socket: what the server's task for a connection does between its reads and its writes.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::task::Waker;

use broker::OutboxGauge;
use bytes::Bytes;
use codec::amqp::field::TableRef;
use codec::amqp::frame::PROTOCOL_HEADER;
use codec::amqp::method::{ChannelOpen, ConnectionOpen, ConnectionStartOk, ConnectionTuneOk};
use engine::accounts::Login;
use engine::{Batch, Connection, ConnectionInfo, Shard};
use session::{Action, Session, Settings};

use crate::counting::{Bell, Counter};
use crate::frames::{self, CHANNEL, FRAME_MAX, Inbox};

/// One connection, both ends of it.
pub(crate) struct Peer {
    session: Session,
    connection: Option<Connection>,
    gauge: Arc<OutboxGauge>,
    shard: Rc<Shard>,
    login: Login,
    bell: Arc<Bell>,
    waker: Waker,
    /// The last bytes that were written, and what the client made of all of them.
    written: Vec<u8>,
    pub(crate) inbox: Inbox,
}

impl Peer {
    /// Makes a connection that has sent nothing.
    pub(crate) fn new(shard: Rc<Shard>, settings: Arc<Settings>, login: Login) -> Self {
        let gauge = Arc::new(OutboxGauge::default());
        let (bell, waker) = Bell::new();
        Self {
            session: Session::new(settings, gauge.clone(), shard.now_ms()),
            connection: None,
            gauge,
            shard,
            login,
            bell,
            waker,
            written: Vec::new(),
            inbox: Inbox::default(),
        }
    }

    /// Takes the connection from the protocol header to an open channel.
    pub(crate) fn open(&mut self, counter: Counter) {
        let start = ConnectionStartOk {
            client_properties: TableRef::new(&[]),
            mechanism: "PLAIN",
            response: b"\0guest\0guest",
            locale: "en_US",
        };
        let tune = ConnectionTuneOk {
            channel_max: 2_047,
            frame_max: FRAME_MAX,
            heartbeat: 0,
        };
        let open = ConnectionOpen {
            virtual_host: "/",
            ..ConnectionOpen::default()
        };
        for bytes in [
            PROTOCOL_HEADER.to_vec(),
            frames::method(0, start),
            frames::method(0, tune),
            frames::method(0, open),
            frames::method(CHANNEL, ChannelOpen {}),
        ] {
            self.send(&bytes.into(), counter);
        }
        assert!(self.session.is_open(), "the bench's account may connect");
    }

    /// Handles one batch of input and writes what comes of it.
    ///
    /// # Panics
    /// When the session leaves some of it.
    pub(crate) fn send(&mut self, input: &Bytes, counter: Counter) {
        let used = counter.run(|| self.handle_input(input));
        assert_eq!(used, input.len(), "the session takes whole batches");
        self.write(counter);
    }

    /// Handles what has come from the engine, if anything has, and writes it.
    pub(crate) fn serve(&mut self, counter: Counter) -> bool {
        if !self.bell.take() {
            return false;
        }
        counter.run(|| self.handle_events());
        self.write(counter);
        true
    }

    fn handle_input(&mut self, input: &Bytes) -> usize {
        let now_ms = self.shard.now_ms();
        let used = match &mut self.connection {
            Some(connection) => {
                let mut batch = connection.batch();
                let used = self.session.handle_input(input, now_ms, Some(&mut batch));
                batch.finish();
                connection.run_requests();
                used
            }
            None => self.session.handle_input::<Batch<'_>>(input, now_ms, None),
        };
        while let Some(action) = self.session.poll_action() {
            self.act(&action, now_ms);
        }
        used
    }

    fn act(&mut self, action: &Action, now_ms: u64) {
        match action {
            Action::Authenticate { .. } => {
                let login = session::Login {
                    name: self.login.name.clone(),
                    impersonator: self.login.impersonator,
                };
                self.session.authenticated(Ok(login), now_ms);
            }
            Action::UpdateSecret { .. } => self.session.secret_updated(true, now_ms),
            Action::Open { vhost } => {
                self.connect(vhost);
                self.session.opened(Ok(()), now_ms);
            }
        }
    }

    fn connect(&mut self, vhost: &str) {
        let login = self.login.clone();
        let info = ConnectionInfo {
            login: login.name.clone(),
            vhost: vhost.into(),
            peer: "127.0.0.1:1".to_owned(),
            protocol: "amqp",
            name: None,
            client: None,
            connected_at_ms: self.shard.now_ms(),
            channels: Arc::new(AtomicU32::new(0)),
        };
        let mut connection = self
            .shard
            .connect(login, vhost, info, self.gauge.clone())
            .expect("every data directory has this account and virtual host");
        // The first look for events leaves the waker.
        let events = connection.take_events(Some(&self.waker));
        connection.give_back(events);
        self.connection = Some(connection);
    }

    fn handle_events(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let now_ms = self.shard.now_ms();
        let mut events = connection.take_events(Some(&self.waker));
        let mut batch = connection.batch();
        for event in events.drain(..) {
            self.session.handle_event(event, now_ms, Some(&mut batch));
        }
        self.session.flush_confirms();
        batch.finish();
        connection.run_requests();
        connection.give_back(events);
    }

    /// Takes the output as the socket would, and lets the client read it.
    fn write(&mut self, counter: Counter) {
        // The kernel's copy of the bytes is not counted.
        self.written.clear();
        for chunk in self.session.output().chunks() {
            self.written.extend_from_slice(chunk);
        }
        let (session, connection) = (&mut self.session, &mut self.connection);
        counter.run(|| {
            let count = session.output().len();
            session.output().advance(count);
            let bytes = session.take_gauge_bytes();
            if let Some(connection) = connection {
                connection.written(bytes);
            }
        });
        self.inbox.read(&self.written);
    }
}
