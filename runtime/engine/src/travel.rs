//! Going back in a run, and making another of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use pawl_core::event::{Actor, Event};
use pawl_core::fork::{Change, Fork, Forked, Forker, fork, refuse_answers};
use pawl_core::journal::{Envelope, Head, encode};
use pawl_core::letter::letter;
use pawl_core::plugin::{Ceiling, Permissions, PluginOrigin, PluginPins};
use pawl_core::travel::Rehearsal;
use pawl_core::{Command, Digest, Entropy, Moment, Refusal, RunId, RunState, StepId};
use pawl_store::{Batch, Blob, RunCommit};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::driver::{Message, subscriptions};
use crate::journal::{definition_at, fetch, move_out};
use crate::making::MadeOf;
use crate::plugins::acceptance;
use crate::{Engine, EngineError, Making, PluginEntry, StartOptions, Workflow};

/// How a forked run is rehearsed: what it asks is answered from the journal of the run that it is made of, where
/// that one asked the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearse {
    /// The agents that shall be others.
    pub agents: BTreeMap<String, Replacement>,
    /// The model that is asked in place of all others.
    pub model: Option<String>,
    /// Whether what has no recorded answer is refused, where it would change something outside.
    pub dry: bool,
}

/// Where the component of another agent is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Replacement {
    /// In a file.
    File(PathBuf),
    /// In the store, where a run has put it.
    Stored(Digest),
    /// Wherever its name leads to now: the plugin folder, or what ships with pawl.
    Current,
}

impl Engine {
    /// Starts a new run as another was started: with the same definition and components, or with those of
    /// another workflow; with the same inputs, or with others.
    pub async fn rerun(
        &self,
        run: RunId,
        workflow: Option<&Workflow>,
        inputs: Option<Value>,
        making: impl Into<Making>,
    ) -> Result<RunId, EngineError> {
        let (engine, workflow, making) = (self.clone(), workflow.cloned(), making.into());
        unless_gone(async move { engine.make_anew(run, workflow, inputs, making).await }).await
    }

    async fn make_anew(
        &self,
        run: RunId,
        workflow: Option<Workflow>,
        inputs: Option<Value>,
        making: Making,
    ) -> Result<RunId, EngineError> {
        let _kept = self.context.made_of.read().await;
        let history = self.history(run).await?;
        let state = &history.state;
        let pinned = match workflow {
            Some(workflow) => workflow,
            None => Workflow {
                definition: self.definition_of(run).await?,
                folder: state.folder().map(str::to_owned),
                plugins: Arc::clone(state.plugins()),
                workflows: state.workflows().as_ref().clone(),
                prices: state.prices().clone(),
                warnings: Vec::new(),
                blobs: Arc::default(),
                models: BTreeSet::new(),
            },
        };
        let made_of = MadeOf::new(run, &history, inputs.is_none());
        let inputs = inputs.unwrap_or_else(|| Value::clone(state.inputs()));
        // The operator allowed hosts to what the run was started with, and not to what somebody else puts there.
        let keeps = making.by.operator || pinned.definition.digest == state.definition();
        let allowed = if keeps { state.allowed().clone() } else { Permissions::default() };
        let namespace = state.namespace().clone();
        let Making { by, trace, run: new, records, decides: _ } = making;
        let options = StartOptions { by, allowed, run: new, namespace, records, trace };
        self.start_checked(&pinned, &inputs, &options, Some(&made_of)).await
    }

    /// Makes a new run that begins with the events of another up to `seq`, with some of its values changed.
    /// It is on disk when this returns, and goes on.
    pub async fn fork(
        &self,
        run: RunId,
        seq: u64,
        changes: Vec<Change>,
        making: impl Into<Making>,
    ) -> Result<RunId, EngineError> {
        let making = making.into();
        let _turn = self.turn().await?;
        let engine = self.clone();
        unless_gone(async move { engine.make_fork((run, seq), changes, None, making).await }).await
    }

    /// Makes a fork that shows what would have been, with other agents or another model.
    pub async fn rehearse(
        &self,
        run: RunId,
        seq: u64,
        changes: Vec<Change>,
        how: Rehearse,
        making: impl Into<Making>,
    ) -> Result<RunId, EngineError> {
        let making = making.into();
        if let Some(model) = &how.model
            && self
                .context
                .standing
                .now()
                .models
                .as_ref()
                .is_none_or(|models| !models.names().contains(model))
        {
            let text = format!("there is no model '{model}' in pawl.yaml to ask in place of the others");
            return Err(EngineError::Refused(Refusal::CannotFork(text)));
        }
        let _turn = self.turn().await?;
        let engine = self.clone();
        unless_gone(async move { engine.make_fork((run, seq), changes, Some(how), making).await }).await
    }

    /// The pins of agents that shall be others, and their components.
    async fn replacements(
        &self,
        state: &RunState,
        agents: &BTreeMap<String, Replacement>,
    ) -> Result<(PluginPins, Vec<Blob>), EngineError> {
        let run = state.id();
        let catalog = &self.context.catalog;
        let (mut pins, mut blobs) = (PluginPins::new(), Vec::new());
        for (name, place) in agents {
            let entry = match place {
                Replacement::File(path) => catalog.find(name, Some(path)).await?,
                Replacement::Current => catalog.find(name, None).await?,
                // What the run was started with was trusted then, and its bytes are the same.
                Replacement::Stored(digest)
                    if state.plugins().values().any(|pin| pin.component == *digest) =>
                {
                    let pin = state.plugins().values().find(|pin| pin.component == *digest);
                    pins.extend(pin.map(|pin| (name.clone(), pin.clone())));
                    continue;
                }
                Replacement::Stored(digest) => PluginEntry {
                    name: name.clone(),
                    origin: PluginOrigin::Workflow(format!("sha256:{digest}")),
                    bytes: fetch(self.store().as_ref(), run, digest, "a component").await?,
                    manifest: None,
                    signature: None,
                },
            };
            let (pin, blob) = catalog.pin(&entry).await?;
            pins.insert(name.clone(), pin);
            blobs.push(blob);
        }
        Ok((pins, blobs))
    }

    /// Refuses a model that takes the place of all others where the run may not be granted it: agents are looked at for
    /// what they ask, and that is another one.
    fn refuse_withheld_model(&self, state: &RunState, model: &str) -> Result<(), EngineError> {
        let says = self.context.standing.now();
        let now = says.policy_of(state.namespace());
        let lets = |most: &Ceiling| most.models.as_ref().is_none_or(|models| models.contains(model));
        let own = state.policy();
        if [&own.grants, &own.around, &now.grants].into_iter().all(lets) {
            return Ok(());
        }
        let file = says.said_of(state.namespace());
        let text = format!(
            "the run may not be granted the model '{model}': {file}, or a step that led to it, withholds it"
        );
        Err(EngineError::Refused(Refusal::CannotFork(text)))
    }

    /// Refuses agents that nobody has accepted. Those that the run was started with were.
    async fn refuse_held(&self, state: &RunState, agents: &PluginPins) -> Result<(), EngineError> {
        let is_known = |digest| state.plugins().values().any(|known| known.component == digest);
        for (name, pin) in agents.iter().filter(|(_, pin)| !is_known(pin.component)) {
            acceptance::refuse_held(&self.context, name, pin).await?;
        }
        Ok(())
    }

    /// Refuses answers that whoever forks may not give, in the runs that the events started, and in theirs. All of
    /// them are over at a place of a fork, and their journals stay as long as that of the run that started them.
    async fn refuse_answers_below(
        &self,
        by: &Forker,
        taken: impl Iterator<Item = &Envelope> + Send,
    ) -> Result<(), EngineError> {
        let mut ahead: Vec<RunId> = taken.filter_map(started).collect();
        while let Some(run) = ahead.pop() {
            let history = match self.history(run).await {
                Err(EngineError::UnknownRun(_)) => {
                    let text = format!(
                        "run {run}, which a step had started, is gone, and with it what people may have answered there; \
                         fork before that step, or make a dry rehearsal"
                    );
                    return Err(EngineError::Refused(Refusal::AnswerOfOthers(text)));
                }
                history => history?,
            };
            refuse_answers(by, run, &history.envelopes).map_err(EngineError::Refused)?;
            ahead.extend(history.envelopes.iter().filter_map(started));
        }
        Ok(())
    }

    async fn make_fork(
        &self,
        (run, seq): (RunId, u64),
        changes: Vec<Change>,
        how: Option<Rehearse>,
        making: Making,
    ) -> Result<RunId, EngineError> {
        let Making { by, decides, trace, run: wanted, records: beside } = making;
        let by = Forker { actor: by, decides };
        let _kept = self.context.made_of.read().await;
        let history = self.history(run).await?;
        let (agents, components) = match &how {
            Some(how) => self.replacements(&history.state, &how.agents).await?,
            None => Default::default(),
        };
        if let Some(model) = how.as_ref().and_then(|how| how.model.as_ref()) {
            self.refuse_withheld_model(&history.state, model)?;
        }
        if !by.actor.operator && !how.as_ref().is_some_and(|how| how.dry) {
            self.refuse_answers_below(&by, history.envelopes.iter().take_while(|one| one.seq <= seq)).await?;
        }
        let rehearsal = how.map(|how| Rehearsal { run, dry: how.dry, model: how.model });
        let at = definition_at(&history.envelopes, seq).unwrap_or_else(|| history.state.definition());
        let definition = self.context.definitions.pinned(self.store().as_ref(), run, at).await?;
        let config = &self.context.config;
        let new = wanted.unwrap_or_else(|| config.chance.run_id());
        let moment = Moment { now: config.clock.now(), entropy: Entropy::new(config.chance.bytes(new, 0)) };
        let envelopes = &history.envelopes;
        let others = agents.clone();
        let request = Fork { from: run, envelopes, seq, run: new, changes, agents, rehearsal, trace, by };
        let Forked { state, events } = fork(&definition, request, moment)?;
        self.refuse_held(&history.state, &others).await?;
        let mut head = Head::empty(new);
        let (mut records, mut blobs, mut outgoing) = (Vec::new(), components, Vec::new());
        for (time, event) in events {
            // What the other run told before is not told again.
            if head.seq >= seq && letter(&state, &event).is_some() {
                outgoing.push(head.seq + 1);
            }
            let (stored, large) = move_out(vec![event], config.payload_inline_max_bytes);
            records.extend(encode(&mut head, time, &stored));
            blobs.extend(large);
        }
        let opened = state.approvals().filter_map(|(id, _)| state.open_approval(id)).collect();
        let header = Some(state.header(head));
        let subscribed = subscriptions(&state).into_iter().collect();
        let tells = !outgoing.is_empty();
        let tickets = state.tickets().collect();
        let namespace = state.namespace().clone();
        let commit = RunCommit {
            namespace,
            header,
            opened,
            outgoing,
            subscribed,
            tickets,
            ..RunCommit::new(new, 0, records)
        };
        if let Err(error) = self
            .store()
            .commit(&Batch { runs: vec![commit], blobs, records: beside, ..Batch::default() })
            .await
        {
            // It may be in the store all the same.
            self.context.mailbox.send(Message::MayBeThere(new));
            return Err(error.into());
        }
        if tells {
            self.redeliver().await?;
        }
        self.send(Message::Begin(new)).await?;
        Ok(new)
    }

    /// Lets a failed run go on: the step that failed is tried again where it failed, the innermost unless
    /// another is named.
    pub async fn retry(&self, run: RunId, step: Option<StepId>, by: Actor) -> Result<(), EngineError> {
        self.command(run, Command::Retry { step, by }).await
    }

    /// Stops a run from beginning anything new. What is under way is recorded when it ends.
    pub async fn suspend(&self, run: RunId, by: Actor, reason: Option<String>) -> Result<(), EngineError> {
        self.command(run, Command::Suspend { by, reason }).await
    }

    /// Lets a suspended run go on.
    pub async fn resume(&self, run: RunId, by: Actor) -> Result<(), EngineError> {
        self.command(run, Command::Resume { by }).await
    }
}

/// The run that an event started.
fn started(envelope: &Envelope) -> Option<RunId> {
    if let Event::ChildStarted { child, .. } = &envelope.event { Some(*child) } else { None }
}

/// Makes a run in a task of its own: whoever waits for it may go away in the midst of it, and it is made whole
/// all the same.
async fn unless_gone(
    made: impl Future<Output = Result<RunId, EngineError>> + Send + 'static,
) -> Result<RunId, EngineError> {
    tokio::spawn(made).await.map_err(|_| EngineError::Closed)?
}
