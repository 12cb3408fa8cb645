//! What can be paid.

use pawl_plugin::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refund {
    /// The order's id.
    pub order: String,
    /// More than zero, in EUR.
    pub amount: f64,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the receipt's own number is called so")]
pub(crate) struct Receipt {
    /// The same for every try of the same payment.
    pub receipt: String,
    pub order: String,
    pub amount: f64,
    /// ISO 4217, such as `EUR`.
    pub currency: String,
}

pub(crate) fn refund(context: &Context, input: Refund) -> Result<Receipt, Failure> {
    if input.amount <= 0.0 {
        let message = format!("the amount of a refund is more than zero, not {}", input.amount);
        return Err(Failure::invalid_input(message));
    }
    Ok(Receipt {
        receipt: receipt_of(&context.idempotency_key),
        order: input.order,
        amount: input.amount,
        currency: "EUR".to_owned(),
    })
}

/// `R-` and 16 hexadecimal digits: the key's FNV-1a hash.
fn receipt_of(key: &str) -> String {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("R-{hash:016x}")
}
