//! Sharing queues: rights of other accounts, and keys for programs without one.

use broker::access::{Resource, Right};
use directory::{Change, Grant, QueueKey, ResourceKind};
use engine::QueueKeyView;
use rpc::v1;
use tonic::Status;

use super::page;
use crate::flaw::Flaw;
use crate::grpc::call::Call;
use crate::grpc::status::{Subject, flawed, forbidden, not_found, refused, unavailable};
use crate::grpc::value::signed;
use crate::http::DEFAULT_VHOST;

/// Gives an account rights on a queue.
pub(super) async fn set_grant(
    call: &Call,
    request: v1::SetGrantRequest,
) -> Result<v1::Grant, Status> {
    check_owner(call, &request.queue).await?;
    let rights = Rights::of(&request.rights).map_err(flawed)?;
    if rights == Rights::default() {
        return Err(flawed(Flaw::new("rights", "name at least one right")));
    }
    let grant = Grant {
        vhost: DEFAULT_VHOST.to_owned(),
        resource: ResourceKind::Queue,
        name: request.queue,
        login: request.login,
        configure: rights.configure,
        write: rights.write,
        read: rights.read,
    };
    call.commit(Change::GrantSet(grant.clone())).await?;
    Ok(written(grant))
}

/// Lists who has rights on a queue.
pub(super) async fn grants(
    call: &Call,
    request: v1::ListGrantsRequest,
) -> Result<v1::ListGrantsResponse, Status> {
    check_owner(call, &request.queue).await?;
    let page = page(request.page_size, request.page_token)?;
    let queue = ResourceKind::Queue;
    let mut grants = call.engine().grants(DEFAULT_VHOST, queue, &request.queue);
    grants.retain(|grant| page.is_behind_cursor(&grant.login));
    let (grants, next) = page.split(grants, |grant| grant.login.clone());
    Ok(v1::ListGrantsResponse {
        grants: grants.into_iter().map(written).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

/// Takes an account's rights on a queue away.
pub(super) async fn delete_grant(
    call: &Call,
    request: v1::DeleteGrantRequest,
) -> Result<(), Status> {
    check_owner(call, &request.queue).await?;
    let cleared = Change::GrantCleared {
        vhost: DEFAULT_VHOST.to_owned(),
        resource: ResourceKind::Queue,
        name: request.queue,
        login: request.login,
    };
    call.commit(cleared).await
}

/// Makes a key of a queue.
pub(super) async fn create_key(
    call: &Call,
    request: v1::CreateQueueKeyRequest,
) -> Result<v1::CreateQueueKeyResponse, Status> {
    check_owner(call, &request.queue).await?;
    let mut rights = Rights::of(&request.rights).map_err(flawed)?;
    if rights.configure {
        let detail = "a key gives the rights to write and to read alone";
        return Err(flawed(Flaw::new("rights", detail)));
    }
    if rights == Rights::default() {
        (rights.write, rights.read) = (true, true);
    }
    let secret = directory::token::generate(engine::sessions::QUEUE_KEY_PREFIX)
        .map_err(|error| unavailable(format!("no random numbers: {error}")))?;
    let now_ms = call.engine().now_ms();
    let ttl_ms = Some(request.ttl_ms).filter(|ttl_ms| *ttl_ms > 0);
    let key = QueueKey {
        id: engine::accounts::random_name(),
        vhost: DEFAULT_VHOST.to_owned(),
        queue: request.queue,
        secret_hash: directory::token::hash(&secret),
        write: rights.write,
        read: rights.read,
        note: request.label,
        created_by: Some(call.caller.login.name.to_string()),
        created_ms: now_ms,
        expires_ms: ttl_ms.map(|ttl_ms| now_ms.saturating_add(ttl_ms)),
    };
    call.commit(Change::QueueKeyAdded(key.clone())).await?;
    Ok(v1::CreateQueueKeyResponse {
        key: Some(written_key(key.into())),
        secret,
    })
}

/// Lists a queue's keys.
pub(super) async fn keys(
    call: &Call,
    request: v1::ListQueueKeysRequest,
) -> Result<v1::ListQueueKeysResponse, Status> {
    check_owner(call, &request.queue).await?;
    let page = page(request.page_size, String::new())?;
    let all = call.engine().queue_keys(DEFAULT_VHOST, &request.queue);
    let known = all.iter().position(|key| key.id == request.page_token);
    let from = match known {
        Some(last) => last + 1,
        None if request.page_token.is_empty() => 0,
        None => {
            let detail = "the token is none that a page gave; begin without one";
            return Err(flawed(Flaw::new("page_token", detail)));
        }
    };
    let behind = all.into_iter().skip(from).take(page.limit() + 1);
    let mut keys: Vec<_> = behind.collect();
    let has_more = keys.len() > page.limit();
    keys.truncate(page.limit());
    let next = keys.last().filter(|_| has_more).map(|key| key.id.clone());
    Ok(v1::ListQueueKeysResponse {
        keys: keys.into_iter().map(written_key).collect(),
        next_page_token: next.unwrap_or_default(),
    })
}

/// Deletes a queue's key.
pub(super) async fn delete_key(
    call: &Call,
    request: v1::DeleteQueueKeyRequest,
) -> Result<(), Status> {
    check_owner(call, &request.queue).await?;
    let id = request.id;
    let known = call.engine().queue_keys(DEFAULT_VHOST, &request.queue);
    if !known.iter().any(|key| key.id == id) {
        let detail = format!("the queue has no key '{id}'");
        return Err(not_found(Subject::Several, detail));
    }
    call.commit(Change::QueueKeyDeleted { id }).await
}

/// Refuses whoever may not configure the queue; an administrator may share everything.
async fn check_owner(call: &Call, queue: &str) -> Result<(), Status> {
    if call.caller.login.is_administrator() {
        if call.engine().exists(DEFAULT_VHOST, Resource::Queue, queue) {
            return Ok(());
        }
        let detail = format!("there is no queue '{queue}'");
        return Err(not_found(Subject::Queue(queue), detail));
    }
    call.find_queue(queue).await?;
    let access = call
        .access()
        .ok_or_else(|| forbidden("you have no rights here"))?;
    let engine = call.engine();
    let checked = engine.check_right(&access, Right::Configure, Resource::Queue, queue);
    checked.map_err(|refusal| refused(refusal, Subject::Queue(queue)))
}

/// Rights that a request names.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Rights {
    configure: bool,
    write: bool,
    read: bool,
}

impl Rights {
    fn of(numbers: &[i32]) -> Result<Self, Flaw> {
        let mut rights = Self::default();
        for number in numbers {
            match v1::Right::try_from(*number) {
                Ok(v1::Right::Configure) => rights.configure = true,
                Ok(v1::Right::Write) => rights.write = true,
                Ok(v1::Right::Read) => rights.read = true,
                Ok(v1::Right::Unspecified) | Err(_) => {
                    return Err(Flaw::new("rights", "there is no such right"));
                }
            }
        }
        Ok(rights)
    }

    fn numbers(self) -> Vec<i32> {
        let all = [
            (self.configure, v1::Right::Configure),
            (self.write, v1::Right::Write),
            (self.read, v1::Right::Read),
        ];
        let given = all.into_iter().filter(|(is_given, _)| *is_given);
        given.map(|(_, right)| right.into()).collect()
    }
}

/// Who gave rights, and when, is in the audit log alone.
fn written(grant: Grant) -> v1::Grant {
    let rights = Rights {
        configure: grant.configure,
        write: grant.write,
        read: grant.read,
    };
    v1::Grant {
        queue: grant.name,
        login: grant.login,
        rights: rights.numbers(),
        granted_by: String::new(),
        granted_at_ms: 0,
    }
}

fn written_key(key: QueueKeyView) -> v1::QueueKey {
    let rights = Rights {
        configure: false,
        write: key.write,
        read: key.read,
    };
    v1::QueueKey {
        id: key.id,
        queue: key.queue,
        label: key.note,
        rights: rights.numbers(),
        created_at_ms: signed(key.created_ms),
        expires_at_ms: key.expires_ms.map(signed),
    }
}
