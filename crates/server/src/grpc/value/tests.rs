use super::*;

fn table(value: Value) -> Table {
    let mut table = Table::default();
    table.insert("k", value);
    table
}

fn nested(depth: usize) -> v1::Value {
    let innermost = v1::Value {
        kind: Some(Kind::BoolValue(true)),
    };
    (0..depth).fold(innermost, |value, _| v1::Value {
        kind: Some(Kind::ListValue(v1::ValueList {
            values: vec![value],
        })),
    })
}

#[test]
fn values_that_both_know_come_back_as_they_were() {
    let values = [
        Value::Bool(true),
        Value::I64(i64::MIN),
        Value::F64(0.5),
        Value::LongString(b"text".to_vec()),
        Value::Bytes(vec![0, 255]),
        Value::Timestamp(1_700_000_000),
        Value::Array(vec![Value::I64(1), Value::Void]),
        Value::Table(table(Value::Bool(false))),
        Value::Void,
    ];
    for value in values {
        let before = table(value);
        assert_eq!(table_of(fields_of(&before), "headers"), Ok(before));
    }
}

#[test]
fn what_only_amqp_knows_is_widened() {
    let widened = [
        (Value::U8(255), Kind::Int64Value(255)),
        (Value::I16(-3), Kind::Int64Value(-3)),
        (Value::F32(0.25), Kind::DoubleValue(0.25)),
        (Value::LongString(vec![0xff]), Kind::BytesValue(vec![0xff])),
        (
            Value::Decimal { scale: 2, value: 5 },
            Kind::StringValue("0.05".to_owned()),
        ),
        (
            Value::Decimal { scale: 0, value: 5 },
            Kind::StringValue("5".to_owned()),
        ),
        (
            Value::Decimal {
                scale: 1,
                value: 125,
            },
            Kind::StringValue("12.5".to_owned()),
        ),
        (Value::Timestamp(u64::MAX), Kind::TimestampMsValue(i64::MAX)),
    ];
    for (value, kind) in widened {
        assert_eq!(written(&value).kind, Some(kind));
    }
}

#[test]
fn what_amqp_has_no_room_for_is_a_flaw() {
    let long = BTreeMap::from([("k".repeat(256), nested(0))]);
    let unnamed = BTreeMap::from([(String::new(), nested(0))]);
    let deep = BTreeMap::from([("k".to_owned(), nested(DEPTH_MAX))]);
    let early = v1::Value {
        kind: Some(Kind::TimestampMsValue(-1)),
    };
    let early = BTreeMap::from([("k".to_owned(), early)]);
    for fields in [long, unnamed, deep, early] {
        assert_eq!(
            table_of(fields, "headers").expect_err("a flaw").field,
            "headers"
        );
    }
    let fits = BTreeMap::from([("k".to_owned(), nested(DEPTH_MAX - 1))]);
    assert!(table_of(fits, "headers").is_ok());
}
