//! `writer`: writes to a customer how a refund was decided.

use pawl_plugin::prelude::*;

struct Writer;

#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    customer: Option<String>,
    decision: Decision,
    /// The order's id.
    order: Option<String>,
    /// In EUR.
    amount: Option<f64>,
    /// What the person who decided wants to say.
    note: Option<String>,
    /// The payment's receipt.
    receipt: Option<String>,
}

/// As a decision or as an approval's action.
#[derive(Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Approve,
    Approved,
    #[default]
    Reject,
    Rejected,
}

#[derive(Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Message {
    text: String,
}

impl Agent for Writer {
    type Input = Input;
    type Output = Message;
    const SUMMARY: &'static str = "Writes a polite message about an approved or rejected refund.";
    const CAPABILITIES: &'static [&'static str] = &["write"];

    fn run(task: Task<Input>) -> Result<Message, Failure> {
        Ok(Message { text: compose(&task.input) })
    }
}

export_agent!(Writer);

fn compose(input: &Input) -> String {
    let name = input.customer.as_deref().unwrap_or("customer");
    let order = input.order.as_ref().map(|order| format!(" for order {order}")).unwrap_or_default();
    let amount = input.amount.map(|amount| format!(" of {amount:.2} EUR")).unwrap_or_default();
    let verdict = match input.decision {
        Decision::Approve | Decision::Approved => {
            format!("Good news: your refund{amount}{order} has been approved and is on its way.")
        }
        Decision::Reject | Decision::Rejected => {
            format!(
                "We have looked at your request carefully. We are sorry that we cannot give a refund{amount}{order}."
            )
        }
    };
    let mut lines = vec![format!("Dear {name},"), String::new(), verdict];
    let note = input.note.as_deref().map(str::trim).filter(|note| !note.is_empty());
    lines.extend(note.map(|note| format!("A note from our team: {note}")));
    lines.extend(input.receipt.as_ref().map(|receipt| format!("Your receipt: {receipt}")));
    lines.extend([String::new(), "Kind regards,".to_owned(), "Customer service".to_owned()]);
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_approval_names_amount_order_note_and_receipt() {
        let input = Input {
            customer: Some("Ann".to_owned()),
            decision: Decision::Approve,
            order: Some("A-1001".to_owned()),
            amount: Some(49.9),
            note: Some("sorry about the lamp".to_owned()),
            receipt: Some("R-1".to_owned()),
        };
        assert_eq!(
            compose(&input),
            "Dear Ann,\n\nGood news: your refund of 49.90 EUR for order A-1001 has been approved and is on its \
             way.\nA note from our team: sorry about the lamp\nYour receipt: R-1\n\nKind regards,\nCustomer service"
        );
    }

    #[test]
    fn a_decision_is_enough() {
        let text = compose(&Input { decision: Decision::Rejected, ..Input::default() });
        assert!(text.starts_with("Dear customer,\n\nWe have looked"), "{text}");
        assert!(text.contains("cannot give a refund.\n"), "{text}");
    }
}
