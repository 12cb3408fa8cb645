//! What listings and indexes show of a state.

use super::{Activity, Approval, CallProgress, Phase, RunState, Suspension, Visit};
use crate::event::Awaited;
use crate::journal::Head;
use crate::view::{OpenApproval, RunHeader, Status, Waiting};
use crate::{ApprovalId, Timestamp, VisitId};

impl RunState {
    /// Where the run stands.
    pub fn status(&self) -> Status {
        match &self.phase {
            Phase::New => Status::Pending,
            Phase::Open if self.is_suspended() => Status::Suspended,
            Phase::Open if self.is_queued() => Status::Pending,
            Phase::Open if self.active().any(|(_, visit)| visit.is_busy()) => Status::Running,
            Phase::Open => Status::Waiting,
            Phase::Completed(_) => Status::Completed,
            Phase::Failed(_) => Status::Failed,
            Phase::Cancelled => Status::Cancelled,
        }
    }

    /// The earliest instant at which something happens by itself.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let visits = self.active().flat_map(|(id, visit)| [self.visit_wake_at(id, visit), visit.total_at]);
        visits.chain([self.deadline.filter(|_| self.is_open())]).flatten().min()
    }

    fn visit_wake_at(&self, id: VisitId, visit: &Visit) -> Option<Timestamp> {
        let own = if let Activity::BackingOff(until)
        | Activity::Waiting(until)
        | Activity::Queued(Some(until))
        | Activity::Listening(_, Some(until)) = visit.activity
        {
            Some(until)
        } else {
            None
        };
        let sleeps = visit.calls.open().filter_map(|(_, call)| {
            if let CallProgress::Sleeping(until) | CallProgress::Listening(_, Some(until)) = call.progress {
                Some(until)
            } else {
                None
            }
        });
        let asked = self.approvals.values().filter(|a| a.open && a.visit == id);
        let due = asked.flat_map(|a| [a.due, a.inbox.escalates]).flatten().min();
        [own, sleeps.min(), due, visit.deadline].into_iter().flatten().min()
    }

    /// What a waiting run waits for: people, then what comes from outside, then its children, then plugins,
    /// then time, then slots.
    pub fn waiting(&self) -> Option<Waiting> {
        if let Some(Suspension { by, reason, .. }) = self.suspension.as_ref().filter(|_| self.is_open()) {
            return Some(Waiting::Resume { by: by.clone(), reason: reason.clone() });
        }
        if let Some(slot) = self.slot.as_ref().filter(|_| self.is_queued()) {
            return Some(Waiting::Slot { step: None, key: slot.key.clone(), until: None });
        }
        if self.status() != Status::Waiting {
            return None;
        }
        let open = self.approvals.iter().filter(|(_, approval)| approval.open);
        if let Some((id, approval)) = open.min_by_key(|(_, approval)| approval.opened_at) {
            return Some(Waiting::Approval {
                approval: id.clone(),
                step: self.visits.get(&approval.visit)?.step.clone(),
                title: approval.question.title.clone(),
            });
        }
        if let Some(waiting) = self.active().find_map(|(_, visit)| awaited(visit)) {
            return Some(waiting);
        }
        if let Some((visit, run)) = self.children().next() {
            return Some(Waiting::Run { step: self.visits.get(&visit)?.step.clone(), run });
        }
        let seeks = self.active().find_map(|(_, visit)| {
            let route = visit.route.as_ref().filter(|_| matches!(visit.activity, Activity::Seeking))?;
            Some(Waiting::Route { step: visit.step.clone(), wanted: route.query.to_string() })
        });
        if seeks.is_some() {
            return seeks;
        }
        let timer = self
            .active()
            .filter(|(_, visit)| !matches!(visit.activity, Activity::Queued(_)))
            .filter_map(|(id, visit)| Some((visit, self.visit_wake_at(id, visit)?)))
            .min_by_key(|(_, until)| *until);
        let Some((visit, until)) = timer else { return self.waits_for_slot() };
        let reason = if matches!(visit.activity, Activity::BackingOff(_)) {
            "retry"
        } else if matches!(visit.activity, Activity::Attempting) {
            "sleep"
        } else {
            "wait"
        };
        Some(Waiting::Timer { step: visit.step.clone(), reason: reason.into(), until })
    }

    fn waits_for_slot(&self) -> Option<Waiting> {
        self.active().find_map(|(_, visit)| {
            let Activity::Queued(until) = visit.activity else { return None };
            let (step, key) = (Some(visit.step.clone()), visit.slot.as_ref()?.key.clone());
            Some(Waiting::Slot { step, key, until })
        })
    }

    /// The header as it stands, for a journal that ends at `head`.
    pub fn header(&self, head: Head) -> RunHeader {
        let status = self.status();
        RunHeader {
            id: self.id,
            workflow: self.workflow.clone(),
            version: self.version.clone(),
            definition: self.definition,
            status,
            waiting: self.waiting(),
            outputs: if let Phase::Completed(outputs) = &self.phase {
                Some((**outputs).clone())
            } else {
                None
            },
            error: if let Phase::Failed(failure) = &self.phase { Some(failure.clone()) } else { None },
            created_at: self.created_at,
            updated_at: self.updated_at,
            // While something is under way the run is in memory, and so are its timers.
            wake_at: if matches!(status, Status::Waiting | Status::Pending) { self.wake_at() } else { None },
            parent: self.parent.map(|parent| parent.run),
            namespace: self.namespace.clone(),
            seeks: self.active().any(|(_, visit)| matches!(visit.activity, Activity::Seeking)),
            head,
        }
    }

    /// An approval as a listing shows it, while it is open.
    pub fn open_approval(&self, id: &ApprovalId) -> Option<OpenApproval> {
        self.approval(id).filter(|(_, is_open)| *is_open).map(|(approval, _)| approval)
    }

    /// An approval as a listing shows it or would show it, and whether it is open.
    pub fn approval(&self, id: &ApprovalId) -> Option<(OpenApproval, bool)> {
        let approval = self.approvals.get(id)?;
        let Approval { visit, question, digest, due, opened_at, inbox, .. } = approval;
        let shown = OpenApproval {
            id: id.clone(),
            run: self.id,
            namespace: self.namespace.clone(),
            workflow: self.workflow.clone(),
            step: self.visits.get(visit)?.step.clone(),
            title: question.title.clone(),
            to: question.to.clone(),
            actions: question.actions.clone(),
            form: question.form.clone(),
            subject: question.subject.clone(),
            due: *due,
            on_timeout: question.on_timeout.clone(),
            digest: *digest,
            created_at: *opened_at,
            terms: question.terms.clone(),
            inbox: inbox.clone(),
        };
        Some((shown, approval.open))
    }
}

/// What a visit waits for that comes from outside its run.
fn awaited(visit: &Visit) -> Option<Waiting> {
    let mut calls = visit.calls.open();
    if let Some((name, until)) = calls.find_map(|(_, call)| call.awaited()) {
        return Some(Waiting::Signal { step: visit.step.clone(), name: name.to_owned(), until });
    }
    let Activity::Listening(awaited, until) = &visit.activity else { return None };
    let (step, until) = (visit.step.clone(), *until);
    Some(match awaited {
        Awaited::Signal(name) => Waiting::Signal { step, name: name.clone(), until },
        Awaited::Topic(pattern) => Waiting::Topic { step, pattern: pattern.clone(), until },
    })
}
