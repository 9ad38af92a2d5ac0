//! Requests and answers as `docs/files.md` has them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use files::content::Root;
use files::ticket::KeyId;
use serde_json::{Value, json};

use super::Me;
use super::media::media_type;
use crate::api::escape;
use crate::peer::catalog::{Changes, Entry, Kind};

pub(super) fn peer_path(me: &Me) -> String {
    format!("/v1/peers/{}", escape(&me.peer))
}

/// Who this peer is.
pub(super) fn me(me: &Me) -> Value {
    json!({
        "name": me.name,
        "addresses": me.addresses,
        "port": me.port,
        "key": Root::from_bytes(me.key).to_string(),
        "relay": me.relay,
        "takes": me.takes,
    })
}

/// What the server answers to that.
pub(super) struct Announced {
    pub(super) heartbeat_s: u64,
    pub(super) revision: u64,
    pub(super) addresses: Vec<String>,
    pub(super) relay: bool,
    pub(super) ticket_keys: Vec<(KeyId, [u8; 32])>,
}

impl Announced {
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let keys = answer["ticket_keys"].as_array()?.iter().map(|key| {
            let id = u32::try_from(key["id"].as_u64()?).ok()?;
            // 64 digits, as a root is written.
            let key: Root = key["key"].as_str()?.parse().ok()?;
            Some((KeyId(id), *key.as_bytes()))
        });
        Some(Self {
            heartbeat_s: answer["heartbeat_s"].as_u64()?,
            revision: answer["revision"].as_u64()?,
            addresses: texts(&answer["addresses"]),
            // A server of before knows of none.
            relay: answer["relay"].as_bool().unwrap_or(false),
            ticket_keys: keys.collect::<Option<_>>()?,
        })
    }
}

pub(super) fn texts(list: &Value) -> Vec<String> {
    let list = list.as_array().into_iter().flatten();
    list.filter_map(|text| Some(text.as_str()?.to_owned()))
        .collect()
}

/// A request that tells differences.
pub(super) struct Step(Value);

impl Step {
    pub(super) fn new(from: u64, changes: &Changes) -> Self {
        let put: Vec<Value> = changes.put.iter().map(entry).collect();
        Self(json!({"from": from, "to": changes.to, "put": put, "remove": changes.remove}))
    }

    pub(super) fn nothing(from: u64, to: u64) -> Self {
        Self(json!({"from": from, "to": to, "put": [], "remove": []}))
    }

    pub(super) const fn body(&self) -> &Value {
        &self.0
    }

    pub(super) fn bytes(&self) -> usize {
        self.0.to_string().len()
    }
}

fn entry(entry: &Entry) -> Value {
    let kind = match entry.kind {
        Kind::File => "file",
        Kind::Collection => "collection",
    };
    json!({
        "file": entry.file,
        "name": entry.name,
        "path": entry.path,
        "size": entry.size,
        "root": entry.root.to_string(),
        "type": media_type(entry.kind, &entry.name),
        "kind": kind,
        "have": entry.have.as_ref().map(|have| URL_SAFE_NO_PAD.encode(have)),
        "since_ms": entry.since_ms,
        "audience": entry.audience.to_json(),
    })
}
