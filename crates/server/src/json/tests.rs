use codec::amqp::field::{Table, Value};
use serde_json::json;

use super::{DEPTH_MAX, json_of_table, table_of_json};

fn object(value: serde_json::Value) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_value(value).expect("an object")
}

#[test]
fn what_json_can_say_comes_back_as_it_was() {
    let said = json!({
        "text": "x", "whole": -3, "part": 0.5, "flag": true, "nothing": null,
        "list": [1, "two", [3]], "inner": {"deep": {"er": 1}},
    });
    let table = table_of_json(&object(said.clone())).expect("headers");
    assert_eq!(json_of_table(&table), said);
}

#[test]
fn what_only_amqp_can_say_is_shown() {
    let mut table = Table::default();
    table.insert("when", Value::Timestamp(1_700_000_000));
    table.insert(
        "price",
        Value::Decimal {
            scale: 2,
            value: 125,
        },
    );
    table.insert("bytes", Value::Bytes(vec![0xFF]));
    let shown = json!({"when": 1_700_000_000, "price": 1.25, "bytes": "\u{FFFD}"});
    assert_eq!(json_of_table(&table), shown);
}

#[test]
fn headers_are_bounded_in_depth_and_in_the_length_of_names() {
    let mut deep = json!(1);
    for _ in 0..DEPTH_MAX {
        deep = json!([deep]);
    }
    let refused = table_of_json(&object(json!({"deep": deep})));
    assert!(refused.is_err_and(|problem| problem.contains("nested")));
    let long = "n".repeat(256);
    let refused = table_of_json(&object(json!({long: 1})));
    assert!(refused.is_err_and(|problem| problem.contains("255")));
}
