//! Budgets: room is made for a call before it is made, and what it did not use is given back.
//!
//! A call that does not fit is not made. pawl asks a person for more, the step waits, and nothing
//! of what it has done is lost.

use serde_json::{Map, Value, json};

use super::Draft;
use crate::budget::{Amounts, Dimension, after, before, tool_call};
use crate::call::{CallRequest, CallResponse, Question};
use crate::definition::{
    BUDGET_CALLS_MAX, BUDGET_MONEY_MAX, BUDGET_TOKENS_MAX, BlockIndex, Budget, Step, Verb,
};
use crate::event::{
    Asker, Because, BudgetExceeded, BudgetRaised, BudgetReserved, BudgetSet, BudgetSettled, BudgetWarned,
    Entry, Event, Shortage, Work,
};
use crate::refusal::Refusal;
use crate::state::{Meter, RunState};
use crate::terms::Terms;
use crate::{Failure, FailureKind, FrameId, RunId, VisitId};

/// Give more: how much is in the form.
pub(super) const RAISE: &str = "raise";
/// Give no more: the step fails.
const END: &str = "end";

impl Draft<'_> {
    /// The run's own budget: what its workflow says, and what the step allows it that started it.
    pub(super) fn set_run_budget(&mut self) {
        let allowance = self.state.allowance.clone();
        let (limits, warn_at) = match &self.definition.budget {
            Some(Budget { limits, warn_at }) => (limits.clone().narrowed(&allowance), *warn_at),
            None if allowance.is_empty() => return,
            None => (allowance, crate::definition::BUDGET_WARN_AT_DEFAULT_PERCENT),
        };
        let set = BudgetSet { visit: None, limits, warn_at, carried: Amounts::default() };
        self.push(Event::BudgetSet(Box::new(set)));
    }

    /// The budget of a visit that has just arrived. One that takes the place of a failed one goes on with its count.
    pub(super) fn set_visit_budget(&mut self, frame: FrameId, visit: VisitId, step: &Step, because: Because) {
        let Some(Budget { limits, warn_at }) = step.budget.clone() else { return };
        let earlier = |(id, at): (VisitId, &crate::state::Visit)| {
            (id != visit && at.step == step.id && at.frame == frame).then_some(id)
        };
        let before = self.state.visits().filter_map(earlier).last();
        let before = before.filter(|_| because == Because::Retried);
        let meter = before.and_then(|id| self.state.budgets.meter(Some(id)));
        let carried = meter.map(|meter| meter.used.clone()).unwrap_or_default();
        // What a person has given more stays given.
        let limits = meter.map_or(limits, |meter| meter.limits.clone());
        let set = BudgetSet { visit: Some(visit), limits, warn_at, carried };
        self.push(Event::BudgetSet(Box::new(set)));
    }

    /// Makes room for an agent's call. Without it, a person is asked, and the call is not made.
    pub(super) fn reserve_call(&mut self, visit: VisitId, call: u32, request: &CallRequest) -> bool {
        if !self.state.is_budgeted(visit) {
            return true;
        }
        let wanted = before(request, &self.state.prices);
        let short = self.shortages(visit, &wanted);
        if short.is_empty() {
            let reserved = BudgetReserved { visit, call: Some(call), reserved: wanted };
            self.push(Event::BudgetReserved(Box::new(reserved)));
            return true;
        }
        let (what, arguments) = match request {
            CallRequest::Model { profile, .. } => (format!("model {profile}"), Value::Null),
            CallRequest::Tool { name, arguments } => (format!("tool {name}"), arguments.clone()),
            CallRequest::ToolList
            | CallRequest::AgentList
            | CallRequest::Agent { .. }
            | CallRequest::Signal { .. }
            | CallRequest::Human(_)
            | CallRequest::MemoryGet { .. }
            | CallRequest::MemoryPut { .. }
            | CallRequest::Sleep { .. }
            | CallRequest::Log { .. }
            | CallRequest::Denied { .. } => (request.function().to_owned(), Value::Null),
        };
        let question = self.question(visit, &what, arguments, &wanted, &short);
        let request = Some(request.clone());
        let exceeded = BudgetExceeded { visit, call: Some(call), request, wanted, short };
        self.push(Event::BudgetExceeded(Box::new(exceeded)));
        self.ask(visit, Asker::BudgetCall(call), question);
        false
    }

    /// Begins an attempt, which waits for a person where it is a tool's and does not fit.
    pub(super) fn begin_attempt(&mut self, visit: VisitId, started: Event) {
        let Event::AttemptStarted { work, .. } = &started else { return };
        let work = work.clone().or_else(|| self.state.visit(visit)?.work.as_deref().cloned().map(Box::new));
        let Some(Work::Tool { plugin, tool, arguments, .. }) = work.as_deref() else {
            return self.push(started);
        };
        if !self.state.is_budgeted(visit) {
            return self.push(started);
        }
        let wanted = tool_call();
        let short = self.shortages(visit, &wanted);
        if short.is_empty() {
            let reserved = BudgetReserved { visit, call: None, reserved: wanted };
            self.push(Event::BudgetReserved(Box::new(reserved)));
            return self.push(started);
        }
        let arguments = arguments.clone().into_value();
        let question = self.question(visit, &format!("tool {plugin}.{tool}"), arguments, &wanted, &short);
        // The attempt has what is to be done; it is begun anew when there is room for it.
        self.push(started);
        let exceeded = BudgetExceeded { visit, call: None, request: None, wanted, short };
        self.push(Event::BudgetExceeded(Box::new(exceeded)));
        self.ask(visit, Asker::BudgetStep, question);
    }

    /// The limits that leave no room.
    fn shortages(&self, visit: VisitId, wanted: &Amounts) -> Vec<Shortage> {
        let mut short = Vec::new();
        // What takes back what was done is counted, and not held up.
        if self.state.undoing.is_some() {
            return short;
        }
        for of in self.state.scopes(visit) {
            let Some(meter) = self.state.budgets.meter(of) else { continue };
            for (dimension, limit) in meter.limits.iter() {
                let (used, wanted) = (meter.used.used(dimension), wanted.used(dimension));
                let fits = match dimension {
                    // How long a call takes nobody knows: it may begin while there is some left.
                    Dimension::Duration => used < limit,
                    Dimension::Tokens
                    | Dimension::Calls
                    | Dimension::ModelCalls
                    | Dimension::ToolCalls
                    | Dimension::Money => wanted == 0 || used.saturating_add(wanted) <= limit,
                };
                if !fits {
                    short.push(Shortage { of, dimension, used, limit });
                }
            }
        }
        short
    }

    /// A call has its answer: what was kept for it gives way to what it has used.
    pub(super) fn settle_call_budget(
        &mut self,
        visit: VisitId,
        call: u32,
        request: &CallRequest,
        response: &CallResponse,
    ) {
        let Some(open) = self.state.budgets.open((visit, Some(call))) else { return };
        let spent = after(request, response, &open.reserved, &self.state.prices);
        let took = self.now.since(open.since);
        self.settle_budget(visit, Some(call), spent.with(Dimension::Duration, took.0));
    }

    /// The attempt of a visit is over, and the calls that were under way in it are cut off.
    pub(super) fn settle_attempt_budget(&mut self, visit: VisitId) {
        for ((visit, call), open) in self.state.budgets.open_of(visit) {
            let took = self.now.since(open.since);
            self.settle_budget(visit, call, open.reserved.with(Dimension::Duration, took.0));
        }
    }

    /// A run that a step started tells what it has used.
    pub(super) fn settle_child_budget(&mut self, visit: VisitId, child: RunId, spent: Amounts) -> bool {
        let open = self.state.budgets.open((visit, None));
        if open.is_none_or(|open| open.child != Some(child)) {
            return false;
        }
        self.settle_budget(visit, None, spent);
        true
    }

    pub(super) fn settle_budget(&mut self, visit: VisitId, call: Option<u32>, spent: Amounts) {
        self.push(Event::BudgetSettled(Box::new(BudgetSettled { visit, call, spent })));
        for warned in self.state.budgets().flat_map(|(of, meter)| nearly(of, meter)).collect::<Vec<_>>() {
            self.push(Event::BudgetWarned(Box::new(warned)));
        }
    }

    /// The process that made these calls is gone: what was kept for them is used, and the time in which nobody
    /// worked is not theirs.
    pub(super) fn recover_budget(&mut self, visit: VisitId) {
        for ((visit, call), open) in self.state.budgets.open_of(visit) {
            if open.since == self.now {
                continue;
            }
            if call.is_none() {
                let reserved = BudgetReserved { visit, call, reserved: Amounts::default() };
                self.push(Event::BudgetReserved(Box::new(reserved)));
            } else {
                self.settle_budget(visit, call, open.reserved);
            }
        }
    }

    /// What a run that a visit starts may use: of each budget that it counts in its share of what is left, where
    /// as many share as may still run beside it.
    pub(super) fn allowance(&self, visit: VisitId) -> Amounts {
        let mut allowance = Amounts::default();
        for of in self.state.scopes(visit) {
            let Some(meter) = self.state.budgets.meter(of) else { continue };
            let others = self.state.budgets.children(of);
            let sharers = self.width(visit, of).saturating_sub(others).max(1);
            let share = |(dimension, limit): (Dimension, u64)| {
                (dimension, limit.saturating_sub(meter.used.used(dimension)) / sharers)
            };
            allowance = allowance.narrowed(&meter.limits.iter().map(share).collect());
        }
        allowance
    }

    /// How many places there are, within the budget of a visit or of the run, that may be worked on at once where
    /// this visit is: the branches, items and steps of graphs around it.
    fn width(&self, visit: VisitId, of: Option<VisitId>) -> u64 {
        let (mut width, mut at) = (1_u64, Some(visit));
        while let Some(visit) = at.filter(|id| Some(*id) != of).and_then(|id| self.state.visit(id)) {
            let Some(frame) = self.state.frame(visit.frame) else { break };
            let block = self.step_named(&visit.step).map(|step| step.block);
            width = width.saturating_mul(self.beside(block));
            at = frame.within.as_ref().map(|(around, _)| *around);
            if let Some((around, entry)) = &frame.within {
                width = width.saturating_mul(self.at_once(*around, entry));
            }
        }
        width
    }

    /// How many steps of a list may be under way at once.
    fn beside(&self, block: Option<BlockIndex>) -> u64 {
        let graph = block.and_then(|block| self.definition.block(block)).filter(|block| block.is_graph);
        graph.map_or(1, |block| block.steps.len() as u64)
    }

    /// How many lists within a visit may be gone through at once.
    fn at_once(&self, around: VisitId, entry: &Entry) -> u64 {
        let verb = self.step_of(around).map(|step| &step.verb);
        match (entry, verb) {
            (Entry::Branch(_), Some(Verb::Parallel(parallel))) => parallel.branches.len() as u64,
            (Entry::Item(_), Some(Verb::Map(map))) => {
                let inside = self.state.visit(around).and_then(|visit| visit.inside.as_ref());
                let items = inside.map_or(1, |inside| inside.items.len());
                u64::from(map.max_parallel).min(items as u64)
            }
            _ => 1,
        }
    }

    /// Does what a person said of a call that did not fit.
    pub(super) fn raise_or_end(&mut self, visit: VisitId, call: Option<u32>, action: &str, data: &Value) {
        if action != RAISE {
            return self.end_at_budget(visit, call);
        }
        let limits = raised(self.state, visit, call, data);
        self.push(Event::BudgetRaised(Box::new(BudgetRaised { visit, call, limits })));
        // An agent makes its call in its next run.
        if call.is_none() {
            if self.state.is_suspended() {
                self.attempt_when_resumed(visit, "a person gave it more while the run was suspended");
            } else {
                self.attempt_afresh(visit);
            }
        }
    }

    /// Whether a step may be ended for want of more: not while a call that must happen at most once is under way.
    pub(super) fn check_end(&self, asker: Asker, visit: VisitId, action: &str) -> Result<(), Refusal> {
        let ends = matches!(asker, Asker::BudgetCall(_) | Asker::BudgetStep) && action == END;
        let top = self.state.first_caller(visit);
        match self.state.visit(top) {
            Some(at) if ends && !self.state.running_within(top).is_empty() => {
                Err(Refusal::CallUnderWay { step: at.step.clone() })
            }
            _ => Ok(()),
        }
    }

    /// The step fails, whoever of its agents it was that wanted more.
    fn end_at_budget(&mut self, visit: VisitId, call: Option<u32>) {
        let short = self.state.budgets.short((visit, call));
        let told: Vec<_> = short.iter().map(|short| told(self.state, short)).collect();
        let message = format!("it came to the end of its budget, and a person ended it: {}", told.join("; "));
        let top = self.state.first_caller(visit);
        self.fail_attempt(top, Failure::new(FailureKind::Budget, message), false);
    }

    fn question(
        &self,
        visit: VisitId,
        what: &str,
        arguments: Value,
        wanted: &Amounts,
        short: &[Shortage],
    ) -> Question {
        let step = self.state.visit(visit).map(|visit| visit.step.to_string()).unwrap_or_default();
        let shortages: Vec<_> = short.iter().map(|short| told(self.state, short)).collect();
        let mut subject = json!({
            "call": what,
            "wanted": as_json(wanted),
            "short": short.iter().map(|short| shown(self.state, short)).collect::<Vec<_>>(),
        });
        if !arguments.is_null() {
            subject["arguments"] = arguments;
        }
        let title = format!("Give step '{step}' more for {what}? {}", shortages.join("; "));
        Question {
            title,
            to: Vec::new(),
            actions: [RAISE, END].map(str::to_owned).to_vec(),
            form: Some(form(short)),
            subject: Some(subject),
            due: None,
            on_timeout: None,
            terms: Terms::default(),
        }
    }
}

/// What is wrong with a form in which somebody gives more.
pub(super) fn problem(state: &RunState, visit: VisitId, call: Option<u32>, data: &Value) -> Option<String> {
    let limits = raised(state, visit, call, data);
    let asked: Vec<_> =
        state.budgets.short((visit, call)).iter().map(|short| short.dimension.name()).collect();
    limits.is_empty().then(|| format!("'{RAISE}' needs how much more, at least one of: {}", asked.join(", ")))
}

/// The limits that were too narrow, as they are when so much is given.
fn raised(state: &RunState, visit: VisitId, call: Option<u32>, data: &Value) -> Vec<Shortage> {
    let short = state.budgets.short((visit, call)).iter();
    let raise = |short: &Shortage| {
        let more = short.dimension.from_json(data.get(short.dimension.name())?)?;
        // Somebody else may have raised it meanwhile.
        let now = state.budgets.meter(short.of)?.limits.used(short.dimension);
        Some(Shortage { limit: now.saturating_add(more), ..short.clone() })
    };
    short.filter_map(raise).collect()
}

/// How much more of what is short there may be.
fn form(short: &[Shortage]) -> Value {
    let field = |short: &Shortage| {
        let whole = |max: u32| json!({ "type": "integer", "minimum": 1, "maximum": max });
        let mut schema = match short.dimension {
            Dimension::Tokens => whole(BUDGET_TOKENS_MAX),
            Dimension::Calls | Dimension::ModelCalls | Dimension::ToolCalls => whole(BUDGET_CALLS_MAX),
            Dimension::Duration => json!({ "type": "string", "pattern": "^[0-9]+(ms|s|m|h|d)$" }),
            Dimension::Money => {
                json!({ "type": "number", "exclusiveMinimum": 0, "maximum": BUDGET_MONEY_MAX })
            }
        };
        schema["description"] = json!(format!("for '{RAISE}': how much more"));
        (short.dimension.name().to_owned(), schema)
    };
    let fields: Map<_, _> = short.iter().map(field).collect();
    json!({ "type": "object", "properties": fields, "additionalProperties": false })
}

fn nearly(of: Option<VisitId>, meter: &Meter) -> Vec<BudgetWarned> {
    let limits = meter.limits.iter().filter(|(dimension, _)| !meter.warned.contains(dimension));
    let near = limits.filter_map(|(dimension, limit)| {
        let used = meter.used.used(dimension);
        let reached =
            u128::from(used).saturating_mul(100) >= u128::from(limit).saturating_mul(meter.warn_at.into());
        (used > 0 && reached).then_some(BudgetWarned { of, dimension, used, limit })
    });
    near.collect()
}

/// `tokens: 900 of 1000 used by step 'think'`.
fn told(state: &RunState, short: &Shortage) -> String {
    let Shortage { of, dimension, used, limit } = short;
    let whose = of.and_then(|id| state.visit(id)).map(|visit| format!("step '{}'", visit.step));
    let whose = whose.unwrap_or_else(|| "the run".to_owned());
    let (name, used, limit) = (dimension.name(), dimension.written(*used), dimension.written(*limit));
    format!("{name}: {whose} has used {used} of {limit}")
}

fn shown(state: &RunState, short: &Shortage) -> Value {
    let Shortage { of, dimension, used, limit } = short;
    json!({
        "step": of.and_then(|id| state.visit(id)).map(|visit| visit.step.to_string()),
        "budget": dimension.name(),
        "used": dimension.to_json(*used),
        "limit": dimension.to_json(*limit),
    })
}

fn as_json(amounts: &Amounts) -> Value {
    let amounts =
        amounts.iter().map(|(dimension, amount)| (dimension.name().to_owned(), dimension.to_json(amount)));
    Value::Object(amounts.collect())
}
