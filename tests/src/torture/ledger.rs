//! The list that is kept outside of pawl: every command, written down before it is given, and again
//! when pawl has acknowledged or refused it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use pawl_core::RunId;
use serde_json::{Value, json};

use crate::tally::now;

/// The file.
const FILE: &str = "commands.jsonl";

/// What is asked of pawl.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// A run with the input `n`, which no other has.
    Start {
        /// Its input.
        n: u64,
        /// The workflow's name.
        workflow: String,
    },
    /// An answer to an approval.
    Answer {
        /// The run that asks.
        run: RunId,
        /// The approval.
        approval: String,
        /// What is chosen.
        action: String,
        /// The form.
        data: Value,
    },
    /// A signal.
    Signal {
        /// To this run.
        run: RunId,
        /// Its name.
        name: String,
    },
    /// The end of a run.
    Cancel {
        /// Of this one.
        run: RunId,
    },
    /// That a run begin nothing new.
    Suspend {
        /// This one.
        run: RunId,
    },
    /// That a suspended run go on.
    Resume {
        /// This one.
        run: RunId,
    },
    /// Another try of the step with which a run failed.
    Retry {
        /// Of this one.
        run: RunId,
    },
    /// A run that begins with the events of another.
    Fork {
        /// Of this one.
        run: RunId,
        /// Up to this event.
        seq: u64,
    },
    /// An event, published by a run that does nothing else.
    Publish {
        /// For this run, which waits for it.
        run: RunId,
        /// Its topic.
        topic: String,
    },
}

impl Order {
    /// What it is, in a word.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "starts",
            Self::Answer { .. } => "answers",
            Self::Signal { .. } => "signals",
            Self::Cancel { .. } => "cancels",
            Self::Suspend { .. } => "suspends",
            Self::Resume { .. } => "resumes",
            Self::Retry { .. } => "retries",
            Self::Fork { .. } => "forks",
            Self::Publish { .. } => "events published",
        }
    }

    /// As it stands in the file.
    fn document(&self) -> Value {
        match self {
            Self::Start { n, workflow } => json!({ "start": n, "workflow": workflow }),
            Self::Answer { run, approval, action, data } => {
                json!({ "answer": approval, "run": run, "action": action, "data": data })
            }
            Self::Signal { run, name } => json!({ "signal": name, "run": run }),
            Self::Cancel { run } => json!({ "cancel": run }),
            Self::Suspend { run } => json!({ "suspend": run }),
            Self::Resume { run } => json!({ "resume": run }),
            Self::Retry { run } => json!({ "retry": run }),
            Self::Fork { run, seq } => json!({ "fork": run, "at": seq }),
            Self::Publish { run, topic } => json!({ "publish": topic, "run": run }),
        }
    }

    fn read(document: &Value) -> Result<Self> {
        let text = |key: &str| document[key].as_str().map(str::to_owned).context("a text");
        let run = |key: &str| Ok::<RunId, anyhow::Error>(text(key)?.parse()?);
        if let Some(n) = document["start"].as_u64() {
            return Ok(Self::Start { n, workflow: text("workflow")? });
        }
        let of_run =
            ["cancel", "suspend", "resume", "retry"].into_iter().find(|key| document[key].is_string());
        if let Some(key) = of_run {
            let run = run(key)?;
            return Ok(match key {
                "cancel" => Self::Cancel { run },
                "suspend" => Self::Suspend { run },
                "resume" => Self::Resume { run },
                _ => Self::Retry { run },
            });
        }
        if document["fork"].is_string() {
            let seq = document["at"].as_u64().context("where a run is forked")?;
            return Ok(Self::Fork { run: run("fork")?, seq });
        }
        if document["publish"].is_string() {
            return Ok(Self::Publish { run: run("run")?, topic: text("publish")? });
        }
        if document["signal"].is_string() {
            return Ok(Self::Signal { run: run("run")?, name: text("signal")? });
        }
        let data = document["data"].clone();
        Ok(Self::Answer { run: run("run")?, approval: text("answer")?, action: text("action")?, data })
    }
}

/// What pawl said to a command.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Heard {
    /// Nothing, yet or for ever: it may have been done or not.
    #[default]
    Nothing,
    /// It was acknowledged, for this run.
    Accepted(RunId),
    /// It was refused, for this reason.
    Refused(String),
}

/// A command, and what was heard of it.
#[derive(Debug, Clone)]
pub struct Command {
    /// Its number.
    pub id: u64,
    /// What was asked.
    pub order: Order,
    /// How often it was given; again only as long as nothing is heard.
    pub tries: u32,
    /// What was heard.
    pub heard: Heard,
    /// When that was, in milliseconds since 1970.
    pub heard_at: Option<u64>,
}

impl Command {
    /// What marks the command in the journal: an answer's comment, a signal's key and data, a reason, what an event
    /// brings, and always what it is given through.
    pub fn mark(&self) -> String {
        format!("t{}", self.id)
    }

    /// The run that it is about, where that is known.
    pub fn run(&self) -> Option<RunId> {
        match (&self.order, &self.heard) {
            (
                Order::Answer { run, .. }
                | Order::Signal { run, .. }
                | Order::Cancel { run }
                | Order::Suspend { run }
                | Order::Resume { run }
                | Order::Retry { run }
                | Order::Fork { run, .. }
                | Order::Publish { run, .. },
                _,
            )
            | (Order::Start { .. }, Heard::Accepted(run)) => Some(*run),
            (Order::Start { .. }, _) => None,
        }
    }

    /// What it is given through.
    pub fn via(&self) -> String {
        format!("cli/{}", self.mark())
    }

    /// Whether pawl acknowledged it.
    pub fn is_accepted(&self) -> bool {
        matches!(self.heard, Heard::Accepted(_))
    }
}

/// The list, in memory and in a file.
#[derive(Debug)]
pub(super) struct Ledger {
    file: Mutex<File>,
    commands: Mutex<Vec<Command>>,
}

impl Ledger {
    /// A list that is empty, with its file in this folder.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(folder.join(FILE))?;
        Ok(Self { file: Mutex::new(file), commands: Mutex::default() })
    }

    fn commands(&self) -> MutexGuard<'_, Vec<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &Value) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        // At once, so that no half of it stands there.
        Ok(file.write_all(format!("{line}\n").as_bytes())?)
    }

    /// Writes down what is about to be asked for the first time; gives its number.
    pub(super) fn plan(&self, order: Order) -> u64 {
        let mut commands = self.commands();
        let id = u64::try_from(commands.len()).unwrap_or(u64::MAX);
        commands.push(Command { id, order, tries: 0, heard: Heard::Nothing, heard_at: None });
        id
    }

    /// Writes down that it is given now.
    pub(super) fn give(&self, id: u64) -> Result<Command> {
        let command = {
            let mut commands = self.commands();
            let command = &mut commands[usize::try_from(id)?];
            command.tries += 1;
            command.clone()
        };
        self.write(&json!({ "command": id, "try": command.tries, "asked": command.order.document() }))?;
        Ok(command)
    }

    /// Writes down what was heard.
    pub(super) fn hear(&self, id: u64, heard: &Heard) -> Result<()> {
        let at = now();
        let text = match heard {
            Heard::Nothing => return Ok(()),
            Heard::Accepted(run) => json!({ "command": id, "accepted": run, "at": at }),
            Heard::Refused(why) => json!({ "command": id, "refused": why, "at": at }),
        };
        self.write(&text)?;
        let command = &mut self.commands()[usize::try_from(id)?];
        (command.heard, command.heard_at) = (heard.clone(), Some(at));
        Ok(())
    }

    /// A command as it stands.
    pub(super) fn get(&self, id: u64) -> Command {
        self.commands()[usize::try_from(id).unwrap_or(usize::MAX)].clone()
    }

    /// All of it.
    pub(super) fn all(&self) -> Vec<Command> {
        self.commands().clone()
    }
}

/// The list as its file says it; a line that is not whole was never written to its end.
pub(super) fn read(folder: &Path) -> Result<Vec<Command>> {
    let text = match std::fs::read_to_string(folder.join(FILE)) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        text => text?,
    };
    let mut commands = BTreeMap::<u64, Command>::new();
    for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
        let line: Value = serde_json::from_str(line)?;
        let id = line["command"].as_u64().context("a command's number")?;
        if !line["asked"].is_null() {
            let order = Order::read(&line["asked"])?;
            let new = Command { id, order, tries: 0, heard: Heard::Nothing, heard_at: None };
            commands.entry(id).or_insert(new).tries += 1;
        }
        let Some(command) = commands.get_mut(&id) else { continue };
        if let Some(run) = line["accepted"].as_str() {
            command.heard = Heard::Accepted(run.parse()?);
        } else if let Some(why) = line["refused"].as_str() {
            command.heard = Heard::Refused(why.to_owned());
        } else {
            continue;
        }
        command.heard_at = line["at"].as_u64();
    }
    Ok(commands.into_values().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_says_what_the_list_says() -> Result<()> {
        let folder = tempfile::tempdir()?;
        let ledger = Ledger::open(folder.path())?;
        let run = RunId::from_bytes([7; 16]);
        let answer = Order::Answer {
            run,
            approval: "a".into(),
            action: "approve".into(),
            data: json!({ "output": 1 }),
        };
        let orders = [
            Order::Start { n: 3, workflow: "saga".into() },
            answer,
            Order::Signal { run, name: "paid".into() },
            Order::Cancel { run },
            Order::Suspend { run },
            Order::Resume { run },
            Order::Retry { run },
            Order::Fork { run, seq: 7 },
            Order::Publish { run, topic: "ears/7/out".into() },
        ];
        for order in orders {
            let id = ledger.plan(order);
            ledger.give(id)?;
            if id != 1 {
                ledger.hear(id, &Heard::Accepted(run))?;
            }
        }
        ledger.give(1)?;
        ledger.hear(1, &Heard::Refused("no".into()))?;
        assert_eq!(format!("{:?}", read(folder.path())?), format!("{:?}", ledger.all()));
        Ok(())
    }
}
