//! `payments`: pays money back. Nothing really moves; the receipt follows from the idempotency key.

use pawl_plugin::prelude::*;

mod payments;

export_tools![Tool::at_most_once("refund", "Pays an order's money back.", payments::refund)];

#[cfg(test)]
mod tests {
    use super::payments::{Refund, refund};
    use pawl_plugin::prelude::*;

    fn refund_with(key: &str, amount: f64) -> Result<String, Failure> {
        let context = Context { idempotency_key: key.to_owned(), ..Context::default() };
        refund(&context, Refund { order: "A-1001".to_owned(), amount }).map(|receipt| receipt.receipt)
    }

    #[test]
    fn the_same_key_gives_the_same_receipt() {
        assert_eq!(refund_with("one", 49.9), refund_with("one", 49.9));
        assert_ne!(refund_with("one", 49.9), refund_with("two", 49.9));
    }

    #[test]
    fn an_amount_that_is_not_positive_is_invalid_input() {
        for amount in [0.0, -1.0] {
            assert_eq!(refund_with("one", amount).unwrap_err().kind, FailureKind::InvalidInput);
        }
    }
}
