//! Maps whose order never shows.
//!
//! Nothing here may be walked without sorting what comes out: the same commands have the same effects on every machine.

use crate::Name;

/// Values by name. Peers choose the names, so that the hash is seeded anew in every process.
#[expect(
    clippy::disallowed_types,
    reason = "a fixed seed would let peers choose names that collide; no order leaves the map"
)]
pub(crate) type NameMap<V> = hashbrown::HashMap<Name, V, foldhash::fast::RandomState>;

/// Values by a number that the broker itself counts up.
pub(crate) type NumberMap<V> = hashbrown::HashMap<u64, V, foldhash::fast::FixedState>;

/// Hashes an exchange with a routing key. Peers choose them, as they do names.
#[expect(
    clippy::disallowed_types,
    reason = "a fixed seed would let peers choose keys that collide; no order leaves the table"
)]
pub(crate) type AddressHasher = foldhash::fast::RandomState;
