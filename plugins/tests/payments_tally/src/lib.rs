//! The `payments` plugin, which reports every call before it answers.

use pawl_plugin::prelude::*;
use tally::report;

#[path = "../../../payments/src/payments.rs"]
mod payments;

use payments::{Receipt, Refund};

fn refund(context: &Context, input: Refund) -> Result<Receipt, Failure> {
    report("payments.refund", context, &input)?;
    payments::refund(context, input)
}

export_tools![Tool::at_most_once("refund", "Pays an order's money back.", refund)];
