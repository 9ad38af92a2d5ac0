//! Recovery of a data directory that someone else has written.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| store::recover_bytes_for_fuzzing(data));
