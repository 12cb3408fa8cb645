//! The loop: the model is asked, its calls are made, until it answers or a bound is reached.

use pawl_plugin::models::{Answer, Finish, Message, Offer, Request, ToolCall};
use pawl_plugin::prelude::*;

use crate::output::Shape;
use crate::world::World;
use crate::{Input, Report};

/// The tool with which the model asks a person.
const ASK_PERSON: &str = "ask_person";
/// The most tools that a model is offered, `ask_person` included.
const TOOLS_MAX: usize = 128;
/// How much of a tool's result the model is shown.
const RESULT_MAX_BYTES: usize = 64 << 10;

pub(crate) struct Conversation<'w, W> {
    world: &'w mut W,
    model: String,
    request: Request,
    shape: Option<Shape>,
    max_rounds: u32,
    max_mistakes: u32,
    mistakes: u32,
    input_tokens: u64,
    output_tokens: u64,
}

/// What is done about one call.
enum Doing {
    /// It goes to the host, together with the others.
    Call,
    /// A person is asked.
    Ask(String),
    /// It cannot be made, and the model is told so.
    Wrong(String),
}

impl<'w, W: World> Conversation<'w, W> {
    pub(crate) fn new(world: &'w mut W, input: Input, shape: Option<Shape>) -> Result<Self, Failure> {
        let mut tools = world.tools();
        if world.has_people() {
            tools.push(ask_person());
        }
        if tools.len() > TOOLS_MAX {
            return Err(Failure::invalid_input(format!(
                "the step grants {} tools, and a model takes {TOOLS_MAX}; grant fewer in `permissions: tools`",
                tools.len()
            )));
        }
        let task = input.task.as_str().map_or_else(|| input.task.to_string(), str::to_owned);
        let system = input.instructions.map(Message::system);
        let request = Request {
            messages: system.into_iter().chain([Message::user(task)]).collect(),
            tools,
            response_schema: shape.as_ref().map(|shape| shape.schema().clone()),
            temperature: input.temperature,
            max_tokens: input.max_tokens,
            stop: Vec::new(),
        };
        Ok(Self {
            world,
            model: input.model,
            request,
            shape,
            max_rounds: input.max_rounds,
            max_mistakes: input.max_mistakes,
            mistakes: 0,
            input_tokens: 0,
            output_tokens: 0,
        })
    }

    pub(crate) fn run(mut self) -> Result<Report, Failure> {
        for round in 1..=self.max_rounds {
            let answer = self.world.chat(&self.model, &self.request)?;
            self.input_tokens += answer.usage.input_tokens;
            self.output_tokens += answer.usage.output_tokens;
            self.request.messages.push(answer.message.clone());
            if !answer.tool_calls().is_empty() {
                self.call(answer.tool_calls())?;
                continue;
            }
            if let Some(answer) = self.accept(&answer)? {
                let (input_tokens, output_tokens) = (self.input_tokens, self.output_tokens);
                return Ok(Report { answer, rounds: round, input_tokens, output_tokens });
            }
        }
        Err(Failure::permanent(format!(
            "the model has not come to an answer in {} rounds; raise `max_rounds`, or give it less to do",
            self.max_rounds
        )))
    }

    /// The answer, if it is one; else the model was told what is wrong with it.
    fn accept(&mut self, answer: &Answer) -> Result<Option<Value>, Failure> {
        match answer.finish {
            Finish::Length => {
                return Err(Failure::permanent(
                    "the model's answer was cut off at its length; raise `max_tokens`, or ask for less",
                ));
            }
            Finish::Filter => {
                return Err(Failure::permanent("the model's provider held its answer back"));
            }
            Finish::Stop | Finish::ToolCalls | Finish::Other => {}
        }
        let Some(shape) = &self.shape else { return Ok(Some(answer.text().into())) };
        match shape.read(answer.text()) {
            Ok(value) => Ok(Some(value)),
            Err(wrong) => {
                self.mistake(&format!("its answer does not fit `output`: {wrong}"))?;
                let told =
                    format!("Your answer does not fit: {wrong}. Answer again, with JSON and nothing else.");
                self.request.messages.push(Message::user(told));
                Ok(None)
            }
        }
    }

    /// Makes all calls of a message and adds what came of each.
    fn call(&mut self, calls: &[ToolCall]) -> Result<(), Failure> {
        let doings: Vec<Doing> = calls.iter().map(|call| self.doing(call)).collect();
        let made = calls.iter().zip(&doings).filter(|(_, doing)| matches!(doing, Doing::Call));
        let made = made.map(|(call, _)| (call.name.clone(), call.arguments.clone())).collect();
        let mut results = self.world.call(made)?.into_iter();
        for (call, doing) in calls.iter().zip(doings) {
            let text = match doing {
                Doing::Wrong(wrong) => {
                    self.mistake(&format!("its call of {}: {wrong}", call.name))?;
                    format!("error: {wrong}")
                }
                Doing::Ask(question) => shown(&self.world.ask(&question)?),
                Doing::Call => match results.next() {
                    Some(Ok(value)) => shown(&value),
                    Some(Err(failure)) => {
                        if failure.kind == FailureKind::InvalidInput {
                            self.mistake(&format!("its call of {}: {}", call.name, failure.message))?;
                        }
                        format!("error: {failure}")
                    }
                    None => {
                        return Err(Failure::permanent("the host gave fewer results than there were calls"));
                    }
                },
            };
            self.request.messages.push(Message::tool(call.id.as_str(), text));
        }
        Ok(())
    }

    fn doing(&self, call: &ToolCall) -> Doing {
        if !self.request.tools.iter().any(|tool| tool.name == call.name) {
            let names: Vec<_> = self.request.tools.iter().map(|tool| tool.name.as_str()).collect();
            let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
            return Doing::Wrong(format!("there is no tool '{}'; there are: {there}", call.name));
        }
        if !call.arguments.is_object() {
            return Doing::Wrong("the arguments are no JSON object".to_owned());
        }
        if call.name != ASK_PERSON {
            return Doing::Call;
        }
        match call.arguments["question"].as_str().filter(|question| !question.trim().is_empty()) {
            Some(question) => Doing::Ask(question.to_owned()),
            None => Doing::Wrong("the arguments need `question`, a text".to_owned()),
        }
    }

    fn mistake(&mut self, what: &str) -> Result<(), Failure> {
        self.mistakes += 1;
        log::warn!("the model made a mistake: {what}");
        if self.mistakes <= self.max_mistakes {
            return Ok(());
        }
        Err(Failure::permanent(format!(
            "the model made {} mistakes, and `max_mistakes` is {}; the last: {what}",
            self.mistakes, self.max_mistakes
        )))
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

/// A tool's result as the model gets it: texts as they are, everything else as JSON.
fn shown(value: &Value) -> String {
    let mut text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.len() > RESULT_MAX_BYTES {
        let whole = text.len();
        text.truncate(text.floor_char_boundary(RESULT_MAX_BYTES));
        text.push_str(&format!(" […] (cut: it has {whole} bytes)"));
    }
    text
}

#[cfg(test)]
mod tests;
