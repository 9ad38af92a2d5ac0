#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Encodes a table whose only field is named `k` and holds `value`, given as bytes.
fn single(value: &[u8]) -> Vec<u8> {
    let mut bytes = length(value.len() + 2).to_be_bytes().to_vec();
    bytes.extend(b"\x01k");
    bytes.extend(value);
    bytes
}

fn table_of(name: &str, value: impl Into<Value>) -> Table {
    let mut table = Table::new();
    table.insert(name, value);
    table
}

/// Nests `levels` tables into each other, the outermost without its length.
fn nested_tables(levels: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 1..levels {
        let inner = bytes;
        bytes = vec![0, b'F'];
        bytes.extend(length(inner.len()).to_be_bytes());
        bytes.extend(inner);
    }
    bytes
}

/// Encodes a field that holds an array of `count` voids: one octet each.
fn array_of_voids(count: usize) -> Vec<u8> {
    let mut bytes = b"\0A".to_vec();
    bytes.extend(length(count).to_be_bytes());
    bytes.extend(vec![b'V'; count]);
    bytes
}

#[test]
fn every_type_has_its_letter() {
    let table: Vec<(Value, &[u8])> = vec![
        (Value::Bool(true), b"t\x01"),
        (Value::Bool(false), b"t\0"),
        (Value::I8(-2), b"b\xFE"),
        (Value::U8(254), b"B\xFE"),
        (Value::I16(-2), b"s\xFF\xFE"),
        (Value::U16(0x1234), b"u\x12\x34"),
        (Value::I32(-2), b"I\xFF\xFF\xFF\xFE"),
        (Value::U32(0x1234_5678), b"i\x12\x34\x56\x78"),
        (Value::I64(-2), b"l\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE"),
        (Value::F32(1.5), b"f\x3F\xC0\0\0"),
        (Value::F64(1.5), b"d\x3F\xF8\0\0\0\0\0\0"),
        (
            Value::Decimal {
                scale: 2,
                value: 314,
            },
            b"D\x02\0\0\x01\x3A",
        ),
        (Value::from("hi"), b"S\0\0\0\x02hi"),
        (
            Value::Array(vec![Value::Void, Value::Bool(true)]),
            b"A\0\0\0\x03Vt\x01",
        ),
        (Value::Timestamp(7), b"T\0\0\0\0\0\0\0\x07"),
        (
            Value::Table(table_of("a", 1)),
            b"F\0\0\0\x07\x01aI\0\0\0\x01",
        ),
        (Value::Void, b"V"),
        (Value::Bytes(vec![0, 255]), b"x\0\0\0\x02\0\xFF"),
    ];
    for (value, bytes) in table {
        let table = table_of("k", value);
        let bytes = single(bytes);
        let mut encoded = Vec::new();
        table.encode(&mut encoded);
        assert_eq!(encoded, bytes, "{table:?}");
        assert_eq!(Table::decode(&bytes), Ok((table, bytes.len())));
    }
}

#[test]
fn both_letters_for_long_long_are_signed() {
    let bytes = single(b"L\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE");
    let (table, _) = Table::decode(&bytes).unwrap();
    assert_eq!(table.get("k"), Some(&Value::I64(-2)));
}

#[test]
fn a_repeated_name_is_kept_and_the_first_wins() {
    let raw = b"\x01kt\x01\x01kV\x01jV";
    let mut table = TableRef::new(raw).to_owned().unwrap();
    assert_eq!(table.len(), 3);
    assert_eq!(table.get("k"), Some(&Value::Bool(true)));
    assert_eq!(TableRef::new(raw).get("k"), Some(ValueRef::Bool(true)));
    assert_eq!(table.to_bytes(), raw);
    assert_eq!(table.remove("k"), Some(Value::Bool(true)));
    assert_eq!(table, table_of("j", Value::Void));
    assert_eq!(table.remove("k"), None);
}

#[test]
fn insert_replaces_in_place() {
    let mut table = table_of("a", 1);
    table.insert("b", 2);
    assert_eq!(table.insert("a", "x"), Some(Value::I32(1)));
    let names: Vec<&str> = table.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(table.get("a").and_then(Value::as_str), Some("x"));
}

#[test]
fn accessors_answer_only_for_their_types() {
    let integers = [
        Value::I8(5),
        Value::U8(5),
        Value::I16(5),
        Value::U16(5),
        Value::I32(5),
        Value::U32(5),
        Value::I64(5),
    ];
    for value in integers {
        assert_eq!(value.as_i64(), Some(5), "{value:?}");
        assert_eq!(value.as_str(), None);
        assert_eq!(value.as_bool(), None);
    }
    for value in [
        Value::Bool(true),
        Value::F64(5.0),
        Value::Timestamp(5),
        Value::from("5"),
    ] {
        assert_eq!(value.as_i64(), None, "{value:?}");
    }
    assert_eq!(Value::LongString(vec![0xFF]).as_str(), None);
    assert_eq!(Value::from(true).as_bool(), Some(true));
    assert_eq!(Value::from(Table::new()).as_table(), Some(&Table::new()));
    assert_eq!(
        Value::Array(vec![Value::Void]).as_array(),
        Some([Value::Void].as_slice())
    );
    assert_eq!(Value::Void.as_array(), None);
}

#[test]
fn borrowed_values_answer_as_owned_ones() {
    let raw = b"\x01nI\0\0\0\x07\x01sS\0\0\0\x02hi\x01bt\x01\x01aA\0\0\0\x01V\x01tF\0\0\0\0";
    let table = TableRef::new(raw);
    assert_eq!(table.get("n").and_then(ValueRef::as_i64), Some(7));
    assert_eq!(table.get("s").and_then(ValueRef::as_str), Some("hi"));
    assert_eq!(table.get("b").and_then(ValueRef::as_bool), Some(true));
    assert_eq!(
        table.get("t").and_then(ValueRef::as_table),
        Some(TableRef::EMPTY)
    );
    let items = table.get("a").and_then(ValueRef::as_array).unwrap();
    assert_eq!(items.iter().collect::<Vec<_>>(), [Ok(ValueRef::Void)]);
    assert_eq!(table.get("x"), None);
}

#[test]
fn long_names_are_cut_at_a_whole_character() {
    // 254 bytes and a character of two: the whole name would take 256.
    let name = format!("{}é", "x".repeat(254));
    let bytes = table_of(&name, Value::Void).to_bytes();
    let (first, _) = TableRef::new(&bytes).iter().next().unwrap().unwrap();
    assert_eq!(first, "x".repeat(254));
}

#[test]
fn malformed_tables_are_refused() {
    use DecodeError as E;
    let table: &[(&[u8], DecodeError)] = &[
        (b"", E::Truncated),
        (b"\0\0\0", E::Truncated),
        (b"\0\0\0\x01", E::Truncated),
        (b"\xFF\xFF\xFF\xFF\x01kV", E::Truncated),
        (b"\0\0\0\x01\x01", E::Truncated),
        (b"\0\0\0\x02\x01k", E::Truncated),
        (b"\0\0\0\x03\xFFkV", E::Truncated),
        (b"\0\0\0\x03\x01\xFFV", E::InvalidUtf8),
        (b"\0\0\0\x03\x01kZ", E::UnknownFieldType { letter: b'Z' }),
        (b"\0\0\0\x04\x01kI\0", E::Truncated),
        (b"\0\0\0\x07\x01kS\xFF\xFF\xFF\xFF", E::Truncated),
        (b"\0\0\0\x07\x01kA\xFF\xFF\xFF\xFF", E::Truncated),
        (b"\0\0\0\x08\x01kF\0\0\0\x01\x01", E::Truncated),
        (
            b"\0\0\0\x08\x01kA\0\0\0\x01?",
            E::UnknownFieldType { letter: b'?' },
        ),
    ];
    for (bytes, error) in table {
        assert_eq!(Table::decode(bytes), Err(*error), "{bytes:02x?}");
    }
}

#[test]
fn an_error_ends_the_iteration() {
    let fields: Vec<_> = TableRef::new(b"\x01aV\x01b?\x01cV").iter().collect();
    let error = Err(DecodeError::UnknownFieldType { letter: b'?' });
    assert_eq!(fields, [Ok(("a", ValueRef::Void)), error]);
}

#[test]
fn nesting_is_bounded() {
    let deepest = nested_tables(DEPTH_MAX);
    assert_eq!(TableRef::new(&deepest).validate(), Ok(()));
    assert!(TableRef::new(&deepest).to_owned().is_ok());
    for levels in [DEPTH_MAX + 1, 1000] {
        let bytes = nested_tables(levels);
        assert_eq!(TableRef::new(&bytes).validate(), Err(DecodeError::TooDeep));
        assert_eq!(TableRef::new(&bytes).to_owned(), Err(DecodeError::TooDeep));
    }
}

#[test]
fn values_of_no_width_are_bounded() {
    // The array itself counts as a value.
    let most = array_of_voids(ITEMS_MAX - 1);
    assert_eq!(TableRef::new(&most).validate(), Ok(()));
    let more = array_of_voids(ITEMS_MAX);
    assert_eq!(
        TableRef::new(&more).validate(),
        Err(DecodeError::TooManyItems)
    );
    assert_eq!(
        TableRef::new(&more).to_owned(),
        Err(DecodeError::TooManyItems)
    );
    assert_eq!(DecodeError::TooManyItems.reply_code().code(), 502);
}

proptest! {
    #[test]
    fn tables_round_trip(table in strategy::table()) {
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        let encoded = bytes.len();
        bytes.extend(b"more");
        prop_assert_eq!(Table::decode(&bytes), Ok((table.clone(), encoded)));

        let raw = table.to_bytes();
        prop_assert_eq!(raw.len() + 4, encoded);
        let borrowed = TableRef::new(&raw);
        prop_assert_eq!(borrowed.validate(), Ok(()));
        prop_assert_eq!(borrowed.iter().count(), table.len());
        for (name, value) in table.iter() {
            let found = borrowed.get(name).map(ValueRef::to_owned);
            prop_assert_eq!(found, Some(Ok(value.clone())));
        }
    }

    #[test]
    fn a_table_cut_short_is_refused(table in strategy::table(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        table.encode(&mut bytes);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert_eq!(Table::decode(&bytes), Err(DecodeError::Truncated));
    }

    #[test]
    fn validating_and_copying_agree(bytes in vec(
        prop_oneof![Just(0_u8), 1..5_u8, any::<u8>(), prop::sample::select(b"tbBsuIilLfdDSATFVx".to_vec())],
        0..80,
    )) {
        let table = TableRef::new(&bytes);
        prop_assert_eq!(table.validate().err(), table.to_owned().err());
        if let Ok(owned) = table.to_owned() {
            prop_assert_eq!(TableRef::new(&owned.to_bytes()).validate(), Ok(()));
        }
    }
}
