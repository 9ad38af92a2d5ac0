//! The run's queue, stream or topic in a Chaski server, by its REST interface.

use serde_json::{Value, json};

use super::super::error::LoadError;
use super::super::options::{LoadOptions, QueueArgument, Routing, WebTarget};
use super::super::plan::Plan;
use super::Topology;
use crate::amqp::ServerInfo;
use crate::api::{Api, ApiError, escape};

/// Knows what messages are published to.
pub(super) struct WebTopology {
    api: Api,
    /// The path of the topic, or of the queue or stream; none once it is removed.
    place: Option<String>,
    is_topic: bool,
    keep: bool,
}

impl WebTopology {
    /// Makes a queue, or what a fan-out needs: a topic, or one stream.
    pub(super) fn create(
        target: &WebTarget,
        options: &LoadOptions,
        plan: &Plan,
    ) -> Result<Self, LoadError> {
        let api = Api::new(&target.url.to_string(), target.url.credentials(), None)
            .map_err(LoadError::api("connecting"))?;
        let is_topic = options.routing == Routing::Fanout && !target.is_one_stream();
        let (place, wish) = if is_topic {
            let topic = escape(&plan.exchange_name());
            let wish = json!({ "kind": "fanout", "durable": options.durable });
            (format!("/v1/topics/{topic}"), wish)
        } else {
            let queue = escape(&plan.queue_name(0));
            let wish = queue_wish(target, options);
            (format!("/v1/queues/{queue}"), wish)
        };
        api.send("PUT", &place, Some(&wish))
            .map_err(LoadError::api("declaring"))?;
        Ok(Self {
            api,
            place: Some(place),
            is_topic,
            keep: options.keep,
        })
    }

    /// Deletes the streams that readers of the topic left behind: they would wait for them for ten minutes.
    fn remove_readers(&self, topic: &str) -> Result<(), ApiError> {
        let bindings = self.api.get(&format!("{topic}/bindings"))?;
        let items = bindings["items"].as_array();
        let queues = items.into_iter().flatten();
        for queue in queues.filter_map(|binding| binding["queue"].as_str()) {
            let queue = format!("/v1/queues/{}", escape(queue));
            self.api.send("DELETE", &queue, None)?;
        }
        Ok(())
    }
}

fn queue_wish(target: &WebTarget, options: &LoadOptions) -> Value {
    if target.is_one_stream() {
        return json!({ "kind": "stream" });
    }
    let arguments = &options.queue_arguments;
    let length = arguments.iter().find_map(|(_, value)| match value {
        QueueArgument::Number(number) => Some(*number),
        QueueArgument::Text(_) | QueueArgument::Flag(_) => None,
    });
    let settings = length.map_or_else(|| json!({}), |length| json!({ "max_length": length }));
    json!({ "durable": options.durable, "settings": settings })
}

impl Topology for WebTopology {
    fn server(&self) -> ServerInfo {
        ServerInfo::default()
    }

    fn depth(&mut self) -> Result<u64, LoadError> {
        let Some(queue) = self.place.as_ref().filter(|_| !self.is_topic) else {
            return Ok(0);
        };
        let queue = self
            .api
            .get(queue)
            .map_err(LoadError::api("looking at the queue"))?;
        Ok(queue["messages_ready"].as_u64().unwrap_or_default())
    }

    fn remove(&mut self) -> Result<(), LoadError> {
        let Some(place) = self.place.take().filter(|_| !self.keep) else {
            return Ok(());
        };
        let remove = || {
            if self.is_topic {
                self.remove_readers(&place)?;
            }
            self.api.send("DELETE", &place, None)
        };
        remove().map(drop).map_err(LoadError::api("removing"))
    }
}

/// A run that fails leaves nothing behind either.
impl Drop for WebTopology {
    fn drop(&mut self) {
        // Nobody is left to tell.
        self.remove().ok();
    }
}
