//! The `orders` plugin, which reports every call before it answers.

use pawl_plugin::prelude::*;
use tally::report;

#[path = "../../../orders/src/orders.rs"]
mod orders;

use orders::{List, Listing, Lookup, Order};

fn lookup(context: &Context, input: Lookup) -> Result<Order, Failure> {
    report("orders.lookup", context, &input)?;
    orders::lookup(context, input)
}

fn list(context: &Context, input: List) -> Result<Listing, Failure> {
    report("orders.list", context, &input)?;
    orders::list(context, input)
}

export_tools![
    Tool::idempotent("lookup", "Finds one order by its id.", lookup),
    Tool::idempotent("list", "Lists the ids of all orders, or of one customer's.", list),
];
