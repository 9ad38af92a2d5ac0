//! Reads a field table, borrowed and owned.
//!
//! Both readers must agree, and what is accepted must survive being written and read again.
#![no_main]

use codec::amqp::field::{Table, TableRef};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let borrowed = TableRef::new(bytes);
    let valid = borrowed.validate();
    let owned = borrowed.to_owned();
    assert_eq!(valid.is_ok(), owned.is_ok());
    let Ok(table) = owned else {
        assert_eq!(valid.err(), owned.err());
        return;
    };
    for (name, _) in table.iter() {
        let first = table.get(name).expect("a field is found by its name");
        let same = borrowed.get(name).expect("by the borrowed reader too");
        assert_eq!(first.as_i64(), same.as_i64());
        assert_eq!(first.as_str(), same.as_str());
        assert_eq!(first.as_bool(), same.as_bool());
    }

    // Floats may be NaN, which equals nothing: compare bytes.
    let mut written = Vec::new();
    table.encode(&mut written);
    let (again, used) = Table::decode(&written).expect("what was written can be read");
    assert_eq!(used, written.len());
    assert_eq!(again.to_bytes(), table.to_bytes());
});
