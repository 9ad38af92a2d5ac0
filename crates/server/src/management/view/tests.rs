//! Pages, names, order and columns, by data.

use serde_json::{Value, json};

use super::*;

fn params(text: &str) -> Params {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    let object: Map<String, Value> = pairs
        .map(|(key, value)| (key.to_owned(), value.into()))
        .collect();
    serde_json::from_value(object.into()).expect("it is right")
}

fn rows() -> Vec<Value> {
    vec![
        json!({"name": "b", "size": 2, "inner": {"x": 1}}),
        json!({"name": "Alpha", "size": 10}),
        json!({"name": "c", "size": null}),
    ]
}

async fn shown(text: &str) -> (u16, Value) {
    let response = View::new(params(text))
        .and_then(|view| view.list(rows()))
        .into_response();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await;
    (
        status,
        serde_json::from_slice(&body.expect("it is right")).expect("it is right"),
    )
}

async fn names(text: &str) -> Vec<String> {
    let (_, body) = shown(text).await;
    let items = body
        .get("items")
        .unwrap_or(&body)
        .as_array()
        .expect("it is right");
    let names = items
        .iter()
        .map(|row| row["name"].as_str().expect("it is right"));
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn a_list_without_a_page_is_a_list() {
    assert_eq!(names("").await, ["b", "Alpha", "c"]);
    // As in RabbitMQ, a name filters pages alone.
    assert_eq!(names("name=c").await, ["b", "Alpha", "c"]);
}

#[tokio::test]
async fn a_page_says_where_it_is() {
    let (status, body) = shown("page=2&page_size=2&columns=name").await;
    let wanted = json!({
        "filtered_count": 3, "item_count": 1, "items": [{"name": "c"}],
        "page": 2, "page_count": 2, "page_size": 2, "total_count": 3,
    });
    assert_eq!((status, body), (200, wanted));
}

#[tokio::test]
async fn pages_that_cannot_be_are_refused() {
    for text in [
        "page=-1",
        "page=0",
        "page=x",
        "page=",
        "page=1&page_size=0",
        "page=1&page_size=501",
        "page=1&page_size=9223372036854775808",
        "page_size=9223372036854775808",
        "page=9223372036854775808&page_size=500",
        "page=170141183460469231731687303715884105728",
        "page=18446744073709551615&page_size=500",
        "page=1&name=(&use_regex=true",
        "page=1&name=(a{1000}){1000}&use_regex=true",
        "page=3&page_size=2",
    ] {
        assert_eq!(shown(text).await.0, 400, "{text}");
    }
}

#[tokio::test]
async fn names_are_found_in_any_case() {
    assert_eq!(names("page=1&name=ALP").await, ["Alpha"]);
    assert_eq!(names("page=1&name=^AL.*a$&use_regex=true").await, ["Alpha"]);
    assert_eq!(names("page=1&name=.&use_regex=true").await.len(), 3);
    assert_eq!(names("page=1&name=.").await.len(), 0);
}

#[tokio::test]
async fn rows_come_in_the_wanted_order() {
    assert_eq!(names("sort=size").await, ["c", "b", "Alpha"]);
    assert_eq!(
        names("sort=size&sort_reverse=true").await,
        ["Alpha", "b", "c"]
    );
    assert_eq!(names("sort=inner.x").await, ["Alpha", "c", "b"]);
    assert_eq!(names("sort=nothing.of.this").await, ["b", "Alpha", "c"]);
}

#[tokio::test]
async fn columns_are_cut_out_of_what_is_there() {
    let (_, body) = shown("columns=inner.x,size,none.at.all&sort=name").await;
    let wanted = json!([
        {"size": 10}, {"size": 2, "inner": {"x": 1}}, {"size": null},
    ]);
    assert_eq!(body, wanted);
}
