//! What the assistant asks of its host; tests take its place.

use pawl_plugin::models::{Answer, Offer, Request};
use pawl_plugin::prelude::*;

/// How many tools are called together at most.
const TOGETHER_MAX: usize = 16;

pub(crate) trait World {
    /// The tools that were granted.
    fn tools(&mut self) -> Vec<Offer>;

    /// Whether people may be asked.
    fn has_people(&mut self) -> bool;

    /// Whether other agents may be asked.
    fn has_agents(&mut self) -> bool;

    /// The agents that may be asked, each with what it says of itself.
    fn agents(&mut self) -> Vec<(String, String)>;

    fn chat(&mut self, model: &str, request: &Request) -> Result<Answer, Failure>;

    /// Calls tools at once; results stand in the order of the calls.
    fn call(&mut self, calls: Vec<(String, Value)>) -> Result<Vec<Result<Value, Failure>>, Failure>;

    /// Lets another agent do a task.
    fn delegate(&mut self, agent: &str, task: &Value) -> Result<Value, Failure>;

    /// Asks a person.
    fn ask(&mut self, question: &str) -> Result<Value, Failure>;

    /// What the memory holds under a key.
    fn recall(&mut self, key: &str) -> Result<Option<Value>, Failure>;

    /// Puts something there.
    fn keep(&mut self, key: &str, value: &Value) -> Result<(), Failure>;
}

/// The host itself.
pub(crate) struct Host;

impl World for Host {
    fn tools(&mut self) -> Vec<Offer> {
        if !grants::has("tools") {
            return Vec::new();
        }
        let offer = |tool: tools::ToolInfo| Offer {
            name: tool.name,
            summary: tool.summary,
            input_schema: tool.input_schema,
        };
        tools::list().into_iter().map(offer).collect()
    }

    fn has_people(&mut self) -> bool {
        grants::has("human")
    }

    fn has_agents(&mut self) -> bool {
        grants::has("agents")
    }

    fn agents(&mut self) -> Vec<(String, String)> {
        agents::list().into_iter().map(|agent| (agent.name, agent.summary)).collect()
    }

    fn chat(&mut self, model: &str, request: &Request) -> Result<Answer, Failure> {
        models::chat(model, request)
    }

    fn call(&mut self, calls: Vec<(String, Value)>) -> Result<Vec<Result<Value, Failure>>, Failure> {
        let mut results = Vec::new();
        for some in calls.chunks(TOGETHER_MAX) {
            let calls = some.iter().map(|(name, arguments)| tools::Call::new(name, arguments));
            results.extend(tools::call_all(calls.collect::<Result<_, _>>()?));
        }
        Ok(results)
    }

    fn delegate(&mut self, agent: &str, task: &Value) -> Result<Value, Failure> {
        agents::call(agent, task)
    }

    fn ask(&mut self, question: &str) -> Result<Value, Failure> {
        let form = json!({
            "type": "object",
            "properties": { "answer": { "type": "string" } },
            "additionalProperties": false,
        });
        let asked = Question::new(question).actions(["answer", "decline"]).form_schema(&form);
        let given = human::ask(asked)?;
        Ok(json!({ "action": given.action, "answer": given.data["answer"], "by": given.by }))
    }

    fn recall(&mut self, key: &str) -> Result<Option<Value>, Failure> {
        memory::get(key)
    }

    fn keep(&mut self, key: &str, value: &Value) -> Result<(), Failure> {
        memory::put(key, value)
    }
}
