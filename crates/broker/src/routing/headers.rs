//! Headers exchanges: a binding's arguments against a message's headers.

use codec::amqp::field::{Table, Value, ValueRef};
use codec::amqp::properties::PropertiesRef;

use super::Destination;
use crate::Refusal;

/// How a binding's arguments are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Combine {
    All,
    Any,
}

#[derive(Debug)]
struct HeaderBinding {
    combine: Combine,
    wanted: Vec<(String, Value)>,
    identity: Box<[u8]>,
    destination: Destination,
}

/// The bindings of one headers exchange.
#[derive(Debug, Default)]
pub(crate) struct HeaderBindings {
    bindings: Vec<HeaderBinding>,
}

/// Refuses an `x-match` that is none of all, any, all-with-x and any-with-x.
pub(crate) fn check(arguments: &Table) -> Result<(), Refusal> {
    parse(arguments).map(|_| ())
}

fn parse(arguments: &Table) -> Result<(Combine, bool), Refusal> {
    match arguments.get("x-match") {
        None => Ok((Combine::All, false)),
        Some(value) => match value.as_str() {
            Some("all") => Ok((Combine::All, false)),
            Some("any") => Ok((Combine::Any, false)),
            Some("all-with-x") => Ok((Combine::All, true)),
            Some("any-with-x") => Ok((Combine::Any, true)),
            Some(other) => Err(Refusal::precondition(format!(
                "Invalid x-match field value \"{other}\"; expected all, any, all-with-x or any-with-x"
            ))),
            None => Err(Refusal::precondition(
                "Invalid x-match field type; expected longstr",
            )),
        },
    }
}

impl HeaderBindings {
    pub(crate) fn add(&mut self, identity: Box<[u8]>, arguments: &Table, destination: Destination) {
        let Ok((combine, with_x)) = parse(arguments) else {
            return;
        };
        let wanted = arguments
            .iter()
            .filter(|(key, _)| *key != "x-match" && (with_x || !key.starts_with("x-")))
            .map(|(key, value)| (key.to_owned(), value.clone()))
            .collect();
        self.bindings.push(HeaderBinding {
            combine,
            wanted,
            identity,
            destination,
        });
    }

    pub(crate) fn remove(&mut self, identity: &[u8], destination: &Destination) {
        let place = self
            .bindings
            .iter()
            .position(|known| *known.identity == *identity && known.destination == *destination);
        if let Some(index) = place {
            self.bindings.swap_remove(index);
        }
    }

    pub(crate) fn route<'a>(
        &'a self,
        properties: &PropertiesRef<'_>,
        found: &mut dyn FnMut(&'a Destination),
    ) {
        for binding in &self.bindings {
            let mut present = binding.wanted.iter().map(|(key, wanted)| {
                let header = properties.headers.and_then(|headers| headers.get(key));
                header.is_some_and(|header| matches(wanted, header))
            });
            let is_match = match binding.combine {
                Combine::All => present.all(|is_present| is_present),
                Combine::Any => present.any(|is_present| is_present),
            };
            if is_match {
                found(&binding.destination);
            }
        }
    }
}

/// A void argument asks only that the header exist; integers compare by value, whatever their width.
fn matches(wanted: &Value, header: ValueRef<'_>) -> bool {
    if matches!(wanted, Value::Void) {
        return true;
    }
    match (wanted.as_i64(), header.as_i64()) {
        (Some(wanted), Some(header)) => wanted == header,
        _ => header.to_owned().is_ok_and(|header| header == *wanted),
    }
}
