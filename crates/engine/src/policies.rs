//! Policies as the directory holds them, compiled for the broker.

use broker::arguments::QueueKind;
use broker::{ApplyTo, Policy, Refusal, RefusalKind};
use codec::amqp::field::{Table, Value};

/// Says whether a policy can be applied, before it is stored.
///
/// # Errors
/// `PreconditionFailed`, saying what is wrong with the pattern or the definition.
pub fn check_policy(policy: &directory::Policy) -> Result<(), Refusal> {
    compile(policy).map(drop)
}

/// Compiles a stored policy.
pub(crate) fn compile(policy: &directory::Policy) -> Result<Policy, Refusal> {
    let apply_to = match policy.apply_to {
        directory::ApplyTo::All => ApplyTo::All,
        directory::ApplyTo::Exchanges => ApplyTo::Exchanges,
        directory::ApplyTo::Queues => ApplyTo::Queues,
        directory::ApplyTo::ClassicQueues => ApplyTo::QueuesOf(QueueKind::Classic),
        directory::ApplyTo::QuorumQueues => ApplyTo::QueuesOf(QueueKind::Quorum),
        directory::ApplyTo::Streams => ApplyTo::QueuesOf(QueueKind::Stream),
    };
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&policy.definition).map_err(|error| {
            let detail = format!("its definition is not a JSON object: {error}");
            Refusal::new(RefusalKind::PreconditionFailed, detail)
        })?;
    Policy::new(
        policy.name.clone(),
        &policy.pattern,
        apply_to,
        policy.priority,
        &table(fields),
    )
}

/// Compiles the policies of one virtual host. They were checked before they were stored; one that is wrong all the same is left out.
pub(crate) fn compile_all(policies: &[directory::Policy], vhost: &str) -> Vec<Policy> {
    let of_host = policies.iter().filter(|policy| policy.vhost == vhost);
    let compiled = of_host.filter_map(|policy| match compile(policy) {
        Ok(compiled) => Some(compiled),
        Err(refusal) => {
            tracing::error!(policy = policy.name, %refusal, "a stored policy is left out");
            None
        }
    });
    compiled.collect()
}

fn table(fields: serde_json::Map<String, serde_json::Value>) -> Table {
    let mut table = Table::new();
    for (key, field) in fields {
        table.insert(key, value(field));
    }
    table
}

fn value(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Void,
        serde_json::Value::Bool(flag) => Value::Bool(flag),
        serde_json::Value::Number(number) => number.as_i64().map_or_else(
            || Value::F64(number.as_f64().unwrap_or(f64::NAN)),
            Value::I64,
        ),
        serde_json::Value::String(text) => Value::from(text),
        serde_json::Value::Array(items) => Value::Array(items.into_iter().map(value).collect()),
        serde_json::Value::Object(fields) => Value::Table(table(fields)),
    }
}
