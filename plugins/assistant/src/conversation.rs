//! The loop: the model is asked, its calls are made, until it answers, hands over or reaches a bound.

use pawl_answers::{Shape, again, whole};
use pawl_plugin::models::{Answer, Finish, Message, Request, ToolCall};
use pawl_plugin::prelude::*;

use crate::compact::{self, COMPACT_MIN_BYTES};
use crate::offers::{Doing, Offers};
use crate::remembered::{Kept, Place};
use crate::turns::{self, Turn};
use crate::world::World;
use crate::{Input, Report};

/// How much of a tool's result the model is shown.
const RESULT_MAX_BYTES: usize = 64 << 10;

pub(crate) struct Conversation<'w, W> {
    world: &'w mut W,
    model: String,
    offers: Offers,
    shape: Option<Shape>,
    settings: Settings,
    instructions: Option<String>,
    /// What came before `past`, in short.
    summary: Option<String>,
    /// Turns of earlier runs.
    past: Vec<Turn>,
    /// The task at hand, and what was said and done for it.
    turn: Turn,
    place: Option<Place>,
    mistakes: u32,
    summaries: u32,
    input_tokens: u64,
    output_tokens: u64,
}

struct Settings {
    temperature: Option<f64>,
    max_tokens: Option<u32>,
    max_rounds: u32,
    max_mistakes: u32,
    compact_above_bytes: Option<usize>,
}

/// Whether the task is still this agent's.
enum Next {
    GoOn,
    HandOver { agent: String, task: Value },
}

impl<'w, W: World> Conversation<'w, W> {
    pub(crate) fn new(world: &'w mut W, input: Input, shape: Option<Shape>) -> Result<Self, Failure> {
        if input.compact_above_bytes.is_some_and(|bytes| bytes < COMPACT_MIN_BYTES) {
            return Err(Failure::invalid_input(format!(
                "`compact_above_bytes` is less than {COMPACT_MIN_BYTES}; a conversation needs some room"
            )));
        }
        let offers = Offers::new(world, input.agents)?;
        let place = input.remember.as_deref().map(Place::new).transpose()?;
        let kept = place.as_ref().map(|place| place.read(world)).transpose()?;
        let Kept { summary, turns: mut past, .. } = kept.unwrap_or_else(|| Kept::new(None, Vec::new()));
        if offers.all().is_empty() {
            // Some providers refuse calls of the past where no tool is offered now.
            past = past.iter().map(|turn| turns::plain(turn)).collect();
        }
        let task = input.task.as_str().map_or_else(|| input.task.to_string(), str::to_owned);
        Ok(Self {
            world,
            model: input.model,
            offers,
            shape,
            settings: Settings {
                temperature: input.temperature,
                max_tokens: input.max_tokens,
                max_rounds: input.max_rounds,
                max_mistakes: input.max_mistakes,
                compact_above_bytes: input.compact_above_bytes,
            },
            instructions: input.instructions,
            summary,
            past,
            turn: vec![Message::user(task)],
            place,
            mistakes: 0,
            summaries: 0,
            input_tokens: 0,
            output_tokens: 0,
        })
    }

    pub(crate) fn run(mut self) -> Result<Outcome<Report>, Failure> {
        for round in 1..=self.settings.max_rounds {
            self.compact()?;
            let answer = self.ask(&self.request())?;
            self.turn.push(answer.message.clone());
            if !answer.tool_calls().is_empty() {
                match self.call(answer.tool_calls())? {
                    Next::GoOn => continue,
                    Next::HandOver { agent, task } => {
                        self.keep()?;
                        return Ok(Outcome::Handoff { agent, input: task });
                    }
                }
            }
            if let Some(answer) = self.accept(&answer)? {
                self.keep()?;
                return Ok(Outcome::Completed(Report {
                    answer,
                    rounds: round,
                    summaries: self.summaries,
                    input_tokens: self.input_tokens,
                    output_tokens: self.output_tokens,
                }));
            }
        }
        Err(Failure::permanent(format!(
            "the model has not come to an answer in {} rounds; raise `max_rounds`, or give it less to do",
            self.settings.max_rounds
        )))
    }

    fn ask(&mut self, request: &Request) -> Result<Answer, Failure> {
        let answer = self.world.chat(&self.model, request)?;
        self.input_tokens += answer.usage.input_tokens;
        self.output_tokens += answer.usage.output_tokens;
        Ok(answer)
    }

    fn request(&self) -> Request {
        let system = self.instructions.as_ref().map(Message::system);
        let note = self.summary.as_deref().map(compact::note);
        let said = self.past.iter().flatten().chain(&self.turn).cloned();
        Request {
            messages: system.into_iter().chain(note).chain(said).collect(),
            tools: self.offers.all().to_vec(),
            response_schema: self.shape.as_ref().map(|shape| shape.schema().clone()),
            temperature: self.settings.temperature,
            max_tokens: self.settings.max_tokens,
            stop: Vec::new(),
        }
    }

    /// Puts a summary in the place of the older part, where the conversation has grown too long.
    fn compact(&mut self) -> Result<(), Failure> {
        let Some(above) = self.settings.compact_above_bytes else { return Ok(()) };
        let past = self.past.iter().map(|turn| turns::size(turn)).sum::<usize>();
        let bytes = past + turns::size(&self.turn) + self.summary.as_ref().map_or(0, String::len);
        if bytes <= above {
            return Ok(());
        }
        let Some(older) = compact::older(&self.past, &self.turn, above) else { return Ok(()) };
        let temperature = self.settings.temperature;
        let earlier = self.summary.as_deref();
        let question = compact::question(earlier, &self.past, &self.turn, &older, temperature);
        let answer = self.ask(&question)?;
        self.summaries += 1;
        // One that was cut off at its length says less, and is still one.
        let summary = match answer.finish {
            Finish::Filter => None,
            Finish::Stop | Finish::Length | Finish::ToolCalls | Finish::Other => {
                compact::summary(answer.text(), above)
            }
        };
        let Some(summary) = summary else { return self.mistake("its summary of the conversation is empty") };
        log::info!("{bytes} bytes were said; the older part is a summary of {} bytes now", summary.len());
        self.summary = Some(summary);
        self.past.drain(..older.turns);
        self.turn.drain(1..older.until);
        Ok(())
    }

    /// What the step's memory holds from now on.
    fn keep(&mut self) -> Result<(), Failure> {
        let Some(place) = &self.place else { return Ok(()) };
        let mut turns = std::mem::take(&mut self.past);
        turns.push(std::mem::take(&mut self.turn));
        place.write(self.world, Kept::new(self.summary.take(), turns))
    }

    /// The answer, if it is one; else the model was told what is wrong with it.
    fn accept(&mut self, answer: &Answer) -> Result<Option<Value>, Failure> {
        whole(answer)?;
        let Some(shape) = &self.shape else { return Ok(Some(answer.text().into())) };
        match shape.read(answer.text()) {
            Ok(value) => Ok(Some(value)),
            Err(wrong) => {
                self.mistake(&format!("its answer does not fit `output`: {wrong}"))?;
                self.turn.push(again(&wrong));
                Ok(None)
            }
        }
    }

    /// Makes all calls of a message and adds what came of each.
    fn call(&mut self, calls: &[ToolCall]) -> Result<Next, Failure> {
        let doings = self.offers.doings(calls);
        let made = calls.iter().zip(&doings).filter(|(_, doing)| matches!(doing, Doing::Call));
        let made = made.map(|(call, _)| (call.name.clone(), call.arguments.clone())).collect();
        let mut results = self.world.call(made)?.into_iter();
        let mut next = Next::GoOn;
        for (call, doing) in calls.iter().zip(doings) {
            let text = match doing {
                Doing::Wrong(wrong) => {
                    self.mistake(&format!("its call of {}: {wrong}", call.name))?;
                    format!("error: {wrong}")
                }
                Doing::Ask(question) => shown(&self.world.ask(&question)?),
                Doing::Delegate { agent, task } => {
                    let result = self.world.delegate(&agent, &task);
                    self.told(call, result)?
                }
                Doing::HandOver { agent, task } => {
                    let text = format!("The task was handed over to {agent}.");
                    next = Next::HandOver { agent, task };
                    text
                }
                Doing::Call => match results.next() {
                    Some(result) => self.told(call, result)?,
                    None => {
                        return Err(Failure::permanent("the host gave fewer results than there were calls"));
                    }
                },
            };
            self.turn.push(Message::tool(call.id.as_str(), text));
        }
        Ok(next)
    }

    /// What came of a call, as the model is told.
    fn told(&mut self, call: &ToolCall, result: Result<Value, Failure>) -> Result<String, Failure> {
        match result {
            Ok(value) => Ok(shown(&value)),
            Err(failure) => {
                if failure.kind == FailureKind::InvalidInput {
                    self.mistake(&format!("its call of {}: {}", call.name, failure.message))?;
                }
                Ok(format!("error: {failure}"))
            }
        }
    }

    fn mistake(&mut self, what: &str) -> Result<(), Failure> {
        self.mistakes += 1;
        log::warn!("the model made a mistake: {what}");
        if self.mistakes <= self.settings.max_mistakes {
            return Ok(());
        }
        Err(Failure::permanent(format!(
            "the model made {} mistakes, and `max_mistakes` is {}; the last: {what}",
            self.mistakes, self.settings.max_mistakes
        )))
    }
}

/// A tool's result as the model gets it: texts as they are, everything else as JSON.
fn shown(value: &Value) -> String {
    let mut text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if text.len() > RESULT_MAX_BYTES {
        let whole = text.len();
        text.truncate(turns::cut(&text, RESULT_MAX_BYTES).len());
        text.push_str(&format!(" […] (cut: it has {whole} bytes)"));
    }
    text
}

#[cfg(test)]
mod tests;
