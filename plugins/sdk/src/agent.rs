use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::bindings::{agent_guest, types};
use crate::{Failure, FailureKind, json};

/// What an agent is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task<T> {
    /// The run's id.
    pub run: String,
    /// The step's id.
    pub step: String,
    /// Which try this is, from 1.
    pub attempt: u32,
    /// The step's `with`.
    pub input: T,
}

/// An agent: ordinary straight-line code that survives crashes.
///
/// Everything that it asks of the host ([tools](crate::tools), [people](crate::human),
/// [timers](crate::timers), …) is recorded in the run's journal. When the machine goes down, or a
/// person takes a week to answer, the code later runs from the top, is given the recorded answers
/// at once and goes on behind the last one. So write it as if nothing could interrupt it, and take
/// time and chance from [`clock`](crate::clock) and [`random`](crate::random) only.
///
/// Make a component of it with [`export_agent!`](crate::export_agent).
pub trait Agent {
    /// What the step gives in `with`. Its JSON Schema stands in the agent's description.
    type Input: DeserializeOwned + JsonSchema;

    /// What the step gives as its output: any type of yours, or an [`Outcome`] of one, should the
    /// agent hand its task over to others.
    type Output: Reply;

    /// One line for people.
    const SUMMARY: &'static str;

    /// What it can do, for routes: `classify`, `write`.
    const CAPABILITIES: &'static [&'static str] = &[];

    /// Carries out the task.
    fn run(task: Task<Self::Input>) -> Result<Self::Output, Failure>;
}

/// The [output](Agent::Output) of an agent that may hand its task over.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome<T> {
    /// The task is done.
    Completed(T),
    /// Another agent goes on.
    Handoff {
        /// That agent's name.
        agent: String,
        /// The input of its task.
        input: serde_json::Value,
    },
}

/// What an agent may return: a type that can be written as JSON, or an [`Outcome`] of one.
///
/// There is nothing to implement: derive `Serialize` and `JsonSchema`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an agent's output",
    note = "derive `Serialize` and `JsonSchema` for it"
)]
pub trait Reply {
    /// The schema of a completed task's result.
    #[doc(hidden)]
    fn schema() -> serde_json::Value;

    /// The outcome as it crosses to the host.
    #[doc(hidden)]
    fn outcome(self) -> Result<agent_guest::Outcome, Failure>;
}

impl<T: Serialize + JsonSchema> Reply for T {
    fn schema() -> serde_json::Value {
        json::output_schema::<T>()
    }

    fn outcome(self) -> Result<agent_guest::Outcome, Failure> {
        Ok(agent_guest::Outcome::Completed(json::write(&self, "the agent's result")?))
    }
}

impl<T: Serialize + JsonSchema> Reply for Outcome<T> {
    fn schema() -> serde_json::Value {
        json::output_schema::<T>()
    }

    fn outcome(self) -> Result<agent_guest::Outcome, Failure> {
        match self {
            Self::Completed(result) => result.outcome(),
            Self::Handoff { agent, input } => {
                Ok(agent_guest::Outcome::Handoff(agent_guest::Handoff { agent, input: input.to_string() }))
            }
        }
    }
}

/// Makes the component's `describe` of an agent.
#[doc(hidden)]
pub fn describe<A: Agent>() -> agent_guest::AgentDescription {
    agent_guest::AgentDescription {
        summary: A::SUMMARY.to_owned(),
        capabilities: A::CAPABILITIES.iter().map(|&capability| capability.to_owned()).collect(),
        input_schema: json::input_schema::<A::Input>().to_string(),
        output_schema: A::Output::schema().to_string(),
    }
}

/// Makes the component's `run` of an agent.
#[doc(hidden)]
pub fn run<A: Agent>(task: agent_guest::Task) -> Result<agent_guest::Outcome, types::Failure> {
    let input = json::read(&task.input, FailureKind::InvalidInput, "the agent's input")?;
    let task = Task { run: task.run, step: task.step, attempt: task.attempt, input };
    Ok(A::run(task)?.outcome()?)
}

/// Makes a component of an [`Agent`]. Stands once in a plugin.
///
/// ```no_run
/// # fn main() {}
/// use pawl_plugin::prelude::*;
///
/// struct Clerk;
///
/// #[derive(Deserialize, JsonSchema)]
/// #[serde(deny_unknown_fields)]
/// struct Request {
///     /// What is wanted.
///     wish: String,
/// }
///
/// #[derive(Serialize, JsonSchema)]
/// struct Reply {
///     granted: bool,
///     by: String,
/// }
///
/// impl Agent for Clerk {
///     type Input = Request;
///     type Output = Reply;
///     const SUMMARY: &'static str = "Asks a person and says what they decided.";
///
///     fn run(task: Task<Request>) -> Result<Reply, Failure> {
///         let answer = human::ask(Question::new(format!("Grant {}?", task.input.wish)))?;
///         Ok(Reply { granted: answer.approved(), by: answer.by })
///     }
/// }
///
/// export_agent!(Clerk);
/// ```
#[macro_export]
macro_rules! export_agent {
    ($agent:ty) => {
        const _: () = {
            use $crate::bindings::{agent_guest, types};

            struct Component;

            impl agent_guest::Guest for Component {
                fn describe() -> agent_guest::AgentDescription {
                    $crate::log_panics();
                    $crate::agent::describe::<$agent>()
                }

                fn run(
                    task: agent_guest::Task,
                ) -> ::std::result::Result<agent_guest::Outcome, types::Failure> {
                    $crate::log_panics();
                    $crate::agent::run::<$agent>(task)
                }
            }

    $crate::bindings::agent::export_agent_world!(Component with_types_in $crate::bindings::agent);
        };
    };
}
