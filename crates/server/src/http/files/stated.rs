//! The sizes that are stated for a content. Only one of them can be true, and whoever fetches finds out which; until then those are believed
//! of whom one knows something, and then those whom most accounts bear out: peers cost nothing.

use std::cmp::Reverse;
use std::collections::HashSet;

use directory::files::{FileContent, FileViewer};

use super::Sharer;
use crate::files::{FilesError, Standing};
use crate::http::Web;

/// Sizes beside the one that is believed of which somebody is told.
const OTHERS_MAX: usize = 20;

/// A content in each of the sizes that are stated for it, the one that is believed first.
#[derive(Debug)]
pub(super) struct Stated(Vec<FileContent>);

impl Stated {
    /// Looks up who has a content from whom somebody may fetch it. Those who lied to them are left out.
    ///
    /// # Errors
    /// [`FilesError::NotFound`] if nobody is left.
    pub(super) async fn look(
        web: &Web,
        sharer: &Sharer,
        root: [u8; 32],
        viewer: FileViewer,
    ) -> Result<Self, FilesError> {
        let contents = web.files().contents(root, viewer.clone()).await?;
        let (reports, asker) = (web.files().reports()?, sharer.account());
        let now_ms = web.gateway().engine().now_ms();
        let standing = |peer: &str| reports.standing(peer, &asker, root, now_ms);
        let stated = Self::new(contents, &viewer, standing);
        if stated.0.is_empty() {
            return Err(FilesError::NotFound);
        }
        Ok(stated)
    }

    fn new(
        mut contents: Vec<FileContent>,
        viewer: &FileViewer,
        standing: impl Fn(&str) -> Standing,
    ) -> Self {
        for content in &mut contents {
            let holders = &mut content.holders;
            holders.retain(|holder| standing(&holder.peer.draft.id) != Standing::Hidden);
            // Otherwise in the order in which they are.
            holders.sort_by_key(|holder| standing(&holder.peer.draft.id));
        }
        contents.retain(|content| !content.holders.is_empty());
        // Of two that are believed alike, the one that was there first.
        contents.sort_by_cached_key(|content| {
            let holders = content.holders.iter();
            let is_vouched = holders.clone().any(|holder| {
                let host = viewer.guest_of.as_ref();
                holder.peer.is_of(&viewer.login, viewer.account_ms)
                    || host.is_some_and(|host| holder.peer.is_of(&host.name, host.created_ms))
            });
            let usual = holders.filter(|holder| standing(&holder.peer.draft.id) == Standing::Usual);
            let accounts: HashSet<_> = usual
                .map(|holder| {
                    (
                        holder.peer.draft.login.to_ascii_lowercase(),
                        holder.peer.draft.account_ms,
                    )
                })
                .collect();
            Reverse((is_vouched, accounts.len()))
        });
        Self(contents)
    }

    /// The sizes, as far as one is told of them.
    pub(super) fn sizes(&self) -> Vec<u64> {
        let sizes = self.0.iter().map(|content| content.size);
        sizes.take(1 + OTHERS_MAX).collect()
    }

    /// The content in the size that is believed.
    pub(super) fn into_best(self) -> Option<FileContent> {
        self.0.into_iter().next()
    }

    /// The content in some size.
    pub(super) fn into_one_of(self, size: u64) -> Option<FileContent> {
        self.0.into_iter().find(|content| content.size == size)
    }
}

#[cfg(test)]
mod tests;
