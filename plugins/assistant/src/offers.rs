//! What the model is offered, and what is done about each call of it.

use pawl_plugin::models::{Offer, ToolCall};
use pawl_plugin::prelude::*;

use crate::colleagues::{self, Colleague, Contact, How};
use crate::world::World;

/// The tool with which the model asks a person.
pub(crate) const ASK_PERSON: &str = "ask_person";
/// The most tools that a model is offered, those for people and other agents included.
pub(crate) const TOOLS_MAX: usize = 128;

/// Everything that the model may ask for.
pub(crate) struct Offers {
    all: Vec<Offer>,
    contacts: Vec<(String, Contact)>,
}

/// What is done about one call.
#[derive(Debug, PartialEq)]
pub(crate) enum Doing {
    /// It goes to the host, together with the others.
    Call,
    /// A person is asked.
    Ask(String),
    /// Another agent is asked.
    Delegate { agent: String, task: Value },
    /// Another agent goes on.
    HandOver { agent: String, task: Value },
    /// It cannot be made, and the model is told so.
    Wrong(String),
}

impl Offers {
    /// What the step grants, and the colleagues that its input names.
    pub(crate) fn new(world: &mut impl World, colleagues: Vec<Colleague>) -> Result<Self, Failure> {
        let mut all = world.tools();
        if world.has_people() {
            all.push(ask_person());
        }
        let mut contacts = Vec::new();
        for (offer, contact) in colleagues::contacts(world, colleagues)? {
            if all.iter().any(|other| other.name == offer.name) {
                return Err(Failure::invalid_input(format!(
                    "`agents` makes a tool {}, and there is one of that name; name the agent otherwise",
                    offer.name
                )));
            }
            contacts.push((offer.name.clone(), contact));
            all.push(offer);
        }
        if all.len() > TOOLS_MAX {
            return Err(Failure::invalid_input(format!(
                "the step grants {} tools, and a model takes {TOOLS_MAX}; grant fewer in `permissions: tools`",
                all.len()
            )));
        }
        Ok(Self { all, contacts })
    }

    pub(crate) fn all(&self) -> &[Offer] {
        &self.all
    }

    /// What is done about each call of a message.
    pub(crate) fn doings(&self, calls: &[ToolCall]) -> Vec<Doing> {
        let mut doings: Vec<_> = calls.iter().map(|call| self.doing(call)).collect();
        if doings.len() > 1 {
            // Whoever hands over hears no more of what else was asked for.
            for doing in doings.iter_mut().filter(|doing| matches!(doing, Doing::HandOver { .. })) {
                let alone = "hand over in a message of its own, once the other calls are answered";
                *doing = Doing::Wrong(alone.to_owned());
            }
        }
        doings
    }

    fn doing(&self, call: &ToolCall) -> Doing {
        if !self.all.iter().any(|tool| tool.name == call.name) {
            let names: Vec<_> = self.all.iter().map(|tool| tool.name.as_str()).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Doing::Wrong(format!("there is no tool '{}'; there are: {there}", call.name));
        }
        if !call.arguments.is_object() {
            return Doing::Wrong("the arguments are no JSON object".to_owned());
        }
        if let Some((_, contact)) = self.contacts.iter().find(|(name, _)| *name == call.name) {
            return match contact.task(&call.arguments) {
                Ok(task) => {
                    let agent = contact.agent.clone();
                    match contact.how {
                        How::Ask => Doing::Delegate { agent, task },
                        How::Handoff => Doing::HandOver { agent, task },
                    }
                }
                Err(wrong) => Doing::Wrong(wrong),
            };
        }
        if call.name != ASK_PERSON {
            return Doing::Call;
        }
        match call.arguments["question"].as_str().filter(|question| !question.trim().is_empty()) {
            Some(question) => Doing::Ask(question.to_owned()),
            None => Doing::Wrong("the arguments need `question`, a text".to_owned()),
        }
    }
}

fn ask_person() -> Offer {
    Offer {
        name: ASK_PERSON.to_owned(),
        summary: "Asks a person a question and waits for the answer, which may take long.".to_owned(),
        input_schema: json!({
            "type": "object",
            "properties": {
                "question": { "type": "string", "description": "One line that can be understood alone." },
            },
            "required": ["question"],
            "additionalProperties": false,
        }),
    }
}
