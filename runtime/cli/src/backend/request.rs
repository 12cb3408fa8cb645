//! Who makes a request, and whether it may be made twice.

use pawl_core::event::Actor;

use super::protocol::Request;

impl Request {
    /// Who does it, as the client says.
    pub(super) const fn by(&mut self) -> Option<&mut Actor> {
        match self {
            Self::Start { by, .. }
            | Self::Inbox { by, .. }
            | Self::Answer { by, .. }
            | Self::Signal { by, .. }
            | Self::Cancel { by, .. }
            | Self::Rerun { by, .. }
            | Self::Fork { by, .. }
            | Self::Retry { by, .. }
            | Self::Suspend { by, .. }
            | Self::Lift { by, .. }
            | Self::Register { by, .. }
            | Self::Activate { by, .. }
            | Self::StartKept { by, .. }
            | Self::Upgrade { by, .. }
            | Self::Identity { by, .. } => Some(by),
            // All that are, so that one that comes to have somebody who does it is not forgotten.
            Self::Runs { .. }
            | Self::FindRun { .. }
            | Self::Approvals { .. }
            | Self::Memories
            | Self::Memory { .. }
            | Self::HeldPlugins
            | Self::AcceptPlugin { .. }
            | Self::AcceptDemands { .. }
            | Self::Forget { .. }
            | Self::Approval { .. }
            | Self::RunOfApproval { .. }
            | Self::Replay { .. }
            | Self::Recover
            | Self::History { .. }
            | Self::Follow { .. }
            | Self::Workflows
            | Self::Versions { .. }
            | Self::CheckUpgrade { .. }
            | Self::Source { .. }
            | Self::Publish { .. }
            | Self::Verify { .. }
            | Self::About
            | Self::Stats
            | Self::Backup { .. }
            | Self::Prune { .. } => None,
        }
    }

    /// Whether it changes nothing that making it twice would change again.
    pub(super) const fn only_looks(&self) -> bool {
        !matches!(
            self,
            Self::Start { .. }
                | Self::Answer { .. }
                | Self::Inbox { .. }
                | Self::Signal { .. }
                | Self::Cancel { .. }
                | Self::Rerun { .. }
                | Self::Fork { .. }
                | Self::Retry { .. }
                | Self::Suspend { .. }
                | Self::Lift { .. }
                | Self::Register { .. }
                | Self::Activate { .. }
                | Self::StartKept { .. }
                | Self::Upgrade { .. }
                | Self::Publish { .. }
                | Self::Prune { .. }
                | Self::Backup { .. }
                | Self::AcceptPlugin { .. }
                | Self::Identity { .. }
        )
    }
}
