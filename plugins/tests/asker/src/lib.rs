//! `asker`: an agent for tests and benchmarks. Asks a model the same again and again.

use pawl_plugin::models::{Message, Request};
use pawl_plugin::prelude::*;

struct Asker;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    /// The model's profile.
    model: String,
    /// What it is asked.
    question: String,
    /// How often.
    times: u32,
}

#[derive(Serialize, JsonSchema)]
struct Answered {
    /// Tokens of all answers.
    output_tokens: u64,
}

impl Agent for Asker {
    type Input = Input;
    type Output = Outcome<Answered>;
    const SUMMARY: &'static str = "Asks a model the same again and again.";

    fn run(task: Task<Input>) -> Result<Outcome<Answered>, Failure> {
        let Input { model, question, times } = task.input;
        let request = Request { messages: vec![Message::user(question)], ..Request::default() };
        let mut output_tokens = 0;
        for _ in 0..times {
            output_tokens += models::chat(&model, &request)?.usage.output_tokens;
        }
        Ok(Outcome::Completed(Answered { output_tokens }))
    }
}

export_agent!(Asker);
