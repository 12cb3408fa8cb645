//! `script`: an agent for tests. Does what its input says, step by step, and gives what came of it.

use std::time::Duration;

use pawl_plugin::prelude::*;

struct Script;

/// What it does, in order.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Input {
    steps: Vec<Step>,
    /// How often it goes through them.
    #[serde(default = "once")]
    times: u32,
}

const fn once() -> u32 {
    1
}

#[derive(Deserialize, JsonSchema)]
struct Call {
    tool: String,
    with: Value,
}

/// One thing that it can do.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Step {
    /// Calls a tool.
    Tool(Call),
    /// Calls several together.
    All(Vec<Call>),
    /// Calls another agent.
    Agent(String, Value),
    /// Hands the task over, with these steps.
    HandOver(String, Value),
    /// Says how far it is.
    Note(String, f64),
    /// Asks a person; gives the action.
    Ask(String),
    /// Waits so many milliseconds.
    Sleep(u64),
    /// Waits for a signal, at most so many milliseconds.
    Signal(String, Option<u64>),
    /// Reads the run's memory.
    Get(String),
    /// Writes into it.
    Put(String, Value),
    /// Writes a line.
    Log(String),
    /// Fails.
    Fail(String),
}

impl Agent for Script {
    type Input = Input;
    type Output = Outcome<Vec<Value>>;
    const SUMMARY: &'static str = "Does what its input says, step by step.";

    fn run(task: Task<Input>) -> Result<Outcome<Vec<Value>>, Failure> {
        let mut results = Vec::new();
        for _ in 0..task.input.times {
            for step in &task.input.steps {
                if let Step::HandOver(agent, input) = step {
                    return Ok(Outcome::Handoff { agent: agent.clone(), input: input.clone() });
                }
                results.push(carry_out(step)?);
            }
        }
        Ok(Outcome::Completed(results))
    }
}

fn carry_out(step: &Step) -> Result<Value, Failure> {
    Ok(match step {
        Step::Tool(call) => shown(tools::call(&call.tool, &call.with)),
        Step::All(calls) => {
            let calls: Result<Vec<_>, _> =
                calls.iter().map(|call| tools::Call::new(&call.tool, &call.with)).collect();
            tools::call_all(calls?).into_iter().map(shown).collect()
        }
        Step::Agent(name, task) => shown(agents::call(name, task)),
        Step::Note(note, fraction) => {
            log::progress(note, *fraction);
            Value::Null
        }
        Step::HandOver(..) => Value::Null,
        Step::Ask(title) => json!(human::ask(Question::new(title.as_str()))?.action),
        Step::Sleep(ms) => {
            timers::sleep(Duration::from_millis(*ms))?;
            Value::Null
        }
        Step::Signal(name, ms) => shown(signals::wait(name, ms.map(Duration::from_millis))),
        Step::Get(key) => memory::get(key)?.unwrap_or_default(),
        Step::Put(key, value) => {
            memory::put(key, value)?;
            Value::Null
        }
        Step::Log(line) => {
            log::info!("{line}");
            Value::Null
        }
        Step::Fail(message) => return Err(Failure::permanent(message.as_str())),
    })
}

/// A result, or why there is none.
fn shown(result: Result<Value, Failure>) -> Value {
    result.unwrap_or_else(|failure| json!({ "failed": failure.message }))
}

export_agent!(Script);
