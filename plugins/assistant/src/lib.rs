//! `assistant`: does a task with a language model that calls tools, asks other agents and people, hands
//! over to them, and knows earlier runs.
//!
//! Which model, tools and agents, and whether people may be asked, is what the step grants. The loop is
//! straight-line code: what the model said and what others gave is recorded, and not asked for again.

mod colleagues;
mod compact;
mod conversation;
mod offers;
mod remembered;
mod turns;
mod world;

use pawl_answers::Shape;
use pawl_plugin::prelude::*;

use colleagues::Colleague;
use conversation::Conversation;
use world::Host;

struct Assistant;

/// Asks a model, makes the calls that it asks for, several at once, and asks again, until it answers. The tools
/// are those of the step's `permissions: tools`; with `human: true` the model may ask a person. `agents` are other
/// agents: one that is asked gets a task and its answer comes back, one that is handed over to goes on in this
/// agent's place; both need `permissions: agents`. With `remember`, a later run goes on with the conversation: it is
/// kept in the memory that the step names (`memory: { key: … }`, `permissions: { memory: true }`) when the task is
/// done or handed over, and stays as it was when it failed. With `compact_above_bytes`, the older part of a long
/// conversation becomes a summary that the model writes; instructions, the task at hand and the newest calls stay
/// word for word.
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
    /// Other agents that the model may ask, or hand the task over to; at most 16.
    #[serde(default)]
    #[schemars(length(max = 16))]
    agents: Vec<Colleague>,
    /// The name under which the conversation is kept in the step's memory, so that a later run goes on with
    /// it: letters, digits, `-`, `_` and `.`, at most 64. Nothing is kept without it.
    #[serde(default)]
    remember: Option<String>,
    /// A conversation of more bytes has its older part summarized by the model. It never is without this.
    #[serde(default)]
    #[schemars(range(min = 4096))]
    compact_above_bytes: Option<usize>,
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

/// What came of it, where the task was not handed over.
#[derive(Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Report {
    /// The model's answer: a text, or what `output` describes.
    answer: Value,
    /// How often the model was asked, summaries not counted.
    rounds: u32,
    /// How often it was asked for a summary of the older part of the conversation.
    summaries: u32,
    /// Tokens that it read, all rounds together.
    input_tokens: u64,
    /// Tokens that it wrote.
    output_tokens: u64,
}

impl Agent for Assistant {
    type Input = Input;
    type Output = Outcome<Report>;
    const SUMMARY: &'static str = "Does a task with a language model that calls tools, and other agents.";
    const CAPABILITIES: &'static [&'static str] = &["chat", "tools"];

    fn run(task: Task<Input>) -> Result<Outcome<Report>, Failure> {
        let shape = task.input.output.clone().map(Shape::new).transpose()?;
        Conversation::new(&mut Host, task.input, shape)?.run()
    }
}

export_agent!(Assistant);
