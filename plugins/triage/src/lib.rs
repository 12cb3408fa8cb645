//! `triage`: finds out what a support ticket is about, by rules that can be read below.

use pawl_plugin::prelude::*;

struct Triage;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// What the customer wrote.
    ticket: String,
}

#[derive(Debug, PartialEq, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Finding {
    /// The first order id in the text, such as `A-1001`.
    order: String,
    topic: Topic,
    urgency: Urgency,
    /// One line for people.
    summary: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Topic {
    Refund,
    Delivery,
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Urgency {
    High,
    Normal,
}

/// What each topic is known by; the first that fits is taken.
const TOPICS: [(Topic, &[&str]); 2] = [
    (Topic::Refund, &["refund", "money back", "return", "reimburse", "broken", "damaged", "defective"]),
    (Topic::Delivery, &["deliver", "arrive", "shipping", "shipped", "parcel", "package", "tracking", "late"]),
];

const URGENT: &[&str] = &["urgent", "immediately", "asap", "at once", "lawyer", "third time", "!!"];

impl Agent for Triage {
    type Input = Input;
    type Output = Finding;
    const SUMMARY: &'static str = "Finds the order, topic and urgency of a support ticket.";
    const CAPABILITIES: &'static [&'static str] = &["classify"];

    fn run(task: Task<Input>) -> Result<Finding, Failure> {
        let finding = classify(&task.input.ticket)?;
        log::info!("{}", finding.summary);
        Ok(finding)
    }
}

export_agent!(Triage);

fn classify(ticket: &str) -> Result<Finding, Failure> {
    let order = order_id(ticket).ok_or_else(|| {
        Failure::permanent("the ticket names no order; ask the customer for an id such as A-1001")
    })?;
    let text = ticket.to_lowercase();
    let has_any = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let topic = TOPICS.into_iter().find(|(_, words)| has_any(words)).map_or(Topic::Other, |(topic, _)| topic);
    let urgency = if has_any(URGENT) { Urgency::High } else { Urgency::Normal };
    let about = match topic {
        Topic::Refund => "a refund for order",
        Topic::Delivery => "the delivery of order",
        Topic::Other => "order",
    };
    let mark = if urgency == Urgency::High { "Urgent: " } else { "" };
    let summary = format!("{mark}the customer writes about {about} {order}.");
    Ok(Finding { order: order.to_owned(), topic, urgency, summary })
}

/// The first word of the form `A-1001`: a capital letter, a hyphen, four digits or more.
fn order_id(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').find(|word| {
        word.split_once('-').is_some_and(|(letter, digits)| {
            letter.len() == 1
                && letter.bytes().all(|byte| byte.is_ascii_uppercase())
                && digits.len() >= 4
                && digits.bytes().all(|byte| byte.is_ascii_digit())
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickets_are_classified_by_their_words() {
        let check = |ticket, order: &str, topic, urgency| {
            let finding = classify(ticket).unwrap();
            assert_eq!((finding.order.as_str(), finding.topic, finding.urgency), (order, topic, urgency));
        };
        check("My lamp (A-1001) is broken.", "A-1001", Topic::Refund, Urgency::Normal);
        check("Where is A-1002? It should arrive ASAP", "A-1002", Topic::Delivery, Urgency::High);
        check("A-1003: do you have it in blue?", "A-1003", Topic::Other, Urgency::Normal);
        check("refund A-1005!! It never arrived", "A-1005", Topic::Refund, Urgency::High);
    }

    #[test]
    fn a_ticket_without_an_order_is_a_permanent_failure() {
        for ticket in ["", "I want my money back", "order A-1 or AB-1001 or a-1001"] {
            assert_eq!(classify(ticket).unwrap_err().kind, FailureKind::Permanent, "{ticket}");
        }
    }
}
