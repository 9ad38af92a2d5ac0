//! Parts of long lists.

use serde::{Deserialize, Serialize};

/// The rows of a page unless the request says otherwise.
pub const PAGE_SIZE_DEFAULT: u32 = 100;

/// The greatest page.
pub const PAGE_SIZE_MAX: u32 = 1000;

/// Which part of a list is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PageRequest {
    /// The page, from 1.
    pub page: u32,
    /// Rows per page, 1 to [`PAGE_SIZE_MAX`].
    pub page_size: u32,
    /// Only rows whose name contains this text.
    pub filter: Option<String>,
}

impl Default for PageRequest {
    fn default() -> Self {
        Self {
            page: 1,
            page_size: PAGE_SIZE_DEFAULT,
            filter: None,
        }
    }
}

impl PageRequest {
    /// Tells whether a row with this name is wanted.
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        self.filter
            .as_deref()
            .is_none_or(|filter| name.contains(filter))
    }

    /// Cuts the page out of the sorted names of all rows, so that the rows of the other pages
    /// need never be built: gives the wanted part and the number of all that pass the filter.
    ///
    /// A page past the end is empty; a page or size of 0 counts as 1.
    pub fn select<'a, T>(
        &self,
        sorted: impl IntoIterator<Item = &'a T>,
        name: impl Fn(&T) -> &str,
    ) -> (Vec<&'a T>, u64) {
        let size = u64::from(self.page_size.clamp(1, PAGE_SIZE_MAX));
        let first = u64::from(self.page.max(1) - 1) * size;
        let mut total = 0;
        let mut selected = Vec::new();
        for row in sorted {
            if !self.wants(name(row)) {
                continue;
            }
            if total >= first && total - first < size {
                selected.push(row);
            }
            total += 1;
        }
        (selected, total)
    }

    /// Puts the rows of this page together with the number of all.
    #[must_use]
    pub fn page<T>(&self, rows: Vec<T>, total: u64) -> Page<T> {
        Page {
            rows,
            total,
            page: self.page.max(1),
            page_size: self.page_size.clamp(1, PAGE_SIZE_MAX),
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows of this page.
    pub rows: Vec<T>,
    /// The rows of all pages.
    pub total: u64,
    /// The page, from 1.
    pub page: u32,
    /// Rows per page.
    pub page_size: u32,
}
