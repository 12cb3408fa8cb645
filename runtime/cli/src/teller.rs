//! How the server tells of runs: as the commands do.

use pawl_core::graph::Marks;
use pawl_core::journal::Envelope;
use pawl_core::view::RunHeader;
use pawl_server::Teller;
use serde_json::{Map, Value};

use crate::budgets;
use crate::command::{graph, show};
use crate::story::Story;
use crate::usage::Usage;

/// Tells what `pawl show`, `pawl diff` and `pawl graph` tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told;

impl Teller for Told {
    fn detail(&self, header: &RunHeader, envelopes: &[Envelope]) -> Map<String, Value> {
        show::detail(header.id, envelopes, &Story::of(envelopes))
    }

    fn usage(&self, header: &RunHeader, envelopes: &[Envelope]) -> Value {
        let mut usage = Usage::of(envelopes).to_json();
        usage["budgets"] = budgets::document(header.id, envelopes);
        usage
    }

    fn marks(&self, header: &RunHeader, envelopes: &[Envelope]) -> Marks {
        graph::marks(header.status, envelopes)
    }
}
