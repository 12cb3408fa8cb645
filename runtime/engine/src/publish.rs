//! Signals and events that come from outside, within the trace of who sends them.

use pawl_core::event::{Actor, Origin};
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::topic::check_topic;
use pawl_core::trace::TraceContext;
use pawl_core::{Command, Digest, Namespace, Refusal, RunId, within_depth};
use serde_json::Value;

use crate::driver::tell_hearers;
use crate::engine::too_deep;
use crate::{Engine, EngineError};

impl Engine {
    /// A signal by a sender who may be in a trace: the step that takes it is linked with that.
    pub async fn signal_within(
        &self,
        run: RunId,
        (name, data): (String, Value),
        by: Actor,
        key: Option<String>,
        trace: Option<TraceContext>,
    ) -> Result<(), EngineError> {
        if !within_depth(&data, VALUE_MAX_DEPTH) {
            return Err(Refusal::InvalidSignal { name, problems: vec![too_deep()] }.into());
        }
        self.command(run, Command::Signal { name, data, by, key, trace }).await
    }

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
        self.publish_within(namespace, (topic, data), from, None).await
    }

    async fn publish_within(
        &self,
        namespace: &Namespace,
        (topic, data): (&str, Value),
        from: Origin,
        trace: Option<&TraceContext>,
    ) -> Result<(), EngineError> {
        check_topic(topic)?;
        if !within_depth(&data, VALUE_MAX_DEPTH) {
            return Err(EngineError::EventTooDeep);
        }
        let _turn = self.turn().await?;
        tell_hearers(&self.context, namespace, (topic, &data), (from, trace)).await
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
        self.publish_in_trace(namespace, (topic, data), id, None).await
    }

    /// The same by somebody who is in a trace: the steps that hear of it are linked with it.
    pub async fn publish_in_trace(
        &self,
        namespace: &Namespace,
        (topic, data): (&str, Value),
        id: Option<&str>,
        trace: Option<&TraceContext>,
    ) -> Result<(), EngineError> {
        // What it is known by takes the place of the run.
        let run = match id {
            Some(id) => {
                let digest = Digest::of(format!("event\0{namespace}\0{topic}\0{id}").as_bytes());
                RunId::from_bytes(digest.as_bytes().first_chunk().copied().unwrap_or_default())
            }
            None => self.new_run_id(),
        };
        self.publish_within(namespace, (topic, data), Origin { run, seq: 0 }, trace).await
    }
}
