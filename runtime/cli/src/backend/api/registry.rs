//! Over the API: workflows that are kept by name, and runs that go on with another version of theirs.

use std::path::Path;

use pawl_core::RunId;
use pawl_engine::{ActiveVersion, RegisteredVersion, RegisteredWorkflow};
use serde_json::{Value, json};

use super::read::{self, instants, strange};
use super::{Api, PAGE_ROWS, http, items, path_of, travel};
use crate::backend::kept::{Checked, KeptWorkflow, Moved, Registering, Upgraded, WorkflowAt};
use crate::backend::protocol::{Latest, Reply, Request, SourceOf};
use crate::fault::Fault;

fn path_of_workflow(name: &str) -> String {
    format!("/v1/workflows/{}", http::escaped(name))
}

/// With its instants as the types have them.
fn kept(mut value: Value) -> Value {
    instants(&mut value, &["at"]);
    if let Some(active) = value.get_mut("active") {
        instants(active, &["at"]);
    }
    value
}

fn active(value: &Value) -> Result<Option<ActiveVersion>, Fault> {
    let mut value = value.clone();
    instants(&mut value, &["at"]);
    read::read(value)
}

/// What runs would go on with, as a body names it.
fn target(to: WorkflowAt) -> Value {
    match to {
        WorkflowAt::File(Latest { text, .. }) => json!({ "source": text }),
        WorkflowAt::Kept { name, version } => json!({ "workflow": name, "version": version }),
    }
}

impl Api {
    pub(super) async fn registry(&self, request: Request) -> Result<Reply, Fault> {
        match request {
            Request::Register { workflow, activate, locked, .. } => {
                if locked {
                    return Err(travel::no_locked());
                }
                self.register(workflow, activate).await
            }
            Request::Workflows => self.workflows().await,
            Request::Versions { name } => {
                let found = self.get(&path_of_workflow(&name)).await?;
                let versions = items(&found).iter().map(|version| read::read(kept(version.clone())));
                let versions = versions.collect::<Result<Vec<RegisteredVersion>, _>>()?;
                let active = active(&found["active"])?;
                Ok(Reply::Versions(Box::new(KeptWorkflow { name, active, versions })))
            }
            Request::Activate { name, version, .. } => {
                let path = format!("{}/activate", path_of_workflow(&name));
                let made = self.post(&path, &json!({ "version": version })).await?;
                let active = active(&made)?.ok_or_else(strange)?;
                Ok(Reply::Activated(Box::new(active)))
            }
            Request::Source { of, .. } => {
                let path = match of {
                    SourceOf::Run(run) => format!("{}/workflow", path_of(run)),
                    SourceOf::Kept { name, version } => {
                        format!("{}/versions/{}", path_of_workflow(&name), http::escaped(&version))
                    }
                };
                let found = self.get(&path).await?;
                Ok(Reply::Source(found["source"].as_str().ok_or_else(strange)?.to_owned()))
            }
            Request::CheckUpgrade { to, run, after, limit } => {
                self.check_upgrade(to, run, after, limit).await
            }
            Request::Upgrade { to, runs, reason, .. } => {
                let mut body = target(to);
                body["runs"] = json!(runs);
                body["reason"] = reason.into();
                let done = self.post("/v1/upgrades/apply", &body).await?;
                let moved = items(&done).iter().map(|item| {
                    let refused = item["refused"].as_str().map(str::to_owned);
                    Ok(Moved { run: read::read(item["run"].clone())?, refused })
                });
                let moved = moved.collect::<Result<Vec<_>, Fault>>()?;
                Ok(Reply::Upgraded(Box::new(Upgraded { moved })))
            }
            _ => Err(super::not_over_the_api()),
        }
    }

    async fn register(&self, workflow: Latest, activate: bool) -> Result<Reply, Fault> {
        // Where it lies here means nothing there.
        let name = Path::new(&workflow.file).file_name().map(|name| name.to_string_lossy().into_owned());
        let body = json!({ "source": workflow.text, "activate": activate, "file": name });
        let made = kept(self.post("/v1/workflows", &body).await?);
        let registering = Registering {
            active: read::read(made["active"].clone())?,
            warnings: read::read(made["warnings"].clone())?,
            registered: read::read(made)?,
        };
        Ok(Reply::Registered(Box::new(registering)))
    }

    async fn workflows(&self) -> Result<Reply, Fault> {
        let (mut all, mut cursor) = (Vec::<RegisteredWorkflow>::new(), String::new());
        loop {
            let page = self.get(&format!("/v1/workflows?limit={PAGE_ROWS}{cursor}")).await?;
            for item in items(&page) {
                all.push(read::read(kept(item.clone()))?);
            }
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={}", http::escaped(next)),
                None => return Ok(Reply::Workflows(all)),
            }
        }
    }

    async fn check_upgrade(
        &self,
        to: WorkflowAt,
        run: Option<RunId>,
        after: Option<RunId>,
        limit: usize,
    ) -> Result<Reply, Fault> {
        let mut body = target(to);
        body["run"] = json!(run);
        body["cursor"] = json!(after);
        body["limit"] = limit.min(PAGE_ROWS).into();
        let found = self.post("/v1/upgrades/check", &body).await?;
        let text = |name: &str| found[name].as_str().map(str::to_owned).ok_or_else(strange);
        Ok(Reply::Checked(Box::new(Checked {
            workflow: text("workflow")?,
            version: text("version")?,
            definition: read::read(found["definition"].clone())?,
            runs: read::read(found["items"].clone())?,
            next: read::read(found["next"].clone())?,
        })))
    }
}
