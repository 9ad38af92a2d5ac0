//! How much one account may have and do: queues, bytes, connections, messages per second.
//!
//! The server's own bounds hold for every account, unless the account has others in the directory. Whoever has none pays a comparison per
//! batch. Whoever publishes more than they may, or owns more bytes than they may, waits: AMQP connections are not read, so that TCP slows
//! them; requests are refused, with the time after which to come again.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use broker::{Name, QueueRef, QueueStatistics, Refusal, RefusalKind};
use directory::Quota;
use tokio::sync::oneshot;

use crate::accounts::Login;
use crate::administration::Handle;
use crate::mailbox::Letter;
use crate::{Shared, SharedRef};

/// Whoever owns too many bytes looks this often whether some are gone, in milliseconds.
const FULL_LOOK_MS: u64 = 1_000;
/// How often bytes are counted, in milliseconds.
const COUNT_INTERVAL_MS: u64 = 1_000;

/// Bounds of every account that has no others; `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AccountLimits {
    /// Queues that it owns.
    pub queues: Option<u64>,
    /// Bytes of the messages that are ready in the queues that it owns.
    pub bytes: Option<u64>,
    /// Connections at one time.
    pub connections: Option<u64>,
    /// Messages that it publishes per second.
    pub publish_rate: Option<u64>,
}

impl AccountLimits {
    /// The bounds of an account that has some of its own.
    #[must_use]
    pub fn under(self, quota: Option<&Quota>) -> Self {
        let Some(quota) = quota else {
            return self;
        };
        Self {
            queues: quota.queues.or(self.queues),
            bytes: quota.bytes.or(self.bytes),
            connections: quota.connections.or(self.connections),
            publish_rate: quota.publish_rate.or(self.publish_rate),
        }
    }

    const fn is_metered(&self) -> bool {
        self.bytes.is_some() || self.publish_rate.is_some()
    }
}

/// What an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// Queues that it owns.
    pub queues: u64,
    /// Bytes of the messages that are ready in them.
    pub bytes: u64,
    /// Connections.
    pub connections: u64,
}

/// Why nothing more may be published for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishWait {
    /// What whoever cannot wait is told.
    pub refusal: Refusal,
    /// When it is worth another try, in milliseconds since 1970.
    pub until_ms: u64,
}

/// What an account publishes, and whether it has room for more; shared by its connections.
///
/// # Concurrency
/// A leaf lock, taken once per batch of an account that has such a bound.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    /// Messages per second; 0 is no bound.
    rate: AtomicU64,
    /// Bytes in its queues; `u64::MAX` is no bound.
    bytes_max: AtomicU64,
    is_full: AtomicBool,
    bucket: Mutex<Bucket>,
}

/// What may be published at once: a second's worth at most. It may be overdrawn by one batch, which is waited for afterwards.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    /// In thousandths of a message.
    left: i64,
    filled_ms: u64,
}

impl Bucket {
    fn fill(&mut self, rate: u64, now_ms: u64) {
        let passed_ms = now_ms.saturating_sub(self.filled_ms).min(1_000_000);
        let rate = i64::try_from(rate).unwrap_or(i64::MAX / 2_000_000);
        let gained = rate.saturating_mul(i64::try_from(passed_ms).unwrap_or(0));
        self.left = self
            .left
            .saturating_add(gained)
            .min(rate.saturating_mul(1_000));
        self.filled_ms = now_ms;
    }

    /// How long until there is something left.
    fn wait_ms(&self, rate: u64) -> u64 {
        let Ok(missing) = u64::try_from(1_i64.saturating_sub(self.left)) else {
            return 0;
        };
        missing.div_ceil(rate.max(1))
    }
}

impl Meter {
    fn set(&self, limits: &AccountLimits) {
        let rate = limits.publish_rate.unwrap_or(0);
        // Nothing at all would be a rate of 0, which stands for no bound.
        let rate = limits.publish_rate.map_or(rate, |rate| rate.max(1));
        self.rate.store(rate, Ordering::Relaxed);
        self.bytes_max
            .store(limits.bytes.unwrap_or(u64::MAX), Ordering::Relaxed);
        if limits.bytes.is_none() {
            self.is_full.store(false, Ordering::Relaxed);
        }
    }

    /// Notes what was published.
    pub(crate) fn note(&self, messages: u64, now_ms: u64) {
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 || messages == 0 {
            return;
        }
        let mut bucket = self.bucket();
        bucket.fill(rate, now_ms);
        let taken = i64::try_from(messages)
            .unwrap_or(i64::MAX)
            .saturating_mul(1_000);
        bucket.left = bucket.left.saturating_sub(taken);
    }

    /// Says until when nothing more may be published, and why.
    pub(crate) fn wait(&self, login: &str, now_ms: u64) -> Option<PublishWait> {
        if self.is_full.load(Ordering::Relaxed) {
            let bytes = self.bytes_max.load(Ordering::Relaxed);
            let detail = format!(
                "the queues of account '{login}' hold more than the {bytes} bytes that its quota allows"
            );
            return Some(PublishWait {
                refusal: Refusal::new(RefusalKind::LimitExceeded, detail),
                until_ms: now_ms + FULL_LOOK_MS,
            });
        }
        let rate = self.rate.load(Ordering::Relaxed);
        if rate == 0 {
            return None;
        }
        let mut bucket = self.bucket();
        bucket.fill(rate, now_ms);
        let wait_ms = bucket.wait_ms(rate);
        drop(bucket);
        (wait_ms > 0).then(|| PublishWait {
            refusal: Refusal::new(
                RefusalKind::LimitExceeded,
                format!("account '{login}' publishes more than the {rate} messages per second that its quota allows"),
            ),
            until_ms: now_ms + wait_ms,
        })
    }

    fn bucket(&self) -> std::sync::MutexGuard<'_, Bucket> {
        self.bucket.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is known of the accounts that have bounds.
///
/// # Concurrency
/// Leaf locks; a connection holds its meter itself.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    pub(crate) defaults: AccountLimits,
    meters: Mutex<HashMap<Name, Arc<Meter>>>,
    /// How many queues an account owns at most: none that is deleted is taken off before the bound seems to be reached.
    owned: Mutex<HashMap<Name, u64>>,
}

impl Quotas {
    pub(crate) fn new(defaults: AccountLimits) -> Self {
        Self {
            defaults,
            ..Self::default()
        }
    }

    fn meters(&self) -> std::sync::MutexGuard<'_, HashMap<Name, Arc<Meter>>> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that an account has one queue more.
    pub(crate) fn owns_another(&self, login: &str) {
        if let Some(count) = self.owned().get_mut(login) {
            *count += 1;
        }
    }

    fn owned(&self) -> std::sync::MutexGuard<'_, HashMap<Name, u64>> {
        self.owned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The bounds of an account.
    pub(crate) fn limits_of(&self, login: &str) -> AccountLimits {
        let quota = self.accounts.quota(login);
        self.quotas.defaults.under(quota.as_ref())
    }

    /// The meter that an account's connections share, if it has bounds that need one.
    pub(crate) fn meter_of(&self, login: &Login) -> Option<Arc<Meter>> {
        if login.key().is_some() || login.is_server() {
            return None;
        }
        let limits = self.limits_of(&login.name);
        let mut meters = self.quotas.meters();
        if !limits.is_metered() {
            if let Some(meter) = meters.remove(&login.name) {
                meter.set(&limits);
            }
            return None;
        }
        let meter = meters.entry(login.name.clone()).or_default();
        meter.set(&limits);
        Some(meter.clone())
    }

    /// Checks that an account may have the connection that was just opened, too.
    ///
    /// # Errors
    /// `NotAllowed`, naming the bound.
    pub(crate) fn check_connections(&self, login: &Login) -> Result<(), Refusal> {
        let Some(most) = self.limits_of(&login.name).connections else {
            return Ok(());
        };
        if login.key().is_some()
            || login.is_server()
            || self.connections.count_of(&login.name) <= most
        {
            return Ok(());
        }
        let detail = format!(
            "account '{}' has {most} connections, as many as its quota allows",
            login.name
        );
        Err(Refusal::new(RefusalKind::NotAllowed, detail))
    }

    /// Checks that an account may own one queue more; called under the topology's lock.
    ///
    /// # Errors
    /// `LimitExceeded`, naming the bound.
    pub(crate) fn check_queues(
        &self,
        topology: &broker::topology::Topology,
        login: &str,
        more: u64,
    ) -> Result<(), Refusal> {
        let Some(most) = self.limits_of(login).queues else {
            return Ok(());
        };
        let mut owned = self.quotas.owned();
        if owned.get(login).is_none_or(|count| count + more > most) {
            let count = owned_by(topology, login).len() as u64;
            owned.insert(login.into(), count);
            if count + more > most {
                let detail =
                    format!("account '{login}' owns {count} queues, as many as its quota allows");
                return Err(Refusal::new(RefusalKind::LimitExceeded, detail));
            }
        }
        Ok(())
    }
}

/// The queues of every account, in all virtual hosts.
fn owned_by_each(topology: &broker::topology::Topology) -> HashMap<Name, Vec<QueueRef>> {
    let mut owned: HashMap<Name, Vec<QueueRef>> = HashMap::new();
    for queue in topology.vhosts().into_iter().flat_map(|host| host.queues()) {
        if let Some(owner) = &queue.owner {
            owned.entry(owner.clone()).or_default().push(queue.place);
        }
    }
    owned
}

/// The queues of an account, in all virtual hosts.
fn owned_by(topology: &broker::topology::Topology, login: &str) -> Vec<QueueRef> {
    let hosts = topology.vhosts().into_iter();
    let queues = hosts.flat_map(|host| host.queues());
    queues
        .filter(|queue| queue.owner.as_deref() == Some(login))
        .map(|queue| queue.place)
        .collect()
}

type Answer = oneshot::Receiver<Vec<Option<QueueStatistics>>>;

/// Counting the bytes of the accounts that have a bound of them: asked in one turn, read in a later one.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    asked: Vec<(Arc<Meter>, Vec<Answer>, u64)>,
    asked_ms: u64,
}

impl Counting {
    /// Reads what came, and asks again when it is time.
    pub(crate) fn turn(&mut self, shared: &SharedRef, now_ms: u64) {
        self.asked.retain_mut(|(meter, answers, bytes)| {
            answers.retain_mut(|answer| match answer.try_recv() {
                Ok(found) => {
                    let ready = found.iter().flatten().map(|queue| queue.ready_bytes);
                    *bytes += ready.sum::<u64>();
                    false
                }
                Err(oneshot::error::TryRecvError::Empty) => true,
                Err(oneshot::error::TryRecvError::Closed) => false,
            });
            if answers.is_empty() {
                let is_full = *bytes >= meter.bytes_max.load(Ordering::Relaxed);
                meter.is_full.store(is_full, Ordering::Relaxed);
            }
            !answers.is_empty()
        });
        if self.asked.is_empty() && now_ms.saturating_sub(self.asked_ms) >= COUNT_INTERVAL_MS {
            self.asked_ms = now_ms;
            self.ask(shared);
        }
    }

    fn ask(&mut self, shared: &SharedRef) {
        let metered: Vec<_> = {
            let mut meters = shared.quotas.meters();
            // Those that no connection has.
            meters.retain(|_, meter| {
                Arc::strong_count(meter) > 1 || meter.is_full.load(Ordering::Relaxed)
            });
            let is_bounded =
                |meter: &Arc<Meter>| meter.bytes_max.load(Ordering::Relaxed) != u64::MAX;
            meters
                .iter()
                .filter(|(_, meter)| is_bounded(meter))
                .map(|(login, meter)| (login.clone(), meter.clone()))
                .collect()
        };
        if metered.is_empty() {
            return;
        }
        let mut owned = owned_by_each(&shared.topology());
        for (login, meter) in metered {
            let places = owned.remove(&login).unwrap_or_default();
            let mut answers = Vec::new();
            for shard in 0..u16::try_from(shared.mailboxes.len()).unwrap_or(u16::MAX) {
                let there = places.iter().copied().filter(|place| place.shard == shard);
                let places: Vec<_> = there.collect();
                if places.is_empty() {
                    continue;
                }
                let (answer, answered) = oneshot::channel();
                shared.post(shard, Letter::Statistics { places, answer });
                answers.push(answered);
            }
            self.asked.push((meter, answers, 0));
        }
    }
}

impl Handle {
    /// What an account has.
    pub async fn usage(&self, login: &str) -> Usage {
        let places = owned_by(&self.shared.topology(), login);
        let found = self.statistics(&places).await;
        let bytes = found.iter().flatten().map(|queue| queue.ready_bytes).sum();
        Usage {
            queues: places.len() as u64,
            bytes,
            connections: self.shared.connections.count_of(login),
        }
    }

    /// The bounds that hold for an account: its own, and the server's where it has none.
    #[must_use]
    pub fn limits(&self, login: &str) -> AccountLimits {
        self.shared.limits_of(login)
    }
}

#[cfg(test)]
mod tests;
