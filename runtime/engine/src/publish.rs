//! Events that come from outside, for whoever waits for their topics.

use pawl_core::event::Origin;
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::topic::check_topic;
use pawl_core::{Namespace, within_depth};
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
}
