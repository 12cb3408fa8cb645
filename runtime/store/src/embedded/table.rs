//! The tables of a store, whatever the engine.

/// A table. Beside these an engine has one named `meta`, with `format` and `created_by`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// (run, first seq) → the framed events of one commit.
    Journal,
    /// Run → its header.
    Runs,
    /// (status, run) of runs that are not final → nothing.
    Statuses,
    /// (`wake_at`, run) → nothing.
    Due,
    /// (`created_at`, id) of open approvals → run, approval.
    Approvals,
    /// Id of an approval, open or closed → run, `created_at`.
    ApprovalRuns,
    /// Digest → bytes.
    Blobs,
    /// (run, seq) of events that others must be told of → nothing.
    Outgoing,
    /// (pattern, 0, run, visit) of waits for topics → nothing.
    Subscriptions,
    /// (run, visit, or 0) of slots that are held or waited for → ticket.
    Tickets,
    /// (scope, key) → value.
    Memories,
    /// Position → run, what changed of it.
    Changes,
    /// (kind, 0, key) → value.
    Records,
}

impl Table {
    /// All of them; each stands at its own number.
    pub const ALL: [Self; 13] = [
        Self::Journal,
        Self::Runs,
        Self::Statuses,
        Self::Due,
        Self::Approvals,
        Self::ApprovalRuns,
        Self::Blobs,
        Self::Outgoing,
        Self::Subscriptions,
        Self::Tickets,
        Self::Memories,
        Self::Changes,
        Self::Records,
    ];

    /// What it is called in the store.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Journal => "journal",
            Self::Runs => "runs",
            Self::Statuses => "statuses",
            Self::Due => "due",
            Self::Approvals => "approvals",
            Self::ApprovalRuns => "approval_runs",
            Self::Blobs => "blobs",
            Self::Outgoing => "outgoing",
            Self::Subscriptions => "subscriptions",
            Self::Tickets => "tickets",
            Self::Memories => "memories",
            Self::Changes => "changes",
            Self::Records => "records",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_table_stands_at_its_own_number() {
        for (place, table) in Table::ALL.into_iter().enumerate() {
            assert_eq!(table as usize, place, "{}", table.name());
        }
    }
}
