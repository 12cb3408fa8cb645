//! The JSON of runs, approvals and events. These shapes are part of the interface.

use pawl_core::inbox::{Delegation, Vote};
use pawl_core::journal::Envelope;
use pawl_core::terms::Rung;
use pawl_core::view::{OpenApproval, RunHeader, Waiting};
use pawl_core::{Namespace, Timestamp};
use serde_json::{Value, json};

/// `{id, workflow, version, status, waiting, outputs, error, created_at, updated_at, definition, parent}`, and
/// `namespace` where it is not the default one.
pub fn run(header: &RunHeader) -> Value {
    let shape = json!({
        "id": header.id,
        "workflow": header.workflow,
        "version": header.version,
        "status": header.status,
        "waiting": header.waiting.as_ref().map(waiting),
        "outputs": header.outputs,
        "error": header.error,
        "created_at": header.created_at.to_string(),
        "updated_at": header.updated_at.to_string(),
        "definition": header.definition,
        "parent": header.parent,
    });
    of_namespace(shape, &header.namespace)
}

fn of_namespace(mut shape: Value, namespace: &Namespace) -> Value {
    if !namespace.is_default() {
        shape["namespace"] = namespace.as_str().into();
    }
    shape
}

fn waiting(waiting: &Waiting) -> Value {
    match waiting {
        Waiting::Approval { approval, step, title } => {
            json!({ "for": "approval", "approval": approval, "step": step, "title": title })
        }
        Waiting::Timer { step, reason, until } => {
            json!({ "for": "timer", "step": step, "reason": reason, "until": until.to_string() })
        }
        Waiting::Resume { by, reason } => json!({ "for": "resume", "by": by, "reason": reason }),
        Waiting::Signal { step, name, until } => {
            json!({ "for": "signal", "step": step, "name": name, "until": until.map(|at| at.to_string()) })
        }
        Waiting::Topic { step, pattern, until } => {
            json!({ "for": "topic", "step": step, "pattern": pattern, "until": until.map(|at| at.to_string()) })
        }
        Waiting::Slot { step, key, until } => {
            json!({ "for": "slot", "step": step, "key": key, "until": until.map(|at| at.to_string()) })
        }
        Waiting::Route { step, wanted } => json!({ "for": "route", "step": step, "wanted": wanted }),
        Waiting::Run { step, run } => json!({ "for": "run", "step": step, "run": run }),
    }
}

/// `{id, run, step, title, actions, form, due, digest, workflow, to, subject, on_timeout, created_at}`, with how it is
/// answered and how far it is: `{quorum, at_once, not_by, excluded, reason, labels, claimed_by, claimed_until, decisions,
/// delegations, comments, escalation}`; and `namespace` where it is not the default one.
pub fn approval(open: &OpenApproval) -> Value {
    let inbox = &open.inbox;
    let shape = json!({
        "id": open.id,
        "run": open.run,
        "step": open.step,
        "title": open.title,
        "actions": open.actions,
        "form": open.form,
        "due": open.due.map(|due| due.to_string()),
        "digest": open.digest,
        "workflow": open.workflow,
        "to": open.to,
        "subject": open.subject,
        "on_timeout": open.on_timeout,
        "created_at": open.created_at.to_string(),
        "quorum": open.terms.quorum.unwrap_or(1),
        "at_once": open.terms.at_once,
        "not_by": open.terms.not_by,
        "excluded": inbox.excluded,
        "reason": open.terms.reason,
        "labels": open.terms.labels,
        "claimed_by": inbox.claim.as_ref().map(|claim| &claim.by),
        "claimed_until": inbox.claim.as_ref().map(|claim| claim.until.to_string()),
        "decisions": inbox.votes.iter().map(vote).collect::<Vec<_>>(),
        "delegations": inbox.delegations.iter().map(delegation).collect::<Vec<_>>(),
        "comments": inbox.comments,
        "escalation": {
            "level": inbox.level,
            "to": inbox.escalated_to,
            "next": inbox.escalates.map(|at| at.to_string()),
            "rungs": open.terms.escalate.iter().map(rung).collect::<Vec<_>>(),
        },
    });
    of_namespace(shape, &open.namespace)
}

fn vote(vote: &Vote) -> Value {
    json!({
        "action": vote.action,
        "by": vote.by,
        "instead_of": vote.instead_of,
        "comment": vote.comment,
        "at": vote.at.to_string(),
        "executes": vote.executes,
    })
}

fn delegation(delegation: &Delegation) -> Value {
    json!({
        "by": delegation.by,
        "voice": delegation.voice,
        "to": delegation.to,
        "at": delegation.at.to_string(),
    })
}

fn rung(rung: &Rung) -> Value {
    json!({ "after": rung.after.to_string(), "to": rung.to })
}

/// The fields of events that are instants.
const INSTANTS: [&str; 4] = ["deadline", "due", "retry_at", "until"];

/// `{seq, time, prev, version, event, data}`.
pub fn event(envelope: &Envelope) -> Value {
    let mut tagged = serde_json::to_value(&envelope.event).unwrap_or_default();
    let mut data = tagged.get_mut(envelope.event.name()).map(Value::take).unwrap_or_default();
    for name in INSTANTS {
        if let Some(instant) = data.get_mut(name)
            && let Some(ms) = instant.as_u64()
        {
            *instant = Timestamp(ms).to_string().into();
        }
    }
    json!({
        "seq": envelope.seq,
        "time": envelope.time.to_string(),
        "prev": envelope.prev,
        "version": envelope.version,
        "event": envelope.event.name(),
        "data": data,
    })
}
