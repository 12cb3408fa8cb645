//! What stands between a test's run and its plugins: mocks, faults, and the ledger.

use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use pawl_core::call::CallResponse;
use pawl_core::source::test_file::{Fault, FaultKind, Gives, Mock, Rule, TestCase};
use pawl_core::{Duration, Failure, FailureKind};
use pawl_engine::{AgentPart, AgentWork, Clock as _, Component, StandIn, ToolWork};
use pawl_sandbox::{AgentEnd, AgentHost, ToolEnd};
use serde_json::Value;

use crate::clock::SimulatedClock;
use crate::idle::Idle;
use crate::ledger::{Call, Ledger, WorkId};
use crate::report::Finding;
use crate::store::{ProcessStore, Tape};
use crate::value::{lacking, shown};

/// What a test's tools and agents do, and how far they got with it. Outlives processes, as what is
/// outside does.
#[derive(Debug)]
pub(crate) struct Script {
    mocks: Vec<Mock>,
    faults: Vec<Fault>,
    progress: Mutex<Progress>,
    pub(crate) ledger: Ledger,
}

#[derive(Debug, Default)]
struct Progress {
    /// How often each rule was used, by mock and rule.
    rules: HashMap<(usize, usize), u32>,
    /// How often each fault came.
    faults: HashMap<usize, u32>,
    /// What was decided for each piece of work: who is asked again for the same answers the same.
    decided: HashMap<WorkId, Decision>,
    findings: Vec<Finding>,
}

/// What becomes of one piece of work.
#[derive(Debug, Clone)]
struct Decision {
    delay: Duration,
    does: Does,
}

#[derive(Debug, Clone)]
enum Does {
    Gives(CallResponse),
    Real,
    Nothing,
}

impl Script {
    pub(crate) fn new(test: &TestCase) -> Self {
        Self {
            mocks: test.tools.iter().chain(&test.agents).cloned().collect(),
            faults: test.faults.clone(),
            progress: Mutex::default(),
            ledger: Ledger::default(),
        }
    }

    /// Calls that no rule was made for.
    pub(crate) fn findings(&self) -> Vec<Finding> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).findings.clone()
    }

    fn decide(&self, name: &str, id: WorkId, arguments: &Value) -> Decision {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(decided) = progress.decided.get(&id) {
            return decided.clone();
        }
        let (delay, failure) = progress.faults_of(name, &self.faults);
        let mut decision = match failure {
            Some(failure) => Decision { delay: Duration(0), does: Does::Gives(Err(failure)) },
            None => self.rule(name, arguments, &mut progress),
        };
        decision.delay = Duration(decision.delay.0.saturating_add(delay.0));
        progress.decided.insert(id, decision.clone());
        decision
    }

    fn rule(&self, name: &str, arguments: &Value, progress: &mut Progress) -> Decision {
        let Some((number, mock)) = self.mocks.iter().enumerate().find(|(_, mock)| mock.name == name) else {
            return Decision { delay: Duration(0), does: Does::Real };
        };
        for (index, rule) in mock.rules.iter().enumerate() {
            let used = progress.rules.entry((number, index)).or_default();
            if rule.times.is_some_and(|times| *used >= times) || !applies(rule, arguments) {
                continue;
            }
            *used += 1;
            return Decision { delay: rule.delay, does: Does::from(&rule.gives) };
        }
        let message = format!("no rule of the test applies to this call of {name}");
        progress.findings.push(Finding {
            place: mock.place.clone(),
            what: format!("calls of {name}"),
            expected: "a rule that applies to each".to_owned(),
            found: format!("a call with {}", shown(arguments)),
        });
        Decision { delay: Duration(0), does: Does::Gives(Err(Failure::new(FailureKind::Permanent, message))) }
    }

    /// Rules and faults that a run of the test never came to.
    pub(crate) fn unused(&self) -> Vec<Finding> {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let faults = self.faults.iter().enumerate().filter_map(|(number, fault)| {
            let (FaultKind::Fail { tool, first, .. } | FaultKind::Slow { tool, first, .. }) = &fault.kind
            else {
                return None;
            };
            let came = progress.faults.get(&number).copied().unwrap_or_default();
            (came < *first).then(|| Finding {
                place: fault.place.clone(),
                what: format!("faults of {tool}"),
                expected: first.to_string(),
                found: came.to_string(),
            })
        });
        faults.collect()
    }
}

impl Progress {
    /// The faults that the next call of a tool meets: how much longer it takes, and whether it fails.
    fn faults_of(&mut self, name: &str, faults: &[Fault]) -> (Duration, Option<Failure>) {
        let (mut delay, mut failed) = (Duration(0), None);
        for (number, fault) in faults.iter().enumerate() {
            let (FaultKind::Fail { tool, first, .. } | FaultKind::Slow { tool, first, .. }) = &fault.kind
            else {
                continue;
            };
            let came = self.faults.entry(number).or_default();
            if tool != name || *came >= *first {
                continue;
            }
            *came += 1;
            match &fault.kind {
                FaultKind::Slow { by, .. } => delay = Duration(delay.0.saturating_add(by.0)),
                FaultKind::Fail { failure, .. } => failed = Some(failure.clone()),
                FaultKind::CrashAfter(_) => {}
            }
        }
        (delay, failed)
    }
}

fn applies(rule: &Rule, arguments: &Value) -> bool {
    rule.when.as_ref().is_none_or(|when| lacking(when, arguments).is_empty())
}

impl From<&Gives> for Does {
    fn from(gives: &Gives) -> Self {
        match gives {
            Gives::Result(value) => Self::Gives(Ok(value.clone())),
            Gives::Failure(failure) => Self::Gives(Err(failure.clone())),
            Gives::Real => Self::Real,
            Gives::Nothing => Self::Nothing,
        }
    }
}

/// The script as one process meets it.
#[derive(Debug)]
pub(crate) struct Doubles {
    pub(crate) script: Arc<Script>,
    pub(crate) clock: SimulatedClock,
    pub(crate) idle: Idle,
    pub(crate) store: Arc<ProcessStore>,
    pub(crate) tape: Arc<Tape>,
}

impl Doubles {
    async fn pause(&self, delay: Duration) {
        if delay.0 > 0 {
            self.clock.sleep_until(self.clock.now().after(delay)).await;
        }
    }

    fn begin(&self, call: Call) -> usize {
        self.script.ledger.begin(call)
    }
}

#[async_trait]
impl StandIn for Doubles {
    async fn tool(&self, work: ToolWork<'_>, component: Component<'_, ToolEnd>) -> ToolEnd {
        self.store.alive().await;
        let name = format!("{}.{}", work.plugin, work.tool);
        let id = WorkId { run: work.run, visit: work.visit, attempt: work.attempt, call: work.call };
        let decision = self.script.decide(&name, id, work.arguments);
        let number = self.begin(Call {
            name,
            step: work.step.to_string(),
            id,
            effect: Some(work.effect),
            arguments: work.arguments.clone(),
            seq: self.tape.last_seq(work.run),
            result: None,
        });
        // What it does, it has done by now; only the answer is on its way.
        if let Does::Gives(result) = &decision.does {
            self.script.ledger.end(number, result);
        }
        self.pause(decision.delay).await;
        match decision.does {
            Does::Gives(result) => ToolEnd { result, log: Vec::new() },
            Does::Nothing => pending().await,
            Does::Real => {
                let working = self.idle.work();
                let end = component.await;
                drop(working);
                self.script.ledger.end(number, &end.result);
                end
            }
        }
    }

    async fn agent(&self, work: AgentWork<'_>, host: Box<dyn AgentHost>) -> AgentPart {
        self.store.alive().await;
        let id = WorkId { run: work.run, visit: work.visit, attempt: work.attempt, call: None };
        let decision = self.script.decide(work.plugin, id, work.input);
        let number = self.begin(Call {
            name: work.plugin.to_owned(),
            step: work.step.to_string(),
            id,
            effect: None,
            arguments: work.input.clone(),
            seq: self.tape.last_seq(work.run),
            result: None,
        });
        self.pause(decision.delay).await;
        match decision.does {
            Does::Gives(result) => {
                self.script.ledger.end(number, &result);
                AgentPart::Played(result.map_or_else(AgentEnd::GaveUp, AgentEnd::Completed))
            }
            Does::Nothing => pending().await,
            Does::Real => AgentPart::Component(host),
        }
    }
}
