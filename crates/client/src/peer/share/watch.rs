//! Is told by the system what happens in the shared folders.

use std::path::PathBuf;
use std::sync::mpsc::SyncSender;

use notify::event::{AccessKind, AccessMode};
use notify::{Config, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::owner::Message;

/// Watches folders with all that is in them, until it is dropped.
///
/// # Errors
/// The system cannot watch so many.
pub(super) fn watch<'a>(
    folders: impl IntoIterator<Item = &'a PathBuf>,
    owner: SyncSender<Message>,
) -> notify::Result<RecommendedWatcher> {
    let take = move |event: notify::Result<Event>| {
        for message in messages(event) {
            // While the owner has too much to do the system keeps what comes, and tells where that is too much.
            // It fails only when the owner has ended.
            if owner.send(message).is_err() {
                return;
            }
        }
    };
    let config = Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(take, config)?;
    for folder in folders {
        watcher.watch(folder, RecursiveMode::Recursive)?;
    }
    Ok(watcher)
}

fn messages(event: notify::Result<Event>) -> Vec<Message> {
    let event = match event {
        Ok(event) => event,
        // A folder that could not be watched, for one: what happens in it is seen when everything is looked at.
        Err(error) => return vec![Message::WatchFailed(error.to_string())],
    };
    if event.need_rescan() {
        return vec![Message::Missed];
    }
    let is_seen = match event.kind {
        // Reading touches nothing, and hashing reads everything.
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    };
    if is_seen {
        event.paths.into_iter().map(Message::Touched).collect()
    } else {
        Vec::new()
    }
}
