//! What follows from a run's journal, as the rows that hold it.

use pawl_core::view::{OpenApproval, RunHeader};
use pawl_core::{ApprovalId, Digest, RunId, Ticket, Timestamp};

use super::prepared::{PreparedApproval, PreparedHeader};
use super::{Table, codec};
use crate::maintain::TableRow;
use crate::{StoreError, Subscription};

/// What follows from a run's journal.
#[derive(Debug, Clone)]
pub struct Projections {
    /// The header.
    pub header: RunHeader,
    /// Open approvals.
    pub approvals: Vec<OpenApproval>,
    /// When each approval was opened that was open after a commit.
    pub approval_places: Vec<(ApprovalId, Timestamp)>,
    /// Waits for topics.
    pub subscriptions: Vec<Subscription>,
    /// Slots that it holds or waits for.
    pub tickets: Vec<Ticket>,
    /// Events that others must be told of.
    pub outgoing: Vec<u64>,
}

/// The rows of a run's projections, each with its table.
pub fn rows_of_run(of: &Projections) -> Result<Vec<(Table, TableRow)>, StoreError> {
    let run = of.header.id;
    let PreparedHeader { bytes, index } = PreparedHeader::new(&of.header)?;
    let row = |table, key: &[u8], value: &[u8]| (table, TableRow { key: key.into(), value: value.into() });
    let mut rows = vec![row(Table::Runs, run.as_bytes(), &bytes)];
    rows.extend(index.status.map(|status| row(Table::Statuses, &codec::status_key(status, run), &[])));
    rows.extend(index.wake_at.map(|wake_at| row(Table::Due, &codec::due_key(wake_at, run), &[])));
    for approval in &of.approvals {
        let PreparedApproval { key, value, .. } = PreparedApproval::new(approval)?;
        rows.push(row(Table::Approvals, &key, &value));
    }
    for (id, created_at) in &of.approval_places {
        let value = codec::journal_key(run, created_at.0);
        rows.push(row(Table::ApprovalRuns, id.as_str().as_bytes(), &value));
    }
    for Subscription { pattern, visit } in &of.subscriptions {
        rows.push(row(Table::Subscriptions, &codec::subscription_key(pattern, run, *visit), &[]));
    }
    for ticket in &of.tickets {
        let key = codec::ticket_key(run, ticket.visit);
        rows.push(row(Table::Tickets, &key, &codec::encode(ticket)?));
    }
    for seq in &of.outgoing {
        rows.push(row(Table::Outgoing, &codec::journal_key(run, *seq), &[]));
    }
    Ok(rows)
}

/// The run that a row of a projection is about, or a journal; nothing where that does not read, and for rows
/// that are of no run.
pub fn run_of_row(table: Table, row: &TableRow) -> Option<RunId> {
    let TableRow { key, value } = row;
    let bytes = match table {
        Table::Journal | Table::Runs | Table::Outgoing | Table::Tickets => key.get(..16),
        Table::Statuses => key.get(1..17),
        Table::Due => key.get(8..24),
        Table::Approvals | Table::ApprovalRuns | Table::Changes => value.get(..16),
        Table::Subscriptions => {
            let end = key.iter().position(|byte| *byte == 0)?;
            key.get(end + 1..end + 17)
        }
        Table::Blobs | Table::Memories | Table::Records => None,
    };
    codec::run_id(bytes?).ok()
}

/// The header that a row holds.
pub fn header_of_row(row: &TableRow) -> Result<RunHeader, StoreError> {
    codec::decode("a run's header", &row.value)
}

/// Which row it is, for people.
pub fn row_name(table: Table, row: &TableRow) -> String {
    let key = &row.key[..];
    let text = |from: usize| String::from_utf8_lossy(key.get(from..).unwrap_or_default()).into_owned();
    let number = |from: usize| {
        key.get(from..from + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_be_bytes)
    };
    match table {
        Table::Journal | Table::Outgoing => format!("event {}", number(16)),
        Table::Runs => "header".to_owned(),
        Table::Statuses => format!("status {}", key.first().copied().unwrap_or_default()),
        Table::Due => format!("due at {}", Timestamp(number(0))),
        Table::Approvals => text(8),
        Table::ApprovalRuns => text(0),
        Table::Subscriptions => {
            String::from_utf8_lossy(key.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
        }
        Table::Tickets => match key.get(16..20).and_then(|bytes| bytes.try_into().ok()) {
            Some(visit) if u32::from_be_bytes(visit) > 0 => format!("visit {}", u32::from_be_bytes(visit)),
            _ => "the run's own slot".to_owned(),
        },
        Table::Blobs => {
            key.try_into().map_or_else(|_| text(0), |digest| Digest::from_bytes(digest).to_string())
        }
        Table::Changes => format!("change {}", number(0)),
        Table::Records => match codec::split_record_key(key) {
            Ok((kind, name)) => format!("{kind} {name}"),
            Err(_) => text(0),
        },
        Table::Memories => match codec::split_memory_key(key) {
            Ok((scope, name)) => format!("{name} of {scope}"),
            Err(_) => text(0),
        },
    }
}
