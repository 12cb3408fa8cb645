//! Gets work done by a server over its HTTP API: `--server URL`.
//!
//! Who asks is who the token says; what they may is the server's to decide. A start carries a key of its own, so that
//! one whose answer was lost can be made again.

mod feed;
mod http;
mod inbox;
mod read;
mod registry;
mod travel;

use pawl_core::plugin::Hosts;
use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, RunId};
use serde_json::{Map, Value, json};

pub(crate) use feed::ApiFeed;
pub(crate) use http::Api;

use super::feed::Feed;
use super::protocol::{Answered, Opened, Reply, Request, Signalled};
use crate::fault::Fault;

/// Rows of a page that is asked for.
const PAGE_ROWS: usize = 500;
/// Characters of a part of a run's id, at least.
const ID_PART_MIN_CHARS: usize = 4;

/// What the API does not do.
pub(super) fn not_over_the_api() -> Fault {
    Fault::usage("this works on a data folder, and not through the API of a server").hint(
        "leave out --server, on the machine that has the folder: there it goes through the server as well",
    )
}

/// The same, with what does it instead.
fn instead(request: &Request) -> Fault {
    let hint = match request {
        Request::Recover => {
            "the server goes on with all runs by itself; with a run, `pawl resume RUN` lifts its suspension"
        }
        Request::Memories | Request::Memory { .. } | Request::Forget { .. } => {
            "use `pawl memory` on the machine of the server, without --server: it goes through the server"
        }
        Request::HeldPlugins | Request::AcceptPlugin { .. } | Request::AcceptDemands { .. } => {
            "what plugins may ask for is accepted on the machine of the server, without --server"
        }
        Request::Identity { .. } => {
            "ask the API itself, /v1/tokens and /v1/namespaces, or leave out --server on the machine of the server"
        }
        Request::Replay { .. } | Request::Verify { .. } => {
            "journals are proved on the machine of the server, without --server; the server checks each that it reads"
        }
        _ => return not_over_the_api(),
    };
    Fault::usage(not_over_the_api().message).hint(hint)
}

/// Who acts is who the token says.
fn own_name(by: &pawl_core::event::Actor) -> Result<(), Fault> {
    if by.operator {
        return Ok(());
    }
    Err(Fault::usage("with --server you act as whoever your token says")
        .hint("leave out --as, and use the token of that person"))
}

/// What goes out of the sandbox is the server's to decide.
fn no_hosts(allowed: &Hosts) -> Result<(), Fault> {
    if allowed.is_empty() {
        return Ok(());
    }
    Err(Fault::usage("--allow-http is the server's to decide")
        .hint("leave it out with --server; its operator allows hosts in pawl.yaml"))
}

fn path_of(run: RunId) -> String {
    format!("/v1/runs/{run}")
}

impl Api {
    /// Carries out one request.
    pub(crate) async fn call(&self, request: Request) -> Result<Reply, Fault> {
        match request {
            Request::Start { text, inputs, allow_http, locked, .. } => {
                if locked {
                    return Err(travel::no_locked());
                }
                no_hosts(&allow_http)?;
                self.start(json!({ "source": text, "inputs": inputs })).await
            }
            Request::Runs { statuses, workflow, limit, after } => {
                let mut query: Vec<_> = after.map(|after| format!("cursor={after}")).into_iter().collect();
                if !statuses.is_empty() {
                    let names: Vec<_> = statuses.iter().map(|status| status.name()).collect();
                    query.push(format!("status={}", names.join(",")));
                }
                query.extend(workflow.map(|name| format!("workflow={}", http::escaped(&name))));
                Ok(Reply::Runs(self.runs(&query, limit).await?))
            }
            Request::FindRun { text } => Ok(Reply::Run(Box::new(self.find(&text).await?))),
            Request::Approvals { run, asked, claimed } => {
                let open = self.approvals(run, claimed).await?.into_iter();
                let open = open.filter(|open| asked.is_empty() || open.is_asked(&asked));
                Ok(Reply::Approvals(open.collect()))
            }
            Request::StartKept { name, version, inputs, allow_http, .. } => {
                no_hosts(&allow_http)?;
                self.start(json!({ "workflow": name, "version": version, "inputs": inputs })).await
            }
            Request::Approval { id } => Ok(Reply::Approval(self.approval(&id).await?.map(Box::new))),
            Request::Answer { approval, action, data, by, comment } => {
                own_name(&by)?;
                self.answer(&approval, json!({ "action": action, "data": data, "comment": comment })).await
            }
            Request::Signal { run, name, data, texts, key, .. } => {
                let data = with_texts(data, texts);
                let from_seq = self.events(run).await? + 1;
                let path = format!("{}/signals/{}", path_of(run), http::escaped(&name));
                self.post(&path, &json!({ "data": data, "key": key })).await?;
                Ok(Reply::Signalled(Signalled { from_seq }))
            }
            Request::Cancel { run, reason, .. } => {
                self.change(run, "cancel", &json!({ "reason": reason })).await
            }
            Request::Suspend { run, reason, .. } => {
                self.change(run, "suspend", &json!({ "reason": reason })).await
            }
            Request::Retry { run, step, .. } => self.go_on(run, "retry", &json!({ "step": step })).await,
            Request::Lift { run, .. } => self.go_on(run, "resume", &json!({})).await,
            Request::Rerun { .. } | Request::Fork { .. } => self.travel(request).await,
            Request::Inbox { approval, act, by } => {
                own_name(&by)?;
                self.act(&approval, act).await
            }
            Request::RunOfApproval { id } => self.run_of(&id).await,
            Request::Register { .. }
            | Request::Workflows
            | Request::Versions { .. }
            | Request::Activate { .. }
            | Request::Source { .. }
            | Request::CheckUpgrade { .. }
            | Request::Upgrade { .. } => self.registry(request).await,
            Request::Publish { .. } => self.publish(request).await,
            request => Err(instead(&request)),
        }
    }

    /// Carries out one request that gives events.
    pub(crate) async fn feed(&self, request: Request) -> Result<Feed, Fault> {
        match request {
            Request::Follow { run, from_seq, to_end, aloud } => {
                Ok(Feed::Api(Box::new(ApiFeed::new(self.clone(), run, from_seq, to_end, aloud))))
            }
            Request::History { run } => {
                let (mut envelopes, mut from) = (Vec::new(), Some("1".to_owned()));
                while let Some(seq) = from {
                    let path = format!("{}/journal?from={seq}&limit={PAGE_ROWS}", path_of(run));
                    let page = self.get(&path).await?;
                    for item in items(&page) {
                        envelopes.push(read::event(item)?);
                    }
                    from = page["next"].as_str().map(str::to_owned);
                }
                Ok(Feed::read(envelopes, self.run(run).await?))
            }
            _ => Err(not_over_the_api()),
        }
    }

    async fn start(&self, body: Value) -> Result<Reply, Fault> {
        let key = format!("idempotency-key: {}", http::new_key());
        self.opened("/v1/runs", &[&key], &body).await
    }

    /// Makes a run.
    async fn opened(&self, path: &str, more: &[&str], body: &Value) -> Result<Reply, Fault> {
        let run = self.ask("POST", path, more, Some(body)).await?;
        let RunHeader { id, workflow, version, .. } = read::header(&run)?;
        Ok(Reply::Started(Opened { run: id, workflow, version, warnings: Vec::new() }))
    }

    async fn runs(&self, query: &[String], limit: usize) -> Result<Vec<RunHeader>, Fault> {
        let (mut runs, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let rows = (limit - runs.len()).min(PAGE_ROWS);
            let mut path = format!("/v1/runs?limit={rows}");
            // A cursor takes the place of where it was to begin.
            let first = query.iter().filter(|part| cursor.is_none() || !part.starts_with("cursor="));
            let next = cursor.as_ref().map(|cursor| format!("cursor={cursor}"));
            for part in first.cloned().chain(next) {
                path = format!("{path}&{part}");
            }
            let page = self.get(&path).await?;
            for item in items(&page) {
                runs.push(read::header(item)?);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() || runs.len() >= limit {
                return Ok(runs);
            }
        }
    }

    /// A run as it stands, with where its journal ends.
    async fn run(&self, run: RunId) -> Result<RunHeader, Fault> {
        read::header(&self.get(&path_of(run)).await?)
    }

    async fn events(&self, run: RunId) -> Result<u64, Fault> {
        Ok(self.run(run).await?.head.seq)
    }

    async fn find(&self, text: &str) -> Result<RunHeader, Fault> {
        if let Ok(run) = text.parse::<RunId>() {
            return self.run(run).await;
        }
        let part = text.to_ascii_lowercase();
        let in_alphabet = part.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if part.len() < ID_PART_MIN_CHARS || !in_alphabet {
            return Err(Fault::usage(format!("'{text}' is not the id of a run"))
                .hint("give an id, or a part of its start or end; `pawl runs` lists them"));
        }
        let found = self.runs(&[format!("q={part}")], usize::MAX).await?;
        let mut found = found.into_iter().filter(|run| {
            let id = run.id.to_string();
            id.starts_with(&part) || id.ends_with(&part)
        });
        match (found.next(), found.next()) {
            (Some(run), None) => self.run(run.id).await,
            (None, _) => Err(Fault::usage(format!("there is no run whose id starts or ends with '{text}'"))
                .hint("`pawl runs` lists them")),
            (Some(one), Some(other)) => {
                Err(Fault::usage(format!("more than one run has an id that starts or ends with '{text}'"))
                    .hint(format!("give more of it; among them are {}, {}", one.id, other.id)))
            }
        }
    }

    async fn approvals(&self, run: Option<RunId>, claimed: Option<bool>) -> Result<Vec<OpenApproval>, Fault> {
        let (mut open, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let run = run.map(|run| format!("&run={run}")).unwrap_or_default();
            let held = claimed.map(|claimed| format!("&claimed={claimed}")).unwrap_or_default();
            let from = cursor.map(|cursor| format!("&cursor={}", http::escaped(&cursor))).unwrap_or_default();
            let page = self.get(&format!("/v1/approvals?limit={PAGE_ROWS}{run}{held}{from}")).await?;
            for item in items(&page) {
                open.push(read::approval(item)?);
            }
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() {
                return Ok(open);
            }
        }
    }

    async fn approval(&self, id: &ApprovalId) -> Result<Option<OpenApproval>, Fault> {
        let found = self.look(&format!("/v1/approvals/{}", id.as_str())).await?;
        found.as_ref().map(read::approval).transpose()
    }

    async fn answer(&self, approval: &ApprovalId, body: Value) -> Result<Reply, Fault> {
        let open = self.approval(approval).await?;
        let from_seq = match &open {
            Some(open) => self.events(open.run).await? + 1,
            None => 1,
        };
        let path = format!("/v1/approvals/{}/decide", approval.as_str());
        let answered = self.post(&path, &body).await?;
        let run = answered["run"].as_str().and_then(|run| run.parse().ok()).ok_or_else(read::strange)?;
        Ok(Reply::Answered(Answered { run, from_seq }))
    }

    async fn change(&self, run: RunId, verb: &str, body: &Value) -> Result<Reply, Fault> {
        let header = self.post(&format!("{}/{verb}", path_of(run)), body).await?;
        Ok(Reply::Run(Box::new(read::header(&header)?)))
    }

    async fn go_on(&self, run: RunId, verb: &str, body: &Value) -> Result<Reply, Fault> {
        let from_seq = self.events(run).await? + 1;
        self.post(&format!("{}/{verb}", path_of(run)), body).await?;
        Ok(Reply::Answered(Answered { run, from_seq }))
    }

    async fn get(&self, path: &str) -> Result<Value, Fault> {
        self.ask("GET", path, &[], None).await
    }

    async fn post(&self, path: &str, body: &Value) -> Result<Value, Fault> {
        self.ask("POST", path, &[], Some(body)).await
    }
}

fn items(page: &Value) -> &[Value] {
    page["items"].as_array().map_or(&[], Vec::as_slice)
}

/// Fields as they were typed: JSON where they are JSON. What they must be, the server says.
fn with_texts(data: Value, texts: Map<String, Value>) -> Value {
    if texts.is_empty() {
        return data;
    }
    let mut fields = match data {
        Value::Object(fields) => fields,
        _ => Map::new(),
    };
    for (name, text) in texts {
        let value = text.as_str().and_then(|text| serde_json::from_str(text).ok());
        fields.insert(name, value.unwrap_or(text));
    }
    fields.into()
}
