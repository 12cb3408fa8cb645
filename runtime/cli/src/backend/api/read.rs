//! The API's JSON as the types that commands work with.

use pawl_core::journal::{Envelope, Head};
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

fn read<T: DeserializeOwned>(value: Value) -> Result<T, Fault> {
    serde_json::from_value(value)
        .map_err(|error| Fault { message: format!("{}: {error}", strange().message), ..strange() })
}

/// Instants are text in the API.
fn instants(value: &mut Value, names: &[&str]) {
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
    instants(&mut open, &["due", "created_at"]);
    read(open)
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
