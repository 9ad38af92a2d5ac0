//! Lists in pages: each page names the cursor of the next.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use super::problem::Problem;

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

/// Which part of a list is wanted: names behind a cursor, in order.
#[derive(Debug)]
pub(super) struct PageParams {
    behind: String,
    limit: usize,
}

impl PageParams {
    /// Reads the parameters.
    ///
    /// # Errors
    /// A limit out of range, or a cursor that no page gave.
    pub(super) fn new(cursor: Option<String>, limit: Option<u32>) -> Result<Self, Problem> {
        let limit = limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::invalid(format!("limit is from 1 to {LIMIT_MAX}")));
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

    /// Says whether a name comes behind the cursor.
    pub(super) fn is_behind_cursor(&self, name: &str) -> bool {
        self.behind.is_empty() || *name > *self.behind
    }

    /// How many items a page has at most.
    pub(super) const fn limit(&self) -> usize {
        self.limit
    }

    /// Makes a page of items that are in order and behind the cursor; one more than the limit says that there are more.
    pub(super) fn cut<T, U>(
        &self,
        mut items: Vec<T>,
        name: impl Fn(&T) -> String,
        write: impl Fn(T) -> U,
    ) -> Page<U> {
        let has_more = items.len() > self.limit;
        items.truncate(self.limit);
        let last = items.last().filter(|_| has_more).map(name);
        Page {
            next_cursor: last.map(|name| URL_SAFE_NO_PAD.encode(name)),
            items: items.into_iter().map(write).collect(),
        }
    }
}

fn decode(cursor: &str) -> Result<String, Problem> {
    let wrong = || Problem::invalid("the cursor is none that a page gave; begin without one");
    if cursor.len() > CURSOR_BYTES_MAX {
        return Err(wrong());
    }
    let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| wrong())?;
    String::from_utf8(bytes).map_err(|_| wrong())
}
