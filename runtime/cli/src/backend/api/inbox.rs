//! Over the API: what is done with approvals beside answering them, and events from outside.

use pawl_core::ApprovalId;
use serde_json::{Value, json};

use super::{Api, http, read};
use crate::backend::protocol::{InboxAct, Reply, Request};
use crate::fault::Fault;

impl Api {
    /// What is done with an approval; gives it as it is then.
    pub(super) async fn act(&self, approval: &ApprovalId, act: InboxAct) -> Result<Reply, Fault> {
        let (verb, body) = match act {
            InboxAct::Claim => ("claim", json!({})),
            InboxAct::Release => ("release", json!({})),
            InboxAct::Delegate { to, comment } => ("delegate", json!({ "to": to, "comment": comment })),
            InboxAct::Comment { text } => ("comment", json!({ "text": text })),
        };
        let open = self.post(&format!("/v1/approvals/{}/{verb}", approval.as_str()), &body).await?;
        Ok(Reply::Approval(Some(Box::new(read::approval(&open)?))))
    }

    /// The run of an approval, open or closed.
    pub(super) async fn run_of(&self, approval: &ApprovalId) -> Result<Reply, Fault> {
        let found = self.look(&format!("/v1/approvals/{}/history", approval.as_str())).await?;
        let run = found.map(|found| read::read(found["approval"]["run"].clone())).transpose()?;
        Ok(Reply::RunOfApproval(run))
    }

    /// Tells runs of an event.
    pub(super) async fn publish(&self, request: Request) -> Result<Reply, Fault> {
        let Request::Publish { topic, data, id } = request else { return Err(super::not_over_the_api()) };
        let path = format!("/v1/topics/{}", http::escaped(&topic));
        self.post(&path, &json!({ "data": data, "id": id })).await?;
        Ok(Reply::Published)
    }

    /// Every plugin of the server, by name.
    pub(crate) async fn plugins(&self) -> Result<Vec<Value>, Fault> {
        Ok(super::items(&self.get("/v1/plugins").await?).to_vec())
    }

    /// A plugin of the server: what it imports and offers.
    pub(crate) async fn plugin(&self, name: &str) -> Result<Value, Fault> {
        self.get(&format!("/v1/plugins/{}", http::escaped(name))).await
    }
}
