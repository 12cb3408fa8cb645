//! `orders`: looks up the orders of a small shop, which are built in.

use pawl_plugin::prelude::*;

mod orders;

export_tools![
    Tool::pure("lookup", "Finds one order by its id.", orders::lookup),
    Tool::pure("list", "Lists the ids of all orders, or of one customer's.", orders::list),
];

#[cfg(test)]
mod tests {
    use super::orders::{List, Lookup, list, lookup};
    use pawl_plugin::prelude::*;

    #[test]
    fn a_known_order_is_found() {
        let order = lookup(&Context::default(), Lookup { id: "A-1001".to_owned() }).unwrap();
        assert_eq!((order.customer.as_str(), order.amount, order.delivered), ("ann", 49.9, true));
    }

    #[test]
    fn an_unknown_order_is_a_permanent_failure_that_names_those_there_are() {
        let failure = lookup(&Context::default(), Lookup { id: "A-9".to_owned() }).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Permanent);
        assert_eq!(
            failure.message,
            "there is no order `A-9`; there are A-1001, A-1002, A-1003, A-1004, A-1005, A-1006"
        );
    }

    #[test]
    fn orders_are_listed_by_customer() {
        let of = |customer: Option<&str>| {
            list(&Context::default(), List { customer: customer.map(str::to_owned) }).unwrap().orders
        };
        assert_eq!(of(Some("ann")), ["A-1001", "A-1003", "A-1005"]);
        assert_eq!(of(None).len(), 6);
        assert!(of(Some("nobody")).is_empty());
    }
}
