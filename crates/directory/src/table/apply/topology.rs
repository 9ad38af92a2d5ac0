//! Exchanges, queues, groups of streams, and bindings.

use rusqlite::{Connection, OptionalExtension, Params, params};

use super::{
    Applied, already_exists, check_name, has_queue, number, require, require_exchange,
    require_owner, require_queue, require_vhost, run, sharing,
};
use crate::error::Subject;
use crate::model::{Binding, DestinationKind, Exchange, Queue, ResourceKind, StreamGroup};
use crate::table::row;

pub(super) fn declare_exchange(sql: &Connection, exchange: &Exchange) -> Applied {
    require_vhost(sql, &exchange.vhost)?;
    require_owner(sql, exchange.owner.as_deref())?;
    let present = sql
        .prepare_cached("SELECT * FROM exchanges WHERE vhost = ?1 AND name = ?2")?
        .query_row(params![exchange.vhost, exchange.name], row::exchange)
        .optional()?;
    match present {
        Some(present) if present == *exchange => Ok(()),
        Some(_) => Err(already_exists(Subject::Exchange, &exchange.name).into()),
        None => {
            run(
                sql,
                "INSERT INTO exchanges
                     (vhost, name, kind, durable, auto_delete, internal, arguments, owner)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
                params![
                    exchange.vhost,
                    exchange.name,
                    exchange.kind,
                    exchange.durable,
                    exchange.auto_delete,
                    exchange.internal,
                    exchange.arguments,
                    exchange.owner
                ],
            )?;
            Ok(())
        }
    }
}

pub(super) fn delete_exchange(sql: &Connection, vhost: &str, name: &str) -> Applied {
    run(
        sql,
        "DELETE FROM exchanges WHERE vhost = ?1 AND name = ?2",
        params![vhost, name],
    )?;
    run(
        sql,
        "DELETE FROM bindings WHERE vhost = ?1 AND source = ?2",
        params![vhost, name],
    )?;
    sharing::clear_grants_on(sql, vhost, ResourceKind::Exchange, name)?;
    delete_bindings_to(sql, vhost, DestinationKind::Exchange, name)
}

pub(super) fn declare_queue(sql: &Connection, queue: &Queue) -> Applied {
    let id = number(Subject::Queue, queue.id)?;
    require_vhost(sql, &queue.vhost)?;
    require_owner(sql, queue.owner.as_deref())?;
    let present = sql
        .prepare_cached("SELECT * FROM queues WHERE id = ?1 OR (vhost = ?2 AND name = ?3)")?
        .query_map(params![id, queue.vhost, queue.name], row::queue)?
        .collect::<Result<Vec<Queue>, _>>()?;
    match present.as_slice() {
        [] => {}
        [present] if present == queue => return Ok(()),
        // The id or the name is another queue's.
        _ => return Err(already_exists(Subject::Queue, &queue.name).into()),
    }
    run(
        sql,
        "INSERT INTO queues (id, vhost, name, kind, durable, auto_delete, arguments, owner)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            id,
            queue.vhost,
            queue.name,
            queue.kind.as_str(),
            queue.durable,
            queue.auto_delete,
            queue.arguments,
            queue.owner
        ],
    )?;
    Ok(())
}

/// Keys and webhooks follow by the schema.
pub(super) fn rename_queue(sql: &Connection, id: u64, name: &str) -> Applied {
    check_name(Subject::Queue, name)?;
    let present: Option<(String, String)> = match i64::try_from(id) {
        Ok(id) => sql
            .prepare_cached("SELECT vhost, name FROM queues WHERE id = ?1")?
            .query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?,
        // No such queue can have been declared.
        Err(_) => None,
    };
    let Some((vhost, old)) = present else {
        return require(false, Subject::Queue, &id.to_string());
    };
    if old == name {
        return Ok(());
    }
    if has_queue(sql, &vhost, name)? {
        return Err(already_exists(Subject::Queue, name).into());
    }
    let names = params![vhost, old, name];
    for statement in [
        "UPDATE queues SET name = ?3 WHERE vhost = ?1 AND name = ?2",
        "UPDATE bindings SET destination = ?3
         WHERE vhost = ?1 AND destination_kind = 'queue' AND destination = ?2",
        "UPDATE grants SET name = ?3 WHERE vhost = ?1 AND resource = 'queue' AND name = ?2",
    ] {
        run(sql, statement, names)?;
    }
    Ok(())
}

pub(super) fn delete_queue(sql: &Connection, id: u64) -> Applied {
    let Ok(id) = i64::try_from(id) else {
        // No such queue can have been declared.
        return Ok(());
    };
    let gone: Option<(String, String)> = sql
        .prepare_cached("DELETE FROM queues WHERE id = ?1 RETURNING vhost, name")?
        .query_row(params![id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if let Some((vhost, name)) = gone {
        // Its keys and webhooks go by the schema.
        sharing::clear_grants_on(sql, &vhost, ResourceKind::Queue, &name)?;
        delete_bindings_to(sql, &vhost, DestinationKind::Queue, &name)?;
    }
    Ok(())
}

pub(super) fn set_group(sql: &Connection, group: &StreamGroup) -> Applied {
    check_name(Subject::StreamGroup, &group.name)?;
    let (queue, next_offset) = (
        number(Subject::Queue, group.queue)?,
        number(Subject::StreamGroup, group.next_offset)?,
    );
    // The stream may have been deleted since the group read it.
    run(
        sql,
        "INSERT INTO stream_groups (queue, name, next_offset)
         SELECT id, ?2, ?3 FROM queues WHERE id = ?1
         ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset",
        params![queue, group.name, next_offset],
    )?;
    Ok(())
}

pub(super) fn delete_group(sql: &Connection, queue: u64, name: &str) -> Applied {
    let queue = number(Subject::Queue, queue)?;
    run(
        sql,
        "DELETE FROM stream_groups WHERE queue = ?1 AND name = ?2",
        params![queue, name],
    )?;
    Ok(())
}

pub(super) fn bind(sql: &Connection, binding: &Binding) -> Applied {
    require_vhost(sql, &binding.vhost)?;
    require_exchange(sql, &binding.vhost, &binding.source)?;
    match binding.destination_kind {
        DestinationKind::Queue => require_queue(sql, &binding.vhost, &binding.destination)?,
        DestinationKind::Exchange => require_exchange(sql, &binding.vhost, &binding.destination)?,
    }
    run(
        sql,
        "INSERT INTO bindings
             (vhost, source, destination_kind, destination, routing_key, arguments)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT DO NOTHING",
        binding_params(binding),
    )?;
    Ok(())
}

pub(super) fn unbind(sql: &Connection, binding: &Binding) -> Applied {
    run(
        sql,
        "DELETE FROM bindings
         WHERE vhost = ?1 AND source = ?2 AND destination_kind = ?3 AND destination = ?4
           AND routing_key = ?5 AND arguments = ?6",
        binding_params(binding),
    )?;
    Ok(())
}

fn delete_bindings_to(
    sql: &Connection,
    vhost: &str,
    kind: DestinationKind,
    destination: &str,
) -> Applied {
    run(
        sql,
        "DELETE FROM bindings WHERE vhost = ?1 AND destination_kind = ?2 AND destination = ?3",
        params![vhost, kind.as_str(), destination],
    )?;
    Ok(())
}

/// The six columns of a binding, in the table's order.
fn binding_params(binding: &Binding) -> impl Params {
    (
        &binding.vhost,
        &binding.source,
        binding.destination_kind.as_str(),
        &binding.destination,
        row::routing_key(&binding.routing_key),
        &binding.arguments,
    )
}
