//! People. For agents; needs the grant `human`.
//!
//! ```no_run
//! # fn example() -> Result<(), pawl_plugin::Failure> {
//! use pawl_plugin::prelude::*;
//! use std::time::Duration;
//!
//! #[derive(Deserialize, JsonSchema)]
//! struct Note {
//!     note: Option<String>,
//! }
//!
//! let payment = json!({ "order": "A-1001", "amount": 49.9 });
//! let answer = human::ask(
//!     Question::new("Refund 49.90 EUR for order A-1001?")
//!         .to("group:finance")
//!         .subject(&payment)
//!         .form::<Note>()
//!         .due(Duration::from_secs(48 * 3600), "reject"),
//! )?;
//! if answer.approved() {
//!     log::info!("approved by {}: {:?}", answer.by, answer.form::<Note>()?.note);
//! }
//! # Ok(()) }
//! ```

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::human;
use crate::failure::milliseconds;
use crate::{Failure, FailureKind, json};

/// What a person is asked. Only the title is needed.
#[derive(Debug, Clone)]
#[must_use = "a question does nothing until `human::ask` asks it"]
pub struct Question {
    question: human::Question,
    /// Why the subject could not be written; `ask` says so.
    failure: Option<Failure>,
}

impl Question {
    /// A question whose title can be read alone. Anyone may answer, with `approve` or `reject`.
    pub fn new(title: impl Into<String>) -> Self {
        let question = human::Question {
            title: title.into(),
            to: Vec::new(),
            actions: Vec::new(),
            form: None,
            subject: None,
            due_ms: None,
            on_timeout: None,
        };
        Self { question, failure: None }
    }

    /// Lets a user or a group answer, `user:ann` or `group:finance`. May stand several times.
    pub fn to(mut self, who: impl Into<String>) -> Self {
        self.question.to.push(who.into());
        self
    }

    /// What can be chosen, instead of `approve` and `reject`.
    pub fn actions<A: Into<String>>(mut self, actions: impl IntoIterator<Item = A>) -> Self {
        self.question.actions = actions.into_iter().map(Into::into).collect();
        self
    }

    /// What is filled in beside the action, by type. Read it with [`Answer::form`].
    pub fn form<T: JsonSchema>(self) -> Self {
        self.form_schema(&json::input_schema::<T>())
    }

    /// What is filled in beside the action, by JSON Schema or short form, `{"note": "string"}`.
    pub fn form_schema(mut self, schema: &Value) -> Self {
        self.question.form = Some(schema.to_string());
        self
    }

    /// What the answer allows: the exact arguments that will be executed. Shown and hashed with
    /// the question.
    pub fn subject(mut self, subject: &(impl Serialize + ?Sized)) -> Self {
        match json::write(subject, "the question's subject") {
            Ok(text) => self.question.subject = Some(text),
            Err(failure) => self.failure = Some(failure),
        }
        self
    }

    /// How long to wait, and the action that is taken then.
    pub fn due(mut self, wait: Duration, on_timeout: impl Into<String>) -> Self {
        self.question.due_ms = Some(milliseconds(wait));
        self.question.on_timeout = Some(on_timeout.into());
        self
    }
}

/// What a person answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What was chosen.
    pub action: String,
    /// What was filled into the form.
    pub data: Value,
    /// Who answered, `user:ann`, or `timer` when time ran out.
    pub by: String,
}

impl Answer {
    /// Whether `approve` was chosen.
    pub fn approved(&self) -> bool {
        self.action == "approve"
    }

    /// What was filled into the form, as the type that [`Question::form`] was given. When time ran
    /// out nothing was, so let fields be optional that need not be there.
    pub fn form<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        let text = if self.data.is_null() { "{}".to_owned() } else { self.data.to_string() };
        json::read(&text, FailureKind::Permanent, "the form")
    }
}

/// Asks, and waits as long as it takes.
///
/// The agent costs nothing meanwhile: it is dropped, and its code runs again from the top, with
/// everything that was recorded, when the answer is there.
pub fn ask(question: Question) -> Result<Answer, Failure> {
    if let Some(failure) = question.failure {
        return Err(failure);
    }
    let answer = human::ask(&question.question)?;
    let data = json::read(&answer.data, FailureKind::Permanent, "the answer's data")?;
    Ok(Answer { action: answer.action, data, by: answer.by })
}
