//! A store that fails for a while, or was altered: nothing that was done is done again, nobody is told
//! what is not durable, and nothing is taken for what was recorded that is not.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, bail, ensure};
use async_trait::async_trait;
use pawl_core::event::{Event, Origin};
use pawl_core::expression::VALUE_MAX_DEPTH;
use pawl_core::journal::EncodedEvent;
use pawl_core::view::{OpenApproval, RunHeader, Status};
use pawl_core::{ApprovalId, Digest, Duration, MemoryScope, Refusal, RunId, Ticket, Timestamp};
use pawl_engine::{EngineError, ManualClock, StartOptions};
use pawl_store::memory::MemoryStore;
use pawl_store::{
    ApprovalFilter, ApprovalPage, Batch, Page, RunFilter, RunPage, Store, StoreError, StoreInfo, TicketPlace,
};
use pawl_tests::{BEGIN, Scene, patiently, person};
use serde_json::{Value, json};
use tokio::sync::watch;

/// A real store whose disk is full, or slow, or altered, whenever the test says so.
#[derive(Debug)]
pub(crate) struct Failing {
    store: MemoryStore,
    /// How many commits it still takes; any number, when nothing is said.
    takes: watch::Sender<Option<u32>>,
    refused: watch::Sender<u32>,
    /// Whether commits wait, and how many do or did.
    held: watch::Sender<bool>,
    entered: watch::Sender<u32>,
    /// Whether blobs come back with their last byte changed.
    altered: watch::Sender<bool>,
    /// Whether journals wait to be read, and how many do.
    unread: watch::Sender<bool>,
    reading: watch::Sender<usize>,
    /// The run whose commits wait.
    halted: watch::Sender<Option<RunId>>,
    /// The run whose journal is damaged.
    unreadable: watch::Sender<Option<RunId>>,
    /// What comes of the list of slots, and how often it was read.
    list: watch::Sender<List>,
    listed: watch::Sender<u32>,
}

/// What comes of the list of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum List {
    /// It is told as it is.
    Told,
    /// It is read, and told later as it was then.
    Late,
    /// It cannot be read.
    Damaged,
    /// The row of this run cannot be read.
    Row(RunId),
}

impl Failing {
    pub(crate) fn new() -> Arc<Self> {
        let (takes, refused) = (watch::Sender::new(None), watch::Sender::new(0));
        let (held, entered) = (watch::Sender::new(false), watch::Sender::new(0));
        let altered = watch::Sender::new(false);
        let (unread, reading) = (watch::Sender::new(false), watch::Sender::new(0));
        let (halted, unreadable) = (watch::Sender::new(None), watch::Sender::new(None));
        let (list, listed) = (watch::Sender::new(List::Told), watch::Sender::new(0));
        let store = MemoryStore::new();
        Arc::new(Self {
            store,
            takes,
            refused,
            held,
            entered,
            altered,
            unread,
            reading,
            halted,
            unreadable,
            list,
            listed,
        })
    }

    /// Says what comes of the list of slots from now on.
    pub(crate) fn list(&self, what: List) {
        self.list.send_replace(what);
    }

    /// How often the list of slots was read so far.
    pub(crate) fn lists(&self) -> u32 {
        *self.listed.borrow()
    }

    /// Waits until the list of slots was read this many times.
    pub(crate) async fn listed(&self, times: u32) -> Result<()> {
        let mut listed = self.listed.subscribe();
        patiently("a list of slots that is read", listed.wait_for(|listed| *listed >= times)).await??;
        Ok(())
    }

    /// Says whose journal is damaged from now on.
    pub(crate) fn damage(&self, run: Option<RunId>) {
        self.unreadable.send_replace(run);
    }

    /// Says whose commits wait from now on.
    pub(crate) fn halt(&self, run: Option<RunId>) {
        self.halted.send_replace(run);
    }

    /// How many commits came so far.
    pub(crate) fn commits(&self) -> u32 {
        *self.entered.borrow()
    }

    /// Waits until this many commits came, whatever became of them.
    pub(crate) async fn committing(&self, commits: u32) -> Result<()> {
        let mut entered = self.entered.subscribe();
        patiently("a commit", entered.wait_for(|entered| *entered >= commits)).await??;
        Ok(())
    }

    /// How many commits it takes from now on; any number, when nothing is said.
    pub(crate) fn take(&self, commits: Option<u32>) {
        self.takes.send_replace(commits);
    }

    /// Waits until this many commits were refused.
    pub(crate) async fn refused(&self, times: u32) -> Result<()> {
        let mut refused = self.refused.subscribe();
        patiently("a refused commit", refused.wait_for(|refused| *refused >= times)).await??;
        Ok(())
    }
}

#[async_trait]
impl Store for Failing {
    async fn commit(&self, batch: &Batch) -> Result<(), StoreError> {
        self.entered.send_modify(|entered| *entered += 1);
        // The sender is this store's own, so the wait ends only when commits go on.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        let of = |run: &RunId| batch.runs.iter().any(|commit| commit.run == *run);
        let _ = self.halted.subscribe().wait_for(|halted| !halted.as_ref().is_some_and(of)).await;
        let mut full = false;
        self.takes.send_modify(|takes| match takes {
            None => {}
            Some(0) => full = true,
            Some(left) => *left -= 1,
        });
        if full {
            self.refused.send_modify(|refused| *refused += 1);
            return Err(StoreError::Full("the test says so".into()));
        }
        self.store.commit(batch).await
    }

    async fn journal(&self, run: RunId, from_seq: u64) -> Result<Vec<EncodedEvent>, StoreError> {
        self.reading.send_modify(|reading| *reading += 1);
        let _ = self.unread.subscribe().wait_for(|unread| !unread).await;
        self.reading.send_modify(|reading| *reading -= 1);
        if *self.unreadable.borrow() == Some(run) {
            return Err(StoreError::Damaged("the test says so".into()));
        }
        self.store.journal(run, from_seq).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunHeader>, StoreError> {
        self.store.run(run).await
    }

    async fn runs(&self, filter: &RunFilter, page: &Page<RunId>) -> Result<RunPage, StoreError> {
        self.store.runs(filter, page).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<(Timestamp, RunId)>, StoreError> {
        self.store.due(now, limit).await
    }

    async fn outgoing(&self, after: Option<Origin>, limit: usize) -> Result<Vec<Origin>, StoreError> {
        self.store.outgoing(after, limit).await
    }

    async fn subscribers(&self, patterns: &[String]) -> Result<Vec<RunId>, StoreError> {
        self.store.subscribers(patterns).await
    }

    async fn tickets(&self, after: Option<TicketPlace>, limit: usize) -> Result<Vec<Ticket>, StoreError> {
        let tickets = self.store.tickets(after, limit).await;
        self.listed.send_modify(|listed| *listed += 1);
        let _ = self.list.subscribe().wait_for(|list| *list != List::Late).await;
        let reason = || "the test says so".to_owned();
        match *self.list.borrow() {
            List::Damaged => Err(StoreError::Damaged(reason())),
            List::Row(run) => {
                let mut tickets = tickets?;
                match tickets.iter().position(|ticket| ticket.run == run) {
                    Some(0) => {
                        Err(StoreError::DamagedTicket { run, visit: tickets[0].visit, reason: reason() })
                    }
                    at => {
                        tickets.truncate(at.unwrap_or(tickets.len()));
                        Ok(tickets)
                    }
                }
            }
            List::Told | List::Late => tickets,
        }
    }

    async fn memories(
        &self,
        after: Option<&MemoryScope>,
        limit: usize,
    ) -> Result<Vec<MemoryScope>, StoreError> {
        self.store.memories(after, limit).await
    }

    async fn memory(&self, scope: &MemoryScope) -> Result<BTreeMap<String, Value>, StoreError> {
        self.store.memory(scope).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.store.next_due().await
    }

    async fn approvals(
        &self,
        filter: &ApprovalFilter,
        page: &Page<String>,
    ) -> Result<ApprovalPage, StoreError> {
        self.store.approvals(filter, page).await
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, StoreError> {
        self.store.approval(id).await
    }

    async fn run_of_approval(&self, id: &ApprovalId) -> Result<Option<RunId>, StoreError> {
        self.store.run_of_approval(id).await
    }

    async fn blob(&self, digest: &Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        let bytes = self.store.blob(digest).await?;
        if !*self.altered.borrow() {
            return Ok(bytes);
        }
        Ok(bytes.map(|bytes| {
            let mut bytes = bytes.to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            bytes.into()
        }))
    }

    async fn info(&self) -> Result<StoreInfo, StoreError> {
        self.store.info().await
    }
}

/// Lets time pass, a second after the other, until something has come.
async fn passing<T>(scene: &Scene, awaited: impl Future<Output = Result<T>>) -> Result<T> {
    let mut awaited = std::pin::pin!(awaited);
    loop {
        tokio::select! {
            biased;
            outcome = &mut awaited => return outcome,
            () = tokio::task::yield_now() => scene.clock.advance(Duration::from_secs(1)),
        }
    }
}

pub(crate) const PAY: &str = r"
pawl: 1
workflow: pay
version: 1.0.0
steps:
  - id: ask
    human: { title: Go on? }
  - id: pay
    tool: payments.refund
    with: { order: A-1001, amount: 5 }
outputs: { receipt: '${{ steps.pay.output.receipt }}' }
";

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_cannot_be_stored_is_kept_until_it_can() -> Result<()> {
    let store = Failing::new();
    let clock = ManualClock::new(BEGIN);
    let scene = Scene::on(Arc::clone(&store) as _, clock, |_| {}).await?;
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    // The answer is stored, and the payment's result is not.
    store.takes.send_replace(Some(1));
    scene.answer(&approval, "approve", json!({})).await?;
    store.refused(1).await?;
    // The pause begins when the engine hears of the refusal, which may be later than now.
    passing(&scene, store.refused(2)).await?;
    store.takes.send_replace(None);
    let header = passing(&scene, scene.ended(run)).await?;
    ensure!(header.status == Status::Completed, "{:?}", header.error);
    let names: Vec<_> = scene.engine.history(run).await?.envelopes.iter().map(|e| e.event.name()).collect();
    ensure!(names.iter().filter(|name| **name == "attempt-started").count() == 1, "{names:?}");
    ensure!(!names.contains(&"outcome-unknown"), "{names:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_a_decision_that_is_not_stored() -> Result<()> {
    let store = Failing::new();
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    store.takes.send_replace(Some(0));
    // Both wait for the run to be loaded and are decided in one round: the second rests on the first.
    let (first, second) = tokio::join!(
        scene.answer(&approval, "approve", json!({})),
        scene.answer(&approval, "reject", json!({}))
    );
    for answered in [first, second] {
        ensure!(matches!(answered, Err(EngineError::Store(StoreError::Full(_)))), "{answered:?}");
    }
    store.takes.send_replace(None);
    scene.answer(&approval, "approve", json!({})).await?;
    ensure!(scene.ended(run).await?.status == Status::Completed);
    Ok(())
}

#[tokio::test]
async fn a_follower_hears_of_the_end_of_the_engine() -> Result<()> {
    let scene = Scene::new().await?;
    let run = scene.start(PAY, json!({})).await?;
    let mut follower = scene.engine.follow(run, 1);
    while follower.next().await?.event.name() != "approval-opened" {}
    scene.engine.shut_down().await?;
    let end = patiently("the follower's end", follower.next()).await?;
    ensure!(matches!(end, Err(EngineError::Closed)), "{end:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_commands_are_taken_than_may_be_unanswered() -> Result<()> {
    let store = Failing::new();
    let change = |config: &mut pawl_engine::EngineConfig| config.commands_max = 2;
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), change).await?;
    let workflow = scene.workflow(PAY).await?;
    store.held.send_replace(true);
    let starts: Vec<_> = (0..5)
        .map(|_| {
            let (engine, workflow) = (scene.engine.clone(), workflow.clone());
            tokio::spawn(async move { engine.start(&workflow, json!({}), StartOptions::default()).await })
        })
        .collect();
    let mut entered = store.entered.subscribe();
    patiently("two commits", entered.wait_for(|entered| *entered >= 2)).await??;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    ensure!(*entered.borrow() == 2, "{} commands are taken", *entered.borrow());
    store.held.send_replace(false);
    for start in starts {
        patiently("a start", start).await???;
    }
    Ok(())
}

#[tokio::test]
async fn a_value_that_was_altered_in_the_store_is_not_taken() -> Result<()> {
    let store = Failing::new();
    let change = |config: &mut pawl_engine::EngineConfig| config.payload_inline_max_bytes = 8;
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), change).await?;
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    scene.answer(&approval, "approve", json!({})).await?;
    scene.ended(run).await?;
    scene.engine.history(run).await?;
    store.altered.send_replace(true);
    match scene.engine.history(run).await {
        Err(EngineError::Missing { what, .. }) => ensure!(what.ends_with("unaltered"), "{what}"),
        other => bail!("{other:?}"),
    }
    Ok(())
}

#[tokio::test]
async fn inputs_and_answers_that_are_nested_too_deeply_are_refused_at_the_door() -> Result<()> {
    let scene = Scene::new().await?;
    let deep = (0..=VALUE_MAX_DEPTH).fold(json!(1), |inner, _| json!([inner]));
    let text = PAY.replace("version: 1.0.0", "version: 1.0.0\ninputs: { any: any }");
    match scene.start(&text, json!({ "any": deep })).await {
        Err(error) => ensure!(error.to_string().contains("value_max_depth (64)"), "{error}"),
        Ok(run) => bail!("{run} was started"),
    }
    let run = scene.start(PAY, json!({})).await?;
    let approval = scene.asked(run).await?;
    match scene.answer(&approval, "approve", json!({ "any": deep })).await {
        Err(EngineError::Refused(Refusal::InvalidForm { problems })) => {
            ensure!(problems.iter().any(|problem| problem.contains("value_max_depth (64)")), "{problems:?}");
        }
        other => bail!("{other:?}"),
    }
    Ok(())
}

const BESIDE: &str = "
pawl: 1
workflow: beside
version: 1.0.0
plugins: { spin: ./tests/guests/spin.wasm }
steps:
  - id: both
    parallel:
      branches:
        work: [{ id: spin, tool: spin.forever }]
        person: [{ id: ask, human: { title: Go on? } }]
";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_under_way_is_not_cut_off_since_an_answer_cannot_be_stored() -> Result<()> {
    let store = Failing::new();
    let scene = Scene::on(Arc::clone(&store) as _, ManualClock::new(BEGIN), |_| {}).await?;
    let run = scene.start(BESIDE, json!({})).await?;
    let Event::ApprovalOpened(opened) = scene.named(run, "approval-opened").await?.event else {
        bail!("another event");
    };
    store.takes.send_replace(Some(0));
    let recover = async {
        store.refused(1).await?;
        store.takes.send_replace(None);
        Ok::<_, anyhow::Error>(())
    };
    let answered = async {
        let (answered, recovered) =
            tokio::join!(scene.answer(&opened.approval, "approve", json!({})), recover);
        recovered?;
        Ok(answered?)
    };
    passing(&scene, answered).await?;
    let names: Vec<_> = scene.engine.history(run).await?.envelopes.iter().map(|e| e.event.name()).collect();
    ensure!(names.iter().filter(|name| **name == "approval-decided").count() == 1, "{names:?}");
    ensure!(scene.engine.in_memory().await? == 1, "the attempt goes on");
    scene.engine.cancel(run, person("user:ann", &[], true), None).await?;
    Ok(())
}

#[tokio::test]
async fn no_more_journals_are_read_at_once_than_the_limit_says() -> Result<()> {
    const LOADS_MAX: usize = 64;
    let store = Failing::new();
    let scene = Scene::on(store.clone(), ManualClock::new(BEGIN), |_| {}).await?;
    let asks = "pawl: 1\nworkflow: w\nversion: 1.0.0\nsteps: [{ id: ask, human: { title: Go on? } }]\n";
    let mut approvals = Vec::new();
    for _ in 0..LOADS_MAX + 10 {
        let run = scene.start(asks, json!({})).await?;
        approvals.push(scene.asked(run).await?);
    }
    scene.holds(0).await?;
    store.unread.send_replace(true);
    let answers: Vec<_> = approvals
        .into_iter()
        .map(|approval| {
            let engine = scene.engine.clone();
            let answer = pawl_engine::Answer {
                action: "approve".to_owned(),
                data: serde_json::Value::Null,
                by: person("ann", &[], true),
                comment: None,
            };
            tokio::spawn(async move { engine.answer(&approval, answer).await })
        })
        .collect();
    let mut reading = store.reading.subscribe();
    patiently("journals that are read", reading.wait_for(|reading| *reading >= LOADS_MAX)).await??;
    // Every answer is in the engine's hands, which reads for some of them only.
    patiently("all answers", async {
        while scene.engine.in_memory().await.is_ok_and(|runs| runs < LOADS_MAX + 10) {
            tokio::task::yield_now().await;
        }
    })
    .await?;
    assert_eq!(*store.reading.borrow(), LOADS_MAX);
    store.unread.send_replace(false);
    for answer in answers {
        answer.await??;
    }
    Ok(())
}
