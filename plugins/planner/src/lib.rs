//! `planner`: plans a customer's refunds, has a person approve the exact plan, and pays them.
//!
//! Straight-line code: it calls tools, asks somebody who may answer next week, pays and reports,
//! and needs no word about crashes. What is recorded is not done again.

use std::time::Duration;

use pawl_plugin::prelude::*;

struct Planner;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// Whose orders are refunded.
    customer: String,
    /// A pause between approval and payment.
    cool_down_ms: Option<u64>,
}

#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Report {
    /// Ids of the orders whose money was paid back.
    refunded: Vec<String>,
    /// One receipt each, in the same order.
    receipts: Vec<String>,
    /// `approve` or `reject`, or `none` when there was nothing to decide.
    decision: String,
    /// Who decided, if anyone did.
    by: Option<String>,
}

/// What `orders.list` answers.
#[derive(Deserialize)]
struct Listing {
    orders: Vec<String>,
}

/// What this agent reads of what `orders.lookup` answers.
#[derive(Deserialize)]
struct Order {
    id: String,
    amount: f64,
    delivered: bool,
}

/// What `payments.refund` takes.
#[derive(Debug, PartialEq, Serialize)]
struct Refund {
    order: String,
    amount: f64,
}

/// What this agent reads of what `payments.refund` answers.
#[derive(Deserialize)]
struct Receipt {
    receipt: String,
}

/// What a person approves.
#[derive(Serialize)]
struct Plan {
    customer: String,
    refunds: Vec<Refund>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Form {
    /// A remark for the record.
    note: Option<String>,
}

impl Agent for Planner {
    type Input = Input;
    type Output = Report;
    const SUMMARY: &'static str = "Refunds what a customer ordered and never got, once a person approves.";
    const CAPABILITIES: &'static [&'static str] = &["plan"];

    fn run(task: Task<Input>) -> Result<Report, Failure> {
        let Input { customer, cool_down_ms } = task.input;

        let listing: Listing = tools::call("orders.list", &json!({ "customer": customer }))?;
        let mut orders: Vec<Order> = Vec::new();
        for id in &listing.orders {
            orders.push(tools::call("orders.lookup", &json!({ "id": id }))?);
        }
        let plan = Plan { refunds: refunds(orders), customer };
        if plan.refunds.is_empty() {
            log::info!("{} has nothing to refund", plan.customer);
            return Ok(Report { refunded: vec![], receipts: vec![], decision: "none".to_owned(), by: None });
        }
        memory::put("plan", &plan)?;

        let answer = human::ask(Question::new(title(&plan)).subject(&plan).form::<Form>())?;
        if let Some(note) = answer.form::<Form>()?.note {
            log::info!("{} notes: {note}", answer.by);
        }
        let mut report = Report {
            refunded: vec![],
            receipts: vec![],
            decision: answer.action.clone(),
            by: Some(answer.by.clone()),
        };
        if answer.approved() {
            if let Some(cool_down) = cool_down_ms {
                timers::sleep(Duration::from_millis(cool_down))?;
            }
            for refund in plan.refunds {
                let receipt: Receipt = tools::call("payments.refund", &refund)?;
                log::info!("refunded {} for order {}: {}", refund.amount, refund.order, receipt.receipt);
                report.refunded.push(refund.order);
                report.receipts.push(receipt.receipt);
            }
        }
        memory::put("report", &report)?;
        Ok(report)
    }
}

export_agent!(Planner);

/// The whole amount of every order that has not been delivered.
fn refunds(orders: Vec<Order>) -> Vec<Refund> {
    let open = orders.into_iter().filter(|order| !order.delivered);
    open.map(|order| Refund { order: order.id, amount: order.amount }).collect()
}

fn title(plan: &Plan) -> String {
    let sum: f64 = plan.refunds.iter().map(|refund| refund.amount).sum();
    let orders: Vec<_> = plan.refunds.iter().map(|refund| refund.order.as_str()).collect();
    format!("Refund {sum:.2} EUR to {} for {}?", plan.customer, orders.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_delivered_is_refunded() {
        let order = |id: &str, delivered| Order { id: id.to_owned(), amount: 20.0, delivered };
        let refunds = refunds(vec![order("A-1", true), order("A-2", false), order("A-3", false)]);
        let plan = Plan { customer: "ann".to_owned(), refunds };
        assert_eq!(title(&plan), "Refund 40.00 EUR to ann for A-2, A-3?");
    }
}
