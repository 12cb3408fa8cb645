//! The shop's orders and what can be asked about them.

use pawl_plugin::prelude::*;

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Lookup {
    /// The order's id, such as `A-1001`.
    pub id: String,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    pub id: String,
    pub customer: String,
    pub item: String,
    pub amount: f64,
    /// ISO 4217, such as `EUR`.
    pub currency: String,
    /// Whether it has reached the customer.
    pub delivered: bool,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct List {
    /// Whose orders; everybody's if it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Listing {
    /// Ids of orders, which `lookup` takes.
    pub orders: Vec<String>,
}

/// Id, customer, item, amount in EUR, delivered.
const ORDERS: [(&str, &str, &str, f64, bool); 6] = [
    ("A-1001", "ann", "desk lamp", 49.9, true),
    ("A-1002", "ben", "office chair", 189.0, false),
    ("A-1003", "ann", "standing desk", 420.0, false),
    ("A-1004", "cem", "monitor arm", 75.5, true),
    ("A-1005", "ann", "keyboard", 95.0, false),
    ("A-1006", "dora", "headphones", 129.0, false),
];

pub(crate) fn lookup(_: &Context, input: Lookup) -> Result<Order, Failure> {
    let found = ORDERS.into_iter().find(|(id, ..)| *id == input.id);
    let (id, customer, item, amount, delivered) = found.ok_or_else(|| {
        let known = ORDERS.map(|(id, ..)| id).join(", ");
        Failure::permanent(format!("there is no order `{}`; there are {known}", input.id))
    })?;
    Ok(Order {
        id: id.to_owned(),
        customer: customer.to_owned(),
        item: item.to_owned(),
        amount,
        currency: "EUR".to_owned(),
        delivered,
    })
}

pub(crate) fn list(_: &Context, input: List) -> Result<Listing, Failure> {
    let wanted = |customer: &str| input.customer.as_deref().is_none_or(|name| name == customer);
    let orders = ORDERS.iter().filter(|(_, customer, ..)| wanted(customer)).map(|(id, ..)| (*id).to_owned());
    Ok(Listing { orders: orders.collect() })
}
