//! Consistent-hash exchanges: each key belongs to one binding, and few keys move when bindings come and go.

use codec::amqp::field::{Table, ValueRef};

use super::{Destination, Subject};
use crate::{Refusal, limits};

/// What is hashed.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    RoutingKey,
    Header(String),
    Property(Property),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Property {
    CorrelationId,
    MessageId,
    Timestamp,
}

/// The weighted bindings of one consistent-hash exchange.
///
/// # Shape
/// Weighted rendezvous hashing: every binding scores every key and the highest score wins. It needs no ring, so a weight of a million
/// costs what a weight of one does, and a binding that goes moves only its own keys.
#[derive(Debug)]
pub(crate) struct HashRing {
    source: Source,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    weight: u64,
    seed: u64,
    destination: Destination,
}

/// Reads a binding's weight from its key.
pub(crate) fn parse_weight(routing_key: &str) -> Result<u64, Refusal> {
    match routing_key.parse::<u64>() {
        Ok(weight @ 1..=limits::HASH_WEIGHT_MAX) => Ok(weight),
        _ => Err(Refusal::precondition(format!(
            "The binding key of a consistent hash exchange must be a weight from 1 to {}; got '{routing_key}'",
            limits::HASH_WEIGHT_MAX
        ))),
    }
}

impl HashRing {
    pub(crate) fn new(arguments: &Table) -> Result<Self, Refusal> {
        let header = arguments.get("hash-header");
        let property = arguments.get("hash-property");
        let source = match (header, property) {
            (None, None) => Source::RoutingKey,
            (Some(_), Some(_)) => {
                return Err(Refusal::precondition(
                    "hash-header and hash-property may not both be given",
                ));
            }
            (Some(header), None) => match header.as_str() {
                Some(name) => Source::Header(name.to_owned()),
                None => {
                    return Err(Refusal::precondition(
                        "hash-header must be a text, the name of a header",
                    ));
                }
            },
            (None, Some(property)) => match property.as_str() {
                Some("correlation_id") => Source::Property(Property::CorrelationId),
                Some("message_id") => Source::Property(Property::MessageId),
                Some("timestamp") => Source::Property(Property::Timestamp),
                _ => {
                    return Err(Refusal::precondition(
                        "hash-property must be one of correlation_id, message_id and timestamp",
                    ));
                }
            },
        };
        Ok(Self {
            source,
            members: Vec::new(),
        })
    }

    pub(crate) fn add(&mut self, routing_key: &str, destination: Destination) {
        let weight = parse_weight(routing_key).unwrap_or(1);
        let seed = mix(
            fnv(destination.name().as_bytes()),
            u64::from(destination.is_exchange()),
        );
        self.members.push(Member {
            weight,
            seed,
            destination,
        });
    }

    pub(crate) fn remove(&mut self, routing_key: &str, destination: &Destination) {
        let weight = parse_weight(routing_key).unwrap_or(1);
        let place = self
            .members
            .iter()
            .position(|member| member.weight == weight && member.destination == *destination);
        if let Some(index) = place {
            self.members.swap_remove(index);
        }
    }

    pub(crate) fn route(&self, subject: &Subject<'_>) -> Option<&Destination> {
        let key = self.key(subject);
        let score = |member: &Member| {
            // A uniform number in (0, 1): the weighted score -w / ln(u) is the standard form of weighted rendezvous hashing.
            let uniform = ((mix(key, member.seed) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
            -(member.weight as f64) / uniform.ln()
        };
        let best = self
            .members
            .iter()
            .map(|member| (score(member), member))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        best.map(|(_, member)| &member.destination)
    }

    fn key(&self, subject: &Subject<'_>) -> u64 {
        let properties = subject.properties;
        match &self.source {
            Source::RoutingKey => fnv(subject.routing_key.as_bytes()),
            Source::Header(name) => {
                match properties.headers.and_then(|headers| headers.get(name)) {
                    Some(ValueRef::LongString(text)) => fnv(text),
                    Some(other) => other
                        .as_i64()
                        .map_or(0, |number| fnv(&number.to_be_bytes())),
                    None => 0,
                }
            }
            Source::Property(Property::CorrelationId) => {
                fnv(properties.correlation_id.unwrap_or_default().as_bytes())
            }
            Source::Property(Property::MessageId) => {
                fnv(properties.message_id.unwrap_or_default().as_bytes())
            }
            Source::Property(Property::Timestamp) => {
                fnv(&properties.timestamp.unwrap_or_default().to_be_bytes())
            }
        }
    }
}

/// Spreads a key over all numbers, the same on every machine and in every version.
pub(crate) fn key_hash(key: &[u8]) -> u64 {
    mix(fnv(key), 0)
}

/// FNV-1a: the same on every machine and in every version, which a key's place depends on.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

/// The finaliser of SplitMix64 over both halves.
fn mix(key: u64, seed: u64) -> u64 {
    let mut z = key ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
