//! Budgets: the fold of what was reserved, settled and raised.
//!
//! What is reserved counts as used until it is settled, so a call that a crash cut off never falls
//! out of the count: it is made again with a reservation of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::{Activity, CallProgress, CallState, RunState};
use crate::budget::{Amounts, Dimension, Prices};
use crate::event::{
    BudgetExceeded, BudgetRaised, BudgetReserved, BudgetSet, BudgetSettled, Entry, Event, Shortage, Work,
};
use crate::{RunId, Timestamp, VisitId};

/// A budget, and what was used of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Meter {
    /// The most of each thing that is limited.
    pub limits: Amounts,
    /// From which part of a limit on it is told, in percent.
    pub warn_at: u8,
    /// What was used, with what is reserved for calls under way.
    pub used: Amounts,
    /// The limits of which it was told that they are nearly reached.
    pub warned: BTreeSet<Dimension>,
}

/// What is kept for a call, or for a run that a visit started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Open {
    /// The budgets that it counts in.
    scopes: Vec<Option<VisitId>>,
    /// What is kept in each of them.
    pub(crate) reserved: Amounts,
    /// When the call began.
    pub(crate) since: Timestamp,
    /// The run, where it is for one.
    pub(crate) child: Option<RunId>,
}

/// A call by its visit and number; without a number an attempt of a tool step, or a run.
pub(crate) type Place = (VisitId, Option<u32>);

/// The budgets of a run; nothing in them for one that has none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Budgets {
    /// The run's own is without a visit.
    meters: BTreeMap<Option<VisitId>, Meter>,
    open: BTreeMap<Place, Open>,
    /// The calls that did not fit, and what a person is asked to raise.
    short: BTreeMap<Place, Vec<Shortage>>,
}

impl Budgets {
    pub(crate) fn meter(&self, of: Option<VisitId>) -> Option<&Meter> {
        self.meters.get(&of)
    }

    pub(crate) fn open(&self, place: Place) -> Option<&Open> {
        self.open.get(&place)
    }

    /// What is kept for calls and attempts of a visit; not for runs that it started.
    pub(crate) fn open_of(&self, visit: VisitId) -> Vec<(Place, Open)> {
        let range = self.open.range((visit, None)..=(visit, Some(u32::MAX)));
        range.filter(|(_, open)| open.child.is_none()).map(|(place, open)| (*place, open.clone())).collect()
    }

    /// How many runs that were started have something kept for them in a budget.
    pub(crate) fn children(&self, of: Option<VisitId>) -> u64 {
        let counts = |open: &&Open| open.child.is_some() && open.scopes.contains(&of);
        self.open.values().filter(counts).count() as u64
    }

    pub(crate) fn short(&self, place: Place) -> &[Shortage] {
        self.short.get(&place).map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.meters.is_empty()
    }

    /// Forgets what a visit that is over, or its attempt, had under way. What was kept stays used.
    pub(super) fn let_go(&mut self, visit: VisitId) {
        self.open.retain(|(of, _), open| *of != visit || open.child.is_some());
        self.short.retain(|(of, _), _| *of != visit);
    }

    /// What a visit waits for more of, and what a person is asked to raise.
    pub(super) fn short_of(&self, visit: VisitId) -> impl Iterator<Item = (Place, Vec<Shortage>)> {
        let range = self.short.range((visit, None)..=(visit, Some(u32::MAX)));
        range.map(|(place, short)| (*place, short.clone()))
    }

    /// What a failure took away waits again.
    pub(super) fn put_back(&mut self, short: BTreeMap<Place, Vec<Shortage>>) {
        self.short.extend(short);
    }

    fn reserve(&mut self, place: Place, open: Open) {
        for scope in &open.scopes {
            if let Some(meter) = self.meters.get_mut(scope) {
                meter.used.add(&open.reserved);
            }
        }
        self.open.insert(place, open);
    }

    fn settle(&mut self, settled: &BudgetSettled) {
        let Some(open) = self.open.remove(&(settled.visit, settled.call)) else { return };
        for scope in &open.scopes {
            if let Some(meter) = self.meters.get_mut(scope) {
                meter.used.take(&open.reserved);
                meter.used.add(&settled.spent);
            }
        }
    }

    fn raise(&mut self, raised: &BudgetRaised) {
        self.short.remove(&(raised.visit, raised.call));
        for Shortage { of, dimension, limit, .. } in &raised.limits {
            if let Some(meter) = self.meters.get_mut(of) {
                meter.limits.set(*dimension, *limit);
            }
        }
    }
}

impl RunState {
    /// The budgets of the run and its visits, the run's first, in the order of arrival.
    pub fn budgets(&self) -> impl Iterator<Item = (Option<VisitId>, &Meter)> {
        self.budgets.meters.iter().map(|(of, meter)| (*of, meter))
    }

    /// What models cost, where money is counted.
    pub const fn prices(&self) -> &Prices {
        &self.prices
    }

    /// What the run as a whole has used, where it has a budget.
    pub fn spent(&self) -> Amounts {
        self.budgets.meter(None).map(|meter| meter.used.clone()).unwrap_or_default()
    }

    /// Whether what a visit does counts in some budget.
    pub fn is_budgeted(&self, visit: VisitId) -> bool {
        !self.budgets.is_empty() && !self.scopes(visit).is_empty()
    }

    /// The budgets that what a visit does counts in, the innermost first. What a step's `catch`, `finally` and
    /// `undo` do is not the step's: they are there for when it can do no more.
    pub(crate) fn scopes(&self, visit: VisitId) -> Vec<Option<VisitId>> {
        let (mut found, mut at, mut counts) = (Vec::new(), Some(visit), true);
        while let Some((id, visit)) = at.and_then(|id| Some((id, self.visits.get(&id)?))) {
            if counts && self.budgets.meters.contains_key(&Some(id)) {
                found.push(Some(id));
            }
            if let Some((caller, _)) = visit.caller {
                at = Some(caller);
                continue;
            }
            let around = self.frames.get(&visit.frame).and_then(|frame| frame.within.as_ref());
            at = around.map(|(id, _)| *id);
            counts = matches!(around, Some((_, Entry::Branch(_) | Entry::Item(_) | Entry::Loop)));
        }
        if self.budgets.meters.contains_key(&None) {
            found.push(None);
        }
        found
    }

    /// Whether an attempt of a tool step has begun and is not counted yet: in the middle of a decision.
    pub(crate) fn is_uncounted(&self, visit: VisitId) -> bool {
        let tool = self.visit(visit).is_some_and(|at| matches!(at.work.as_deref(), Some(Work::Tool { .. })));
        tool && self.is_budgeted(visit) && self.budgets.open((visit, None)).is_none()
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "`apply` hands over these events and no others")]
    pub(super) fn apply_budget(&mut self, time: Timestamp, event: &Event) {
        match event {
            Event::BudgetSet(set) => self.set_budget(set),
            Event::BudgetReserved(reserved) => {
                let BudgetReserved { visit, call, reserved } = &**reserved;
                self.keep_for(time, (*visit, *call), reserved, None);
            }
            Event::BudgetSettled(settled) => self.budgets.settle(settled),
            Event::BudgetWarned(warned) => {
                if let Some(meter) = self.budgets.meters.get_mut(&warned.of) {
                    meter.warned.insert(warned.dimension);
                }
            }
            Event::BudgetExceeded(exceeded) => self.pause_call(exceeded),
            Event::BudgetRaised(raised) => {
                self.budgets.raise(raised);
                self.spare_attempt(raised);
            }
            _ => {}
        }
    }

    /// In a suspended run the attempt that did not fit gives way to another one, which is begun when the run is
    /// resumed. It never began, so it is none of those that its step's `retry` allows.
    fn spare_attempt(&mut self, raised: &BudgetRaised) {
        let suspended = self.is_suspended();
        if let Some(visit) = self.visits.get_mut(&raised.visit).filter(|_| suspended && raised.call.is_none())
        {
            visit.attempts_before = visit.attempts_before.saturating_add(1);
        }
    }

    fn set_budget(&mut self, set: &BudgetSet) {
        let BudgetSet { visit, limits, warn_at, carried } = set.clone();
        let meter = Meter { limits, warn_at, used: carried, warned: BTreeSet::new() };
        self.budgets.meters.insert(visit, meter);
    }

    /// Counts what is kept for a call or a run as used, in every budget around it.
    pub(super) fn keep_for(
        &mut self,
        time: Timestamp,
        place: Place,
        reserved: &Amounts,
        child: Option<RunId>,
    ) {
        let scopes = self.scopes(place.0);
        if scopes.is_empty() {
            return;
        }
        // What was kept for a try that a crash cut off is added to, or only its time begins anew.
        let before = self.budgets.open(place).filter(|_| reserved.is_empty());
        let kept = before.map(|open| open.reserved.clone());
        self.budgets.reserve(place, Open { scopes, reserved: reserved.clone(), since: time, child });
        if let (Some(kept), Some(open)) = (kept, self.budgets.open.get_mut(&place)) {
            open.reserved = kept;
        }
    }

    /// A call that does not fit waits for a person, who takes the time that they take.
    fn pause_call(&mut self, exceeded: &BudgetExceeded) {
        let BudgetExceeded { visit: id, call, request, short, .. } = exceeded;
        self.budgets.short.insert((*id, *call), short.clone());
        self.with_callers(*id, |visit| {
            visit.deadline = None;
            visit.total_at = None;
        });
        let Some(visit) = self.visits.get_mut(id) else { return };
        match (call, request) {
            (Some(call), Some(request)) => {
                // What a person changed of a guarded call is not what the agent asked, whose digest the call keeps.
                let digest = visit.calls.get(*call).map_or_else(|| request.digest(), |state| state.digest);
                let progress = CallProgress::Paused(request.clone(), None);
                visit.calls.set(*call, CallState { digest, progress });
            }
            // The approval follows.
            _ => visit.activity = Activity::Arrived,
        }
    }
}
