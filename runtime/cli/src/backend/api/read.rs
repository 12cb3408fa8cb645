//! The API's JSON as the types that commands work with.

use pawl_core::inbox::{Claim, Inbox};
use pawl_core::journal::{Envelope, Head};
use pawl_core::terms::{Rung, Terms};
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{RunId, Timestamp};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::fault::Fault;

/// The fields of events that are instants, as the API writes them.
const INSTANTS: [&str; 4] = ["deadline", "due", "retry_at", "until"];

/// The server answers something that is none of its API.
pub(super) fn strange() -> Fault {
    Fault::failed("the server gave an answer that does not fit")
        .hint("check that --server names a server of this version of pawl")
}

pub(super) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value)
        .map_err(|error| Fault { message: format!("{}: {error}", strange().message), ..strange() })
}

/// Instants are text in the API.
pub(super) fn instants(value: &mut Value, names: &[&str]) {
    for name in names {
        if let Some(instant) = value.get_mut(name)
            && let Some(Ok(Timestamp(ms))) = instant.as_str().map(Timestamp::parse)
        {
            *instant = ms.into();
        }
    }
}

/// A run. Where it came with its steps, its head says how many events there are.
pub(super) fn header(run: &Value) -> Result<RunHeader, Fault> {
    let mut header = run.clone();
    instants(&mut header, &["created_at", "updated_at"]);
    if let Some(waiting) = header.get_mut("waiting") {
        instants(waiting, &["until"]);
    }
    let id: RunId = run["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(strange)?;
    let seq = run["events"].as_u64().unwrap_or_default();
    header["head"] = json!(Head { seq, ..Head::empty(id) });
    header["wake_at"] = Value::Null;
    read(header)
}

/// An open approval.
pub(super) fn approval(open: &Value) -> Result<OpenApproval, Fault> {
    let mut open = open.clone();
    instants(&mut open, &["due", "created_at", "claimed_until"]);
    for list in ["decisions", "delegations"] {
        for item in open[list].as_array_mut().into_iter().flatten() {
            instants(item, &["at"]);
        }
    }
    instants(&mut open["escalation"], &["next"]);
    // The API has side by side what the types have in two.
    let (terms, inbox) = (terms(&open)?, inbox(&open)?);
    if let Value::Object(fields) = &mut open {
        fields.retain(|name, _| !["terms", "inbox"].contains(&name.as_str()));
    }
    Ok(OpenApproval { terms, inbox, ..read(open)? })
}

/// A field, or what stands for none.
fn field<T: DeserializeOwned + Default>(of: &Value, name: &str) -> Result<T, Fault> {
    Ok(read::<Option<T>>(of[name].clone())?.unwrap_or_default())
}

fn terms(open: &Value) -> Result<Terms, Fault> {
    let rungs = open["escalation"]["rungs"].as_array().into_iter().flatten().map(|rung| {
        let after = rung["after"].as_str().and_then(|after| after.parse().ok()).ok_or_else(strange)?;
        Ok(Rung { after, to: field(rung, "to")? })
    });
    Ok(Terms {
        // One is what is needed where nothing is said.
        quorum: field::<Option<u32>>(open, "quorum")?.filter(|quorum| *quorum > 1),
        at_once: field(open, "at_once")?,
        not_by: field(open, "not_by")?,
        reason: field(open, "reason")?,
        labels: field(open, "labels")?,
        claim_for: None,
        escalate: rungs.collect::<Result<_, Fault>>()?,
    })
}

fn inbox(open: &Value) -> Result<Inbox, Fault> {
    let until = field::<Option<Timestamp>>(open, "claimed_until")?;
    let escalation = &open["escalation"];
    Ok(Inbox {
        // Since when it is held the API does not say.
        claim: match (field::<Option<String>>(open, "claimed_by")?, until) {
            (Some(by), Some(until)) => Some(Claim { by, since: until, until }),
            _ => None,
        },
        votes: field(open, "decisions")?,
        delegations: field(open, "delegations")?,
        comments: field(open, "comments")?,
        level: field(escalation, "level")?,
        escalated_to: field(escalation, "to")?,
        escalates: field(escalation, "next")?,
        excluded: field(open, "excluded")?,
    })
}

/// An event of a journal.
pub(super) fn event(event: &Value) -> Result<Envelope, Fault> {
    let mut data = event["data"].clone();
    instants(&mut data, &INSTANTS);
    let name = event["event"].as_str().ok_or_else(strange)?;
    let mut envelope = json!({
        "v": event["version"], "seq": event["seq"], "time": event["time"], "prev": event["prev"], "event": { name: data },
    });
    instants(&mut envelope, &["time"]);
    read(envelope)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shape;
    use pawl_core::event::{Actor, Event};
    use pawl_core::inbox::{Delegation, Vote};
    use pawl_core::view::{Status, Waiting};
    use pawl_core::{Digest, StepId};

    #[test]
    fn what_the_api_writes_is_read_as_it_was() {
        let id = RunId::from_bytes([7; 16]);
        let run = RunHeader {
            namespace: pawl_core::Namespace::default(),
            id,
            workflow: "w".into(),
            version: "1.0.0".into(),
            definition: Digest::of(b"w"),
            status: Status::Waiting,
            waiting: Some(Waiting::Timer {
                step: StepId::new("a"),
                reason: "wait".into(),
                until: Timestamp(5_000),
            }),
            outputs: None,
            error: None,
            created_at: Timestamp(1_000),
            updated_at: Timestamp(2_000),
            wake_at: None,
            parent: None,
            seeks: false,
            head: Head::empty(id),
        };
        assert_eq!(header(&shape::run(&run)).unwrap(), run);
    }

    #[test]
    fn an_approval_is_read_with_all_that_was_done_with_it() {
        let id = RunId::from_bytes([7; 16]);
        let open = OpenApproval {
            id: pawl_core::ApprovalId::from_bits(7),
            run: id,
            namespace: pawl_core::Namespace::default(),
            workflow: "w".into(),
            step: StepId::new("a"),
            title: "Go on?".into(),
            to: vec!["group:desk".into()],
            actions: vec!["yes".into()],
            form: None,
            subject: None,
            due: Some(Timestamp(9_000)),
            on_timeout: Some("no".into()),
            digest: Digest::of(b"asked"),
            created_at: Timestamp(1_000),
            terms: Terms {
                quorum: Some(2),
                at_once: Some(vec!["no".into()]),
                not_by: vec!["initiator".into()],
                reason: vec!["no".into()],
                labels: [("yes".to_owned(), "Yes, please".to_owned())].into(),
                claim_for: None,
                escalate: vec![Rung { after: "2h".parse().unwrap(), to: vec!["user:boss".into()] }],
            },
            inbox: Inbox {
                claim: Some(Claim {
                    by: "user:ann".into(),
                    since: Timestamp(8_000),
                    until: Timestamp(8_000),
                }),
                votes: vec![Vote {
                    action: "yes".into(),
                    by: "user:dan".into(),
                    instead_of: Some("user:fay".into()),
                    comment: None,
                    at: Timestamp(3_000),
                    executes: None,
                }],
                delegations: vec![Delegation {
                    by: "user:fay".into(),
                    voice: "user:fay".into(),
                    to: vec!["user:dan".into()],
                    at: Timestamp(2_000),
                }],
                comments: 3,
                level: 1,
                escalated_to: vec!["user:boss".into()],
                escalates: Some(Timestamp(7_000)),
                excluded: vec!["user:eve".into()],
            },
        };
        assert_eq!(approval(&shape::approval(&open)).unwrap(), open);
    }

    #[test]
    fn an_event_is_read_as_it_was() {
        let by = Actor { name: "user:ann".into(), groups: Vec::new(), operator: true, via: "cli".into() };
        let envelope = Envelope {
            version: 1,
            seq: 3,
            time: Timestamp(9_000),
            prev: Digest::of(b"x"),
            event: Event::RunCancelled { by, reason: Some("enough".into()) },
        };
        assert_eq!(event(&shape::event(&envelope)).unwrap(), envelope);
    }
}
