//! One connection as a protocol state machine.
