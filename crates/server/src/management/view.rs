//! Which part of a list is wanted: pages, names, order, columns.

use std::cmp::Ordering;

use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use axum::{Json, RequestPartsExt};
use broker::access::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::failure::Failure;

/// Rows of a page when nothing else was asked for.
const PAGE_SIZE_DEFAULT: usize = 100;
/// The most rows of a page.
const PAGE_SIZE_MAX: usize = 500;
/// The longest filter of names, in bytes.
const NAME_BYTES_MAX: usize = 1_024;

/// The parameters as they are written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Params {
    page: Option<String>,
    page_size: Option<String>,
    name: Option<String>,
    use_regex: Option<String>,
    sort: Option<String>,
    sort_reverse: Option<String>,
    columns: Option<String>,
}

/// What of a list or an object is to be shown.
#[derive(Debug, Default)]
pub(super) struct View {
    page: Option<Page>,
    sort: Option<String>,
    is_reversed: bool,
    columns: Option<Vec<String>>,
}

#[derive(Debug)]
struct Page {
    number: usize,
    size: usize,
    filter: Option<Filter>,
}

#[derive(Debug)]
enum Filter {
    /// The name contains this, in any case of letters.
    Contains(String),
    Matches(Pattern),
}

/// A page with RabbitMQ's words around it.
#[derive(Debug, Serialize)]
struct Paged {
    filtered_count: usize,
    item_count: usize,
    items: Vec<Value>,
    page: usize,
    page_count: usize,
    page_size: usize,
    total_count: usize,
}

impl<S: Send + Sync> FromRequestParts<S> for View {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Failure> {
        let read: Result<Query<Params>, _> = parts.extract().await;
        let Query(params) = read.map_err(|error| Failure::bad_request(error.body_text()))?;
        Self::new(params)
    }
}

impl View {
    fn new(params: Params) -> Result<Self, Failure> {
        let is_true = |text: Option<String>| text.is_some_and(|text| text == "true");
        let columns = params
            .columns
            .map(|columns| columns.split(',').map(str::to_owned).collect());
        let filter = params.name.filter(|name| !name.is_empty());
        let filter = filter
            .map(|name| Filter::new(name, is_true(params.use_regex)))
            .transpose()?;
        Ok(Self {
            page: Page::new(params.page.as_deref(), params.page_size.as_deref(), filter)?,
            sort: params.sort,
            is_reversed: is_true(params.sort_reverse),
            columns,
        })
    }

    /// Answers with one object.
    pub(super) fn one(&self, row: impl Serialize) -> Result<Response, Failure> {
        let mut value = to_value(row)?;
        self.cut_columns(&mut value);
        Ok(Json(value).into_response())
    }

    /// Answers with a whole list.
    pub(super) fn all<T: Serialize>(
        &self,
        rows: impl IntoIterator<Item = T>,
    ) -> Result<Response, Failure> {
        let mut values = self.sorted(rows)?;
        values.iter_mut().for_each(|value| self.cut_columns(value));
        Ok(Json(values).into_response())
    }

    /// Answers with a list, or a page of it if one is asked for.
    pub(super) fn list<T: Serialize>(
        &self,
        rows: impl IntoIterator<Item = T>,
    ) -> Result<Response, Failure> {
        let Some(page) = &self.page else {
            return self.all(rows);
        };
        let mut values = self.sorted(rows)?;
        let total_count = values.len();
        values.retain(|value| page.wants(value));
        let filtered_count = values.len();
        let first = (page.number - 1).saturating_mul(page.size);
        if first >= filtered_count && page.number > 1 {
            let reason = format!(
                "Page out of range, page: {} page size: {}, len: {filtered_count}",
                page.number, page.size
            );
            return Err(Failure::no_page("page_out_of_range", reason));
        }
        let mut items: Vec<_> = values.into_iter().skip(first).take(page.size).collect();
        items.iter_mut().for_each(|value| self.cut_columns(value));
        let paged = Paged {
            filtered_count,
            item_count: items.len(),
            items,
            page: page.number,
            page_count: filtered_count.div_ceil(page.size),
            page_size: page.size,
            total_count,
        };
        Ok(Json(paged).into_response())
    }

    fn sorted<T: Serialize>(
        &self,
        rows: impl IntoIterator<Item = T>,
    ) -> Result<Vec<Value>, Failure> {
        let mut values = rows
            .into_iter()
            .map(to_value)
            .collect::<Result<Vec<_>, _>>()?;
        if let Some(sort) = &self.sort {
            values.sort_by(|one, other| compare(field(one, sort), field(other, sort)));
        }
        if self.is_reversed {
            values.reverse();
        }
        Ok(values)
    }

    fn cut_columns(&self, value: &mut Value) {
        let Some(columns) = &self.columns else {
            return;
        };
        let mut kept = Map::new();
        for column in columns {
            if let Some(found) = field(value, column) {
                put(&mut kept, column, found.clone());
            }
        }
        *value = Value::Object(kept);
    }
}

impl Page {
    fn new(
        page: Option<&str>,
        size: Option<&str>,
        filter: Option<Filter>,
    ) -> Result<Option<Self>, Failure> {
        let number = |text: Option<&str>, default| match text {
            None => Ok(default),
            // Wider than any number that is right, so that one that is too great is told as such.
            Some(text) => text
                .parse::<i128>()
                .map_err(|_| Failure::bad_request("Pagination parameters are invalid")),
        };
        let wanted = number(page, 1)?;
        let wanted_size = number(size, PAGE_SIZE_DEFAULT as i128)?;
        let in_bounds = usize::try_from(wanted)
            .ok()
            .zip(usize::try_from(wanted_size).ok())
            .filter(|(number, size)| *number >= 1 && (1..=PAGE_SIZE_MAX).contains(size));
        let Some((number, size)) = in_bounds else {
            let reason = format!(
                "Invalid pagination parameters: page number {wanted}, page size {wanted_size}"
            );
            return Err(Failure::no_page("invalid_pagination_parameters", reason));
        };
        Ok(page.is_some().then_some(Self {
            number,
            size,
            filter,
        }))
    }

    fn wants(&self, row: &Value) -> bool {
        let Some(filter) = &self.filter else {
            return true;
        };
        let name = row
            .get("name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_lowercase();
        match filter {
            Filter::Contains(text) => name.contains(text),
            Filter::Matches(pattern) => pattern.matches(&name),
        }
    }
}

impl Filter {
    fn new(name: String, is_regex: bool) -> Result<Self, Failure> {
        let invalid = || Failure::bad_request("Pagination parameters are invalid");
        if name.len() > NAME_BYTES_MAX {
            return Err(invalid());
        }
        if !is_regex {
            return Ok(Self::Contains(name.to_lowercase()));
        }
        // The engine of rights: linear in the name, and bounded in memory.
        Pattern::compile(&format!("(?i){name}"))
            .map(Self::Matches)
            .map_err(|_| invalid())
    }
}

fn to_value(row: impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(row).map_err(|error| Failure::bad_request(error.to_string()))
}

/// A field by its dotted path.
fn field<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(value, |value, key| value.get(key))
}

fn put(object: &mut Map<String, Value>, path: &str, found: Value) {
    match path.split_once('.') {
        None => drop(object.insert(path.to_owned(), found)),
        Some((key, rest)) => {
            let inner = object
                .entry(key)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner) = inner {
                put(inner, rest, found);
            }
        }
    }
}

/// A total order over what fields may hold: nothing, numbers, texts, the rest as it is written.
fn compare(one: Option<&Value>, other: Option<&Value>) -> Ordering {
    let rank = |value: Option<&Value>| match value {
        None | Some(Value::Null) => 0,
        Some(Value::Number(_)) => 1,
        Some(Value::Bool(_)) => 2,
        Some(Value::String(_)) => 3,
        Some(Value::Array(_)) => 4,
        Some(Value::Object(_)) => 5,
    };
    rank(one)
        .cmp(&rank(other))
        .then_with(|| match (one, other) {
            (Some(Value::Number(one)), Some(Value::Number(other))) => {
                let number = |number: &serde_json::Number| number.as_f64().unwrap_or_default();
                number(one).total_cmp(&number(other))
            }
            (Some(Value::Bool(one)), Some(Value::Bool(other))) => one.cmp(other),
            (Some(Value::String(one)), Some(Value::String(other))) => one.cmp(other),
            (Some(one), Some(other)) => one.to_string().cmp(&other.to_string()),
            _ => Ordering::Equal,
        })
}

#[cfg(test)]
mod tests;
