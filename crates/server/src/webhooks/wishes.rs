//! What can be asked of webhooks: made, shown, changed, deleted, tried out, each by whoever may.

use std::time::Duration;

use broker::access::{Access, Right};
use broker::arguments::QueueKind;
use directory::Webhook;
use tokio::time::Instant;

use super::client::Kept;
use super::letter::Letter;
use super::settings::{self, Settings, Target, Wish};
use super::signature::{SECRET_PREFIX, Signer};
use super::status::Progress;
use super::{Entry, HookError, Hooks, Owner};

/// Webhooks of the whole server.
const HOOKS_MAX: usize = 10_000;
/// Webhooks of one account.
const PER_OWNER_MAX: usize = 100;
/// Webhooks of one queue.
const PER_QUEUE_MAX: usize = 16;
/// How long the name of a new webhook's host may take to be judged.
const CHECK_PATIENCE: Duration = Duration::from_secs(3);

/// What is said while the operator wants none.
const SWITCHED_OFF: &str =
    "webhooks are switched off here; the operator switches them on with `webhooks.enabled`";

/// A webhook as it is shown.
#[derive(Debug, Clone)]
pub(crate) struct HookView {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) queue: String,
    /// Whole for its owner; without its path for others.
    pub(crate) url: String,
    pub(crate) is_paused: bool,
    pub(crate) created_ms: u64,
    pub(crate) settings: Settings,
    pub(crate) progress: Progress,
}

/// What came of trying a webhook out.
#[derive(Debug, Clone)]
pub(crate) struct Tried {
    /// The status that the receiver answered.
    pub(crate) status: Option<u16>,
    /// What went wrong.
    pub(crate) error: Option<String>,
    /// How long it took, in milliseconds.
    pub(crate) took_ms: u64,
}

/// What somebody may do with a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Everything.
    Owner,
    /// See that it is there, and delete it.
    Keeper,
}

impl Hooks {
    /// The webhooks of a queue that somebody may see.
    pub(crate) async fn list(
        &self,
        access: &Access,
        queue: &str,
    ) -> Result<Vec<HookView>, HookError> {
        let place = self.gateway().engine().queue_place(&access.vhost, queue);
        let is_wanted = |entry: &Entry| Some(entry.place) == place;
        self.list_wanted(access, is_wanted).await
    }

    /// The webhooks of all queues that somebody may see.
    pub(crate) async fn list_all(&self, access: &Access) -> Result<Vec<HookView>, HookError> {
        self.list_wanted(access, |_| true).await
    }

    async fn list_wanted(
        &self,
        access: &Access,
        is_wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<HookView>, HookError> {
        self.load().await?;
        let wanted: Vec<_> = {
            let table = self.table();
            let all = table.values();
            all.filter(|entry| is_wanted(entry)).cloned().collect()
        };
        let alive = wanted.iter().filter_map(|entry| self.alive(entry));
        Ok(alive
            .filter_map(|entry| Some(self.view(&entry, self.standing(access, &entry)?)))
            .collect())
    }

    /// Finds a webhook that somebody may see.
    pub(crate) async fn show(&self, access: &Access, id: &str) -> Result<HookView, HookError> {
        let (entry, standing) = self.find(access, id).await?;
        Ok(self.view(&entry, standing))
    }

    /// Makes a webhook; returns it with its secret, which is shown this once.
    pub(crate) async fn create(
        &self,
        access: &Access,
        queue: &str,
        wish: &Wish,
    ) -> Result<(HookView, String), HookError> {
        self.load().await?;
        self.check_readable(access, queue).await?;
        let owner = self.owner_of(access)?;
        let url = wish.url.clone().unwrap_or_default();
        self.check_url(&url).await?;
        let secret = secret_of(wish)?.map_or_else(new_secret, Ok)?;
        let settings = Settings::default().with(wish)?;
        let row = Webhook {
            id: format!("wh_{}", engine::accounts::random_name()),
            owner: owner.login.clone(),
            vhost: access.vhost.to_string(),
            queue: queue.to_owned(),
            url,
            secret: secret.clone(),
            settings: settings.to_text(),
            is_paused: wish.paused.unwrap_or_default(),
            created_ms: self.now_ms(),
        };
        let changing = self.begin_change().await;
        self.check_counts(&row)?;
        let entry = self.set(row, changing).await?;
        Ok((self.view(&entry, Standing::Owner), secret))
    }

    /// Changes a webhook; returns it, with its secret if that is a new one. What was under way is sent again.
    pub(crate) async fn update(
        &self,
        access: &Access,
        id: &str,
        wish: &Wish,
    ) -> Result<(HookView, Option<String>), HookError> {
        if let Some(url) = &wish.url {
            self.check_url(url).await?;
        }
        let secret = match secret_of(wish)? {
            None if wish.wants_new_secret => Some(new_secret()?),
            chosen => chosen,
        };
        let changing = self.begin_change().await;
        let entry = self.find_owned(access, id).await?;
        let settings = entry.settings.with(wish)?;
        let mut row = entry.row.clone();
        row.settings = settings.to_text();
        row.is_paused = wish.paused.unwrap_or(row.is_paused);
        if let Some(url) = &wish.url {
            row.url.clone_from(url);
        }
        if let Some(secret) = &secret {
            row.secret.clone_from(secret);
        }
        let entry = self.set(row, changing).await?;
        Ok((self.view(&entry, Standing::Owner), secret))
    }

    /// Deletes a webhook. What was under way goes back to the queue.
    pub(crate) async fn delete(&self, access: &Access, id: &str) -> Result<(), HookError> {
        let changing = self.begin_change().await;
        self.find(access, id).await?;
        self.remove(id.to_owned(), changing).await
    }

    /// Sends a request that carries no message.
    pub(crate) async fn try_out(&self, access: &Access, id: &str) -> Result<Tried, HookError> {
        let entry = self.find_owned(access, id).await?;
        self.check_enabled()?;
        let target = Target::parse(&entry.row.url)?;
        self.bounds()
            .try_out(&entry.row.id, Instant::now())
            .map_err(|wait| {
                let seconds = wait.as_secs() + 1;
                HookError::TooMany(format!(
                    "the webhook was tried out too often; try again in {seconds} s"
                ))
            })?;
        let gates = self.gates_of(&entry.row, &target);
        let _place = gates.try_enter().ok_or_else(|| {
            HookError::TooMany("too many requests are under way; try again".to_owned())
        })?;
        let test_id = format!("test-{}", engine::accounts::random_name());
        let mut letter = Letter::test(&entry.row.id, &entry.row.queue, test_id);
        let signer = Signer::new(&entry.row.secret);
        let signature = letter.signature(&signer, self.now_ms() / 1_000);
        letter.address(&signature, 1);
        let begun = Instant::now();
        let time = Duration::from_millis(entry.settings.timeout_ms);
        let kept = Kept::default();
        let answer = self.client().post(&kept, &target, &letter, time).await;
        Ok(Tried {
            status: answer.ok().map(|answer| answer.status.as_u16()),
            error: answer.err().map(|fault| fault.to_string()),
            took_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        })
    }

    /// Checks that there is a queue which somebody may read, and which a webhook can read.
    async fn check_readable(&self, access: &Access, queue: &str) -> Result<(), HookError> {
        let engine = self.gateway().engine();
        if !engine.may_on_queue(access, Right::Read, queue) {
            let refusal = format!("you may not read a queue '{queue}'");
            return Err(HookError::Forbidden(refusal));
        }
        let found = engine
            .queues_seen_by(access, |one| *one.name == *queue, 1)
            .await;
        match found.first() {
            Some(found) if found.kind == QueueKind::Stream => Err(HookError::Invalid(
                "a webhook reads queues: bind one to what fills the stream".to_owned(),
            )),
            Some(_) => Ok(()),
            None => Err(HookError::NotFound),
        }
    }

    fn owner_of(&self, access: &Access) -> Result<Owner, HookError> {
        let acting = self.gateway().engine().act_as(&access.login);
        // A queue's key opens the queue for whoever has it; there is nobody to act for.
        let acting = acting.filter(|_| access.key.is_none()).ok_or_else(|| {
            HookError::Forbidden("a webhook belongs to an account; log in with one".to_owned())
        })?;
        Ok(Owner {
            login: access.login.to_string(),
            since_ms: acting.since_ms,
        })
    }

    fn view(&self, entry: &Entry, standing: Standing) -> HookView {
        let mut view = entry.view(standing);
        if !self.0.options.enabled {
            view.is_paused = true;
            view.settings.paused_because = Some(SWITCHED_OFF.to_owned());
        }
        view
    }

    fn standing(&self, access: &Access, entry: &Entry) -> Option<Standing> {
        if *entry.row.vhost != *access.vhost {
            return None;
        }
        if access.key.is_none() && entry.row.owner == *access.login {
            return Some(Standing::Owner);
        }
        let engine = self.gateway().engine();
        engine
            .may_on_queue(access, Right::Configure, &entry.row.queue)
            .then_some(Standing::Keeper)
    }

    async fn find(&self, access: &Access, id: &str) -> Result<(Entry, Standing), HookError> {
        self.load().await?;
        let found = self.table().get(id).cloned();
        let alive = found.and_then(|entry| self.alive(&entry));
        let entry = alive.ok_or(HookError::NotFound)?;
        let standing = self.standing(access, &entry).ok_or(HookError::NotFound)?;
        Ok((entry, standing))
    }

    async fn find_owned(&self, access: &Access, id: &str) -> Result<Entry, HookError> {
        match self.find(access, id).await? {
            (entry, Standing::Owner) => Ok(entry),
            (_, Standing::Keeper) => Err(HookError::Forbidden(
                "the webhook is another account's; you may delete it".to_owned(),
            )),
        }
    }

    fn check_enabled(&self) -> Result<(), HookError> {
        if self.0.options.enabled {
            return Ok(());
        }
        Err(HookError::Conflict(SWITCHED_OFF.to_owned()))
    }

    async fn check_url(&self, url: &str) -> Result<(), HookError> {
        self.check_enabled()?;
        let target = Target::parse(url)?;
        let checked = self.client().check(&target, CHECK_PATIENCE).await;
        checked.map_err(|fault| HookError::Invalid(format!("url: {fault}")))
    }

    fn check_counts(&self, row: &Webhook) -> Result<(), HookError> {
        let table = self.table();
        let count = |is_counted: &dyn Fn(&Webhook) -> bool| {
            table
                .values()
                .filter(|entry| is_counted(&entry.row))
                .count()
        };
        let of_queue = |other: &Webhook| other.vhost == row.vhost && other.queue == row.queue;
        let bounds = [
            (table.len(), HOOKS_MAX, "server"),
            (
                count(&|other| other.owner == row.owner),
                PER_OWNER_MAX,
                "account",
            ),
            (count(&of_queue), PER_QUEUE_MAX, "queue"),
        ];
        match bounds.iter().find(|(has, most, _)| has >= most) {
            None => Ok(()),
            Some((_, most, whose)) => Err(HookError::TooMany(format!(
                "the {whose} has {most} webhooks, which is the most"
            ))),
        }
    }
}

impl Entry {
    fn view(&self, standing: Standing) -> HookView {
        let row = &self.row;
        HookView {
            id: row.id.clone(),
            owner: row.owner.clone(),
            queue: row.queue.clone(),
            url: match standing {
                Standing::Owner => row.url.clone(),
                Standing::Keeper => {
                    Target::parse(&row.url).map_or_else(|_| String::new(), |target| target.origin())
                }
            },
            is_paused: row.is_paused,
            created_ms: row.created_ms,
            settings: self.settings.clone(),
            progress: self.status.progress(),
        }
    }
}

fn secret_of(wish: &Wish) -> Result<Option<String>, HookError> {
    if let Some(secret) = &wish.secret {
        settings::check_secret(secret)?;
    }
    Ok(wish.secret.clone())
}

fn new_secret() -> Result<String, HookError> {
    directory::token::generate(SECRET_PREFIX)
        .map_err(|_| HookError::Unavailable("a secret cannot be made".to_owned()))
}
