//! A conversation that outlives its run: what the step's memory holds of it.
//!
//! All of it stands under one key. It is read once, before the model is asked for the first time, and put
//! once, when the task is done or handed over: a task that failed leaves the memory as it was.

use pawl_plugin::prelude::*;

use crate::turns::{self, Turn};
use crate::world::World;

/// What is remembered of a conversation, as JSON.
pub(crate) const REMEMBERED_MAX_BYTES: usize = 256 << 10;
/// Its turns: tasks with their answers.
pub(crate) const REMEMBERED_MAX_TURNS: usize = 50;
/// Its messages, those of tools counted.
pub(crate) const REMEMBERED_MAX_MESSAGES: usize = 400;
/// The name under which it is kept.
pub(crate) const REMEMBER_NAME_MAX_BYTES: usize = 64;
/// What stays of a text whose turn alone is more than may be remembered.
pub(crate) const REMEMBERED_TEXT_MAX_BYTES: usize = 8 << 10;
/// The form of what is kept. Whatever reads an older one brings it up to date here.
const FORMAT: u32 = 1;

/// What is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Kept {
    v: u32,
    /// What was said before these turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<String>,
    /// The oldest first.
    pub(crate) turns: Vec<Turn>,
}

/// Where a conversation is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place(String);

impl Place {
    /// By the name that the input gives.
    pub(crate) fn new(name: &str) -> Result<Self, Failure> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if (1..=REMEMBER_NAME_MAX_BYTES).contains(&name.len()) && name.bytes().all(fits) {
            return Ok(Self(format!("assistant/{name}")));
        }
        Err(Failure::invalid_input(format!(
            "`remember` is {name:?}; it needs 1 to {REMEMBER_NAME_MAX_BYTES} letters, digits, `-`, `_` and `.`"
        )))
    }

    /// What was said in earlier runs.
    pub(crate) fn read(&self, world: &mut impl World) -> Result<Kept, Failure> {
        let Some(value) = world.recall(&self.0)? else { return Ok(Kept::new(None, Vec::new())) };
        let kept = read(value).map_err(|wrong| {
            let Self(key) = self;
            Failure::permanent(format!(
                "the memory's {key} holds no conversation of this agent: {wrong}; forget it with `pawl memory \
                 forget`, or give another name in `remember`"
            ))
        })?;
        Ok(kept.bounded())
    }

    pub(crate) fn write(&self, world: &mut impl World, kept: Kept) -> Result<(), Failure> {
        let value = serde_json::to_value(kept.bounded())
            .map_err(|error| Failure::permanent(format!("the conversation cannot be kept: {error}")))?;
        world.keep(&self.0, &value)
    }
}

fn read(value: Value) -> Result<Kept, String> {
    let kept: Kept = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if kept.v != FORMAT {
        return Err(format!("its form is {}, and this agent knows {FORMAT}", kept.v));
    }
    kept.turns.iter().try_for_each(|turn| turns::check(turn))?;
    Ok(kept)
}

impl Kept {
    pub(crate) fn new(summary: Option<String>, turns: Vec<Turn>) -> Self {
        Self { v: FORMAT, summary, turns }
    }

    /// As much as may be remembered: whole turns go, the oldest first; of a turn that is too much alone,
    /// the task and the last word stay.
    fn bounded(mut self) -> Self {
        if let Some(summary) = &mut self.summary {
            summary.truncate(turns::cut(summary, REMEMBERED_TEXT_MAX_BYTES).len());
        }
        let excess = self.turns.len().saturating_sub(REMEMBERED_MAX_TURNS);
        self.turns.drain(..excess);
        // From the newest back, as long as all of them fit.
        let (mut bytes, mut messages) = (REMEMBERED_TEXT_MAX_BYTES, 0);
        let fitting = self.turns.iter().rev().take_while(|turn| {
            bytes += turns::size(turn);
            messages += turn.len();
            bytes <= REMEMBERED_MAX_BYTES && messages <= REMEMBERED_MAX_MESSAGES
        });
        let fitting = fitting.count();
        if let (0, Some(newest)) = (fitting, self.turns.last()) {
            self.turns = vec![shortened(newest)];
        } else {
            self.turns.drain(..self.turns.len() - fitting);
        }
        self
    }
}

/// The task and the last word, each as far as it may be kept.
fn shortened(turn: &Turn) -> Turn {
    let mut turn = turns::plain(turn);
    for message in &mut turn {
        use pawl_plugin::models::Message;
        match message {
            Message::System { text }
            | Message::User { text }
            | Message::Assistant { text, .. }
            | Message::Tool { text, .. } => {
                text.truncate(turns::cut(text, REMEMBERED_TEXT_MAX_BYTES).len());
            }
        }
    }
    turn
}

#[cfg(test)]
mod tests;
