//! Lists in pages: each page names the cursor of the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::flaw::Flaw;

/// Items of a page when nothing else was asked for.
const LIMIT_DEFAULT: u32 = 100;
/// The most items of a page.
const LIMIT_MAX: u32 = 1_000;
/// The longest cursor.
const CURSOR_BYTES_MAX: usize = 1_024;

/// A part of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    /// The items.
    items: Vec<T>,
    /// Ask with this for those that follow; absent on the last page.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

/// Which names to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct ListParams {
    /// Only those whose name contains this.
    name: Option<String>,
    /// Go on behind the page that gave this cursor.
    cursor: Option<String>,
    /// At most so many, 1 to 1,000.
    #[param(minimum = 1, maximum = 1_000, default = 100)]
    limit: Option<u32>,
}

/// Which part of a list is wanted: names behind a cursor, in order.
#[derive(Debug)]
pub(crate) struct PageParams {
    behind: String,
    limit: usize,
}

impl PageParams {
    /// Reads the parameters.
    ///
    /// # Errors
    /// A limit out of range, or a cursor that no page gave.
    pub(crate) fn new(cursor: Option<String>, limit: Option<u32>) -> Result<Self, Flaw> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            let detail = format!("a page has from 1 to {LIMIT_MAX} items");
            return Err(Flaw::new("limit", detail));
        }
        let behind = match cursor {
            None => String::new(),
            Some(cursor) => decode(&cursor)?,
        };
        Ok(Self {
            behind,
            limit: usize::try_from(limit).unwrap_or(usize::MAX),
        })
    }

    /// The name behind which the page begins; empty at the beginning.
    pub(crate) fn behind(&self) -> &str {
        &self.behind
    }

    /// Says whether a name comes behind the cursor.
    pub(crate) fn is_behind_cursor(&self, name: &str) -> bool {
        self.behind.is_empty() || *name > *self.behind
    }

    /// How many items a page has at most.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Makes a page of items that are in order and behind the cursor; one more than the limit says that there are more.
    pub(super) fn cut<T, U>(
        &self,
        items: Vec<T>,
        name: impl Fn(&T) -> String,
        write: impl Fn(T) -> U,
    ) -> Page<U> {
        let (items, next_cursor) = self.split(items, name);
        Page {
            next_cursor,
            items: items.into_iter().map(write).collect(),
        }
    }

    /// The same as items and the cursor of the next page.
    pub(crate) fn split<T>(
        &self,
        mut items: Vec<T>,
        name: impl Fn(&T) -> String,
    ) -> (Vec<T>, Option<String>) {
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        let last = items.last().filter(|_| has_more).map(name);
        (items, last.map(|name| URL_SAFE_NO_PAD.encode(name)))
    }
}

impl ListParams {
    /// What names are to contain, and the page.
    pub(super) fn page(self) -> Result<(String, PageParams), Flaw> {
        let page = PageParams::new(self.cursor, self.limit)?;
        Ok((self.name.unwrap_or_default(), page))
    }
}

fn decode(cursor: &str) -> Result<String, Flaw> {
    let wrong = || {
        Flaw::new(
            "cursor",
            "the cursor is none that a page gave; begin without one",
        )
    };
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(wrong());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    String::from_utf8(bytes).map_err(|_| wrong())
}
