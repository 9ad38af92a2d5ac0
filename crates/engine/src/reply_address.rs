//! Addresses for direct replies: a request's answer goes straight to the channel that asked, past any queue.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use broker::{ConnectionId, ConsumerNumber, OutboxGauge};

/// What every reply address begins with; alone it stands for the channel's own.
pub(crate) const PREFIX: &str = "amq.rabbitmq.reply-to";

/// Where a reply goes.
#[derive(Debug, Clone)]
pub(crate) struct Recipient {
    pub(crate) connection: ConnectionId,
    pub(crate) channel: u16,
    pub(crate) consumer: ConsumerNumber,
    pub(crate) gauge: Arc<OutboxGauge>,
}

/// The reply addresses that are open, by their secret names.
///
/// # Concurrency
/// One short lock per request and reply; it is a leaf: nothing else is locked under it.
#[derive(Debug, Default)]
pub(crate) struct ReplyAddresses {
    open: Mutex<HashMap<String, Recipient>>,
}

impl ReplyAddresses {
    /// Opens an address whose name cannot be guessed.
    pub(crate) fn open(&self, recipient: Recipient) -> String {
        let name = format!("{PREFIX}.{}", crate::accounts::random_name());
        self.lock().insert(name.clone(), recipient);
        name
    }

    pub(crate) fn close(&self, name: &str) {
        self.lock().remove(name);
    }

    pub(crate) fn find(&self, name: &str) -> Option<Recipient> {
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Recipient>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
