//! Policies. Those of operators, and parameters of extensions, are none here: their lists are empty.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use directory::{ApplyTo, Policy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::body::{InPath, JsonBody, object, optional_number};
use super::failure::Failure;
use super::view::View;
use super::visitor::{Administrator, PolicyMaker, Visitor};
use super::{Site, done};
use crate::admin::{PolicyTarget, Request};

/// A policy, in lists and definitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PolicyRow {
    /// Missing in requests whose path names it.
    #[serde(default)]
    pub(super) vhost: Option<String>,
    #[serde(default)]
    pub(super) name: String,
    #[serde(flatten)]
    wish: PolicyWish,
}

/// What a policy gives, and to what.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PolicyWish {
    pattern: String,
    #[serde(rename = "apply-to", default = "everything")]
    apply_to: String,
    #[serde(deserialize_with = "object")]
    definition: Map<String, Value>,
    #[serde(default, deserialize_with = "optional_number")]
    priority: Option<i64>,
}

fn everything() -> String {
    PolicyTarget::All.as_str().to_owned()
}

impl PolicyRow {
    pub(super) fn of(policy: Policy) -> Self {
        Self {
            vhost: Some(policy.vhost),
            name: policy.name,
            wish: PolicyWish {
                pattern: policy.pattern,
                apply_to: policy.apply_to.as_str().to_owned(),
                // Only what is an object is ever stored.
                definition: serde_json::from_str(&policy.definition).unwrap_or_default(),
                priority: Some(policy.priority),
            },
        }
    }

    pub(super) fn definition(self) -> Value {
        Value::Object(self.wish.definition)
    }

    /// The wish to have it so.
    pub(super) fn wish(self, vhost: String) -> Result<Request, Failure> {
        self.wish.request(vhost, self.name)
    }
}

impl PolicyWish {
    fn request(self, vhost: String, name: String) -> Result<Request, Failure> {
        if self.definition.is_empty() {
            return Err(Failure::bad_request(
                "Validation failed\n\nno policy provided\n",
            ));
        }
        let apply_to = ApplyTo::parse(&self.apply_to).ok_or_else(|| {
            Failure::bad_request(format!(
                "Validation failed\n\napply-to '{}' should be all, queues, exchanges, classic_queues, quorum_queues or streams\n",
                self.apply_to
            ))
        })?;
        Ok(Request::PolicySet {
            vhost,
            name,
            pattern: self.pattern,
            apply_to: match apply_to {
                ApplyTo::All => PolicyTarget::All,
                ApplyTo::Exchanges => PolicyTarget::Exchanges,
                ApplyTo::Queues => PolicyTarget::Queues,
                ApplyTo::ClassicQueues => PolicyTarget::ClassicQueues,
                ApplyTo::QuorumQueues => PolicyTarget::QuorumQueues,
                ApplyTo::Streams => PolicyTarget::Streams,
            },
            priority: self.priority.unwrap_or_default(),
            definition: self.definition,
        })
    }
}

fn seen(
    site: &Site,
    visitor: &Visitor,
    vhost: Option<&str>,
) -> Result<impl Iterator<Item = Policy>, Failure> {
    let sights = visitor.sights(site, vhost)?;
    let policies = site.engine().policies().into_iter();
    Ok(policies.filter(move |policy| sights.iter().any(|(vhost, _)| *vhost == policy.vhost)))
}

fn find(site: &Site, visitor: &Visitor, vhost: &str, name: &str) -> Result<Policy, Failure> {
    let mut seen = seen(site, visitor, Some(vhost))?;
    seen.find(|policy| policy.name == name)
        .ok_or_else(Failure::no_object)
}

pub(super) async fn list(
    State(site): State<Site>,
    visitor: Visitor,
    view: View,
) -> Result<Response, Failure> {
    view.all(seen(&site, &visitor, None)?.map(PolicyRow::of))
}

pub(super) async fn of_vhost(
    State(site): State<Site>,
    visitor: Visitor,
    InPath(vhost): InPath<String>,
    view: View,
) -> Result<Response, Failure> {
    view.all(seen(&site, &visitor, Some(&vhost))?.map(PolicyRow::of))
}

pub(super) async fn show(
    State(site): State<Site>,
    visitor: Visitor,
    InPath((vhost, name)): InPath<(String, String)>,
    view: View,
) -> Result<Response, Failure> {
    view.one(PolicyRow::of(find(&site, &visitor, &vhost, &name)?))
}

pub(super) async fn put(
    State(site): State<Site>,
    PolicyMaker(visitor): PolicyMaker,
    InPath((vhost, name)): InPath<(String, String)>,
    JsonBody(wish): JsonBody<PolicyWish>,
) -> Result<StatusCode, Failure> {
    let is_new = find(&site, &visitor, &vhost, &name).is_err();
    // A virtual host that is not the visitor's is an error of its own.
    visitor.sight_of(&site, &vhost)?;
    site.operate(wish.request(vhost, name)?).await?;
    Ok(done(is_new))
}

pub(super) async fn delete(
    State(site): State<Site>,
    PolicyMaker(visitor): PolicyMaker,
    InPath((vhost, name)): InPath<(String, String)>,
) -> Result<StatusCode, Failure> {
    find(&site, &visitor, &vhost, &name)?;
    site.operate(Request::PolicyClear { vhost, name }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Policies of operators: there are none.
pub(super) async fn no_operator_policies(_: Visitor) -> Json<Value> {
    Json(json!([]))
}

/// Parameters of extensions: there are none.
pub(super) async fn no_parameters(_: PolicyMaker) -> Json<Value> {
    Json(json!([]))
}

/// Limits of virtual hosts and accounts: there are none.
pub(super) async fn no_limits(_: Administrator) -> Json<Value> {
    Json(json!([]))
}

/// Refuses what is stored with an extension that does not exist.
pub(super) async fn refuse(
    PolicyMaker(_): PolicyMaker,
    axum::extract::OriginalUri(uri): axum::extract::OriginalUri,
) -> Failure {
    Failure::bad_request(format!("nothing can be set at {}", uri.path()))
}
