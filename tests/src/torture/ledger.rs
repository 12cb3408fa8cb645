//! The list that is kept outside of pawl: every command, written down before it is given, and again
//! when pawl has acknowledged or refused it.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use pawl_core::RunId;
use serde_json::{Value, json};

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
}

impl Command {
    /// What marks the command in the journal: an answer's comment, a signal's key and data, a cancel's reason.
    pub fn mark(&self) -> String {
        format!("t{}", self.id)
    }

    /// The run that it is about, where that is known.
    pub fn run(&self) -> Option<RunId> {
        match (&self.order, &self.heard) {
            (Order::Answer { run, .. } | Order::Signal { run, .. } | Order::Cancel { run }, _)
            | (Order::Start { .. }, Heard::Accepted(run)) => Some(*run),
            (Order::Start { .. }, _) => None,
        }
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
        let file = OpenOptions::new().create(true).append(true).open(folder.join("commands.jsonl"))?;
        Ok(Self { file: Mutex::new(file), commands: Mutex::default() })
    }

    fn commands(&self) -> MutexGuard<'_, Vec<Command>> {
        self.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, line: &Value) -> Result<()> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(writeln!(file, "{line}")?)
    }

    /// Writes down what is about to be asked for the first time; gives its number.
    pub(super) fn plan(&self, order: Order) -> u64 {
        let mut commands = self.commands();
        let id = u64::try_from(commands.len()).unwrap_or(u64::MAX);
        commands.push(Command { id, order, tries: 0, heard: Heard::Nothing });
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
        let (tries, order) = (command.tries, format!("{:?}", command.order));
        self.write(&json!({ "command": id, "try": tries, "asked": order }))?;
        Ok(command)
    }

    /// Writes down what was heard.
    pub(super) fn hear(&self, id: u64, heard: &Heard) -> Result<()> {
        let text = match heard {
            Heard::Nothing => return Ok(()),
            Heard::Accepted(run) => json!({ "command": id, "accepted": run }),
            Heard::Refused(why) => json!({ "command": id, "refused": why }),
        };
        self.write(&text)?;
        self.commands()[usize::try_from(id)?].heard = heard.clone();
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
