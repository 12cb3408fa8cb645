//! Events that come from outside, for whoever waits for their topics.

use pawl_core::event::Origin;
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::topic::check_topic;
use pawl_core::{Digest, Namespace, RunId, within_depth};
use serde_json::Value;

use crate::driver::tell_hearers;
use crate::{Engine, EngineError};

impl Engine {
    /// Tells every run of a namespace that waits for a topic of an event from outside. When this returns it is on disk
    /// in each of them; who begins to wait later does not hear of it. `from` is the caller's name of the
    /// event: a run that has heard of it takes no notice of it again, so one whose publishing was cut off
    /// is simply published again.
    pub async fn publish(
        &self,
        namespace: &Namespace,
        topic: &str,
        data: Value,
        from: Origin,
    ) -> Result<(), EngineError> {
        check_topic(topic)?;
        if !within_depth(&data, VALUE_MAX_DEPTH) {
            return Err(EngineError::EventTooDeep);
        }
        let _turn = self.turn().await?;
        tell_hearers(&self.context, namespace, (topic, &data), from).await
    }

    /// The same for whoever has no run to publish from. By `id` runs know an event again that comes once more; without,
    /// each is another one.
    pub async fn publish_from_outside(
        &self,
        namespace: &Namespace,
        topic: &str,
        data: Value,
        id: Option<&str>,
    ) -> Result<(), EngineError> {
        // What it is known by takes the place of the run.
        let run = match id {
            Some(id) => {
                let digest = Digest::of(format!("event\0{namespace}\0{topic}\0{id}").as_bytes());
                RunId::from_bytes(digest.as_bytes().first_chunk().copied().unwrap_or_default())
            }
            None => self.new_run_id(),
        };
        self.publish(namespace, topic, data, Origin { run, seq: 0 }).await
    }
}
