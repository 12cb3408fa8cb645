//! A model that says what stands in a script: for tests, demonstrations and work without a network.

use serde_json::Value;

use super::{ChatAnswer, ChatRequest, Finish, Message, ToolRequest, Usage};
use crate::{Duration, Failure, FailureKind};

/// How much of the last message an error shows.
const SHOWN_MAX_BYTES: usize = 200;

/// What a scripted model says: the first rule that applies to a request.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ModelScript {
    /// The rules in their order.
    pub rules: Vec<ModelRule>,
}

/// What is said to which requests.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRule {
    /// Which requests; all must hold.
    pub when: ModelWhen,
    /// For how many requests it holds; for all without it.
    pub times: Option<u32>,
    /// How long the answer takes.
    pub delay: Duration,
    /// What is said.
    pub reply: Reply,
    /// What it is said to have cost; counted in words without it.
    pub usage: Option<Usage>,
}

/// Which requests a rule is for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelWhen {
    /// So many messages of the assistant came before.
    pub turn: Option<u32>,
    /// The last message has this in it.
    pub last: Option<String>,
    /// Some message has this in it.
    pub said: Option<String>,
    /// The last message is what came of a call of this tool.
    pub tool: Option<String>,
}

/// What a rule says.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A text.
    Text(String),
    /// Calls: the tools and their arguments.
    Calls(Vec<(String, Value)>),
    /// It fails.
    Failure(Failure),
}

/// What a script has for a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Scripted {
    /// How long it takes.
    pub delay: Duration,
    /// What comes of it.
    pub answer: Result<ChatAnswer, Failure>,
}

impl ModelScript {
    /// The answer to a request. `used` counts how often each rule has applied.
    pub fn answer(&self, used: &mut Vec<u32>, request: &ChatRequest) -> Scripted {
        used.resize(self.rules.len(), 0);
        for (rule, used) in self.rules.iter().zip(used) {
            if rule.times.is_some_and(|times| *used >= times) || !rule.when.holds(request) {
                continue;
            }
            *used = used.saturating_add(1);
            return Scripted { delay: rule.delay, answer: rule.answer(request) };
        }
        let message = format!(
            "no rule of the script is for turn {} of a conversation whose last message is {:?}; add one",
            turn(request),
            shown(request.messages.last().map_or("", Message::text)),
        );
        Scripted { delay: Duration(0), answer: Err(Failure::new(FailureKind::Permanent, message)) }
    }
}

impl ModelRule {
    fn answer(&self, request: &ChatRequest) -> Result<ChatAnswer, Failure> {
        let (text, tool_calls, finish) = match &self.reply {
            Reply::Failure(failure) => return Err(failure.clone()),
            Reply::Text(text) => (text.clone(), Vec::new(), Finish::Stop),
            Reply::Calls(calls) => {
                let turn = turn(request);
                let call = |(at, (name, arguments)): (usize, &(String, Value))| ToolRequest {
                    id: format!("call-{turn}-{at}"),
                    name: name.clone(),
                    arguments: arguments.clone(),
                };
                (String::new(), calls.iter().enumerate().map(call).collect(), Finish::ToolCalls)
            }
        };
        let usage = self.usage.unwrap_or_else(|| Usage {
            input_tokens: request.messages.iter().map(|message| words(message.text())).sum(),
            output_tokens: words(&text),
        });
        Ok(ChatAnswer { text, tool_calls, finish, usage, model: "scripted".to_owned() })
    }
}

impl ModelWhen {
    fn holds(&self, request: &ChatRequest) -> bool {
        let last = request.messages.last();
        self.turn.is_none_or(|wanted| wanted as usize == turn(request))
            && self.last.as_ref().is_none_or(|text| last.is_some_and(|last| last.text().contains(text)))
            && self
                .said
                .as_ref()
                .is_none_or(|text| request.messages.iter().any(|message| message.text().contains(text)))
            && self.tool.as_ref().is_none_or(|tool| answered(request) == Some(tool))
    }
}

impl Message {
    /// What is said in it.
    pub fn text(&self) -> &str {
        match self {
            Self::System { text }
            | Self::User { text }
            | Self::Assistant { text, .. }
            | Self::Tool { text, .. } => text,
        }
    }
}

fn turn(request: &ChatRequest) -> usize {
    request.messages.iter().filter(|message| matches!(message, Message::Assistant { .. })).count()
}

/// The tool whose answer the last message is.
fn answered(request: &ChatRequest) -> Option<&str> {
    let Some(Message::Tool { call, .. }) = request.messages.last() else { return None };
    let calls = request.messages.iter().rev().find_map(|message| match message {
        Message::Assistant { tool_calls, .. } => Some(tool_calls),
        Message::System { .. } | Message::User { .. } | Message::Tool { .. } => None,
    })?;
    calls.iter().find(|asked| asked.id == *call).map(|asked| asked.name.as_str())
}

fn words(text: &str) -> u64 {
    text.split_whitespace().count() as u64
}

fn shown(text: &str) -> &str {
    &text[..text.floor_char_boundary(SHOWN_MAX_BYTES.min(text.len()))]
}
