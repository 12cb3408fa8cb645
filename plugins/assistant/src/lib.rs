//! `assistant`: does a task with a language model that calls tools.
//!
//! Which model, which tools and whether people may be asked is what the step grants. The loop is
//! straight-line code: what the model said and what tools gave is recorded, and not asked for again.

mod conversation;
mod output;
mod world;

use pawl_plugin::prelude::*;

use conversation::Conversation;
use output::Shape;
use world::Host;

struct Assistant;

/// What it is asked to do.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Input {
    /// What is to be done: a text, or any other value, which the model gets as JSON.
    task: Value,
    /// What holds throughout: who it is, what it must mind.
    #[serde(default)]
    instructions: Option<String>,
    /// The model, by its name in pawl.yaml.
    #[serde(default = "default_model")]
    model: String,
    /// What the answer must be: a JSON Schema of type object, or a short form such as `{"total": "number"}`.
    /// A text without it.
    #[serde(default)]
    output: Option<Value>,
    /// From 0, always the likeliest word, to 2.
    #[serde(default)]
    temperature: Option<f64>,
    /// The most tokens of one answer.
    #[serde(default)]
    max_tokens: Option<u32>,
    /// How often the model may be asked.
    #[serde(default = "default_rounds")]
    #[schemars(range(min = 1, max = 100))]
    max_rounds: u32,
    /// How many mistakes it may make: tools that are not there, arguments and answers that do not fit.
    #[serde(default = "default_mistakes")]
    #[schemars(range(min = 0, max = 100))]
    max_mistakes: u32,
}

fn default_model() -> String {
    "default".to_owned()
}

const fn default_rounds() -> u32 {
    16
}

const fn default_mistakes() -> u32 {
    4
}

/// What came of it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// The model's answer: a text, or what `output` describes.
    answer: Value,
    /// How often the model was asked.
    rounds: u32,
    /// Tokens that it read, all rounds together.
    input_tokens: u64,
    /// Tokens that it wrote.
    output_tokens: u64,
}

impl Agent for Assistant {
    type Input = Input;
    type Output = Report;
    const SUMMARY: &'static str = "Does a task with a language model that calls tools.";
    const CAPABILITIES: &'static [&'static str] = &["chat", "tools"];

    fn run(task: Task<Input>) -> Result<Report, Failure> {
        let shape = task.input.output.clone().map(Shape::new).transpose()?;
        Conversation::new(&mut Host, task.input, shape)?.run()
    }
}

export_agent!(Assistant);
