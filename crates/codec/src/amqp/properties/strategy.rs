//! Random properties for property tests.

use proptest::option::of;
use proptest::prelude::*;

use super::Properties;
use crate::amqp::field::strategy::{short_text, table};

/// Generates properties, each of them present or not.
pub(crate) fn properties() -> impl Strategy<Value = Properties> {
    let first = (
        of(short_text()),
        of(short_text()),
        of(table()),
        of(any::<u8>()),
        of(any::<u8>()),
        of(short_text()),
        of(short_text()),
    );
    let second = (
        of(short_text()),
        of(short_text()),
        of(any::<u64>()),
        of(short_text()),
        of(short_text()),
        of(short_text()),
        of(short_text()),
    );
    (first, second).prop_map(|(first, second)| {
        let (
            content_type,
            content_encoding,
            headers,
            delivery_mode,
            priority,
            correlation_id,
            reply_to,
        ) = first;
        let (expiration, message_id, timestamp, kind, user_id, app_id, cluster_id) = second;
        Properties {
            content_type,
            content_encoding,
            headers,
            delivery_mode,
            priority,
            correlation_id,
            reply_to,
            expiration,
            message_id,
            timestamp,
            kind,
            user_id,
            app_id,
            cluster_id,
        }
    })
}
