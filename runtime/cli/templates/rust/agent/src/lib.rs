//! `{{name}}`: an agent that looks up an order and asks a person whether it is refunded.

use pawl_plugin::prelude::*;

struct Clerk;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The order's id.
    order: String,
}

#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Decision {
    refund: bool,
    /// Who decided.
    by: String,
}

/// What the agent needs of an order.
#[derive(Deserialize, Serialize)]
struct Order {
    item: String,
    amount: f64,
}

impl Agent for Clerk {
    type Input = Input;
    type Output = Decision;
    const SUMMARY: &'static str = "Asks a person whether an order is refunded.";

    // Each call is recorded. When this machine goes down, or the answer takes a week, this code runs
    // from the top, is given the recorded answers at once, and goes on behind the last one.
    fn run(task: Task<Input>) -> Result<Decision, Failure> {
        let order: Order = tools::call("orders.lookup", &json!({ "id": task.input.order }))?;
        let answer = human::ask(Question::new(title(&order)).subject(&order))?;
        log::info!("{} says {}", answer.by, answer.action);
        Ok(Decision { refund: answer.approved(), by: answer.by })
    }
}

export_agent!(Clerk);

fn title(order: &Order) -> String {
    format!("Refund {:.2} EUR for the {}?", order.amount, order.item)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_names_item_and_amount() {
        let order = Order { item: "desk lamp".to_owned(), amount: 49.9 };
        assert_eq!(title(&order), "Refund 49.90 EUR for the desk lamp?");
    }
}
