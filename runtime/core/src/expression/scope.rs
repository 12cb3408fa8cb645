//! What an expression can see.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use serde_json::Value;

use super::lazy::{Lazy, Origin, Reads, absent, missing};
use super::reference::{Reference, Root};
use crate::{Failure, StepId};

/// What an expression can see: `inputs`, `steps.<id>.output`, `run`, `error`.
///
/// Borrowed from a run's state; nothing is copied until an expression asks for it.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The run's inputs, an object.
    pub inputs: &'a Arc<Value>,
    /// The last output of every step that has one.
    pub outputs: &'a BTreeMap<StepId, Arc<Value>>,
    /// `run`: an object with `id`, `workflow`, `version`, `started_at`.
    pub run: &'a Arc<Value>,
    /// `error`: the failure at hand, where there is one.
    pub error: Option<&'a Failure>,
}

impl Scope<'_> {
    /// The values that these references can reach; each is shared, none is copied.
    pub(super) fn context(&self, references: &[Reference]) -> minijinja::Value {
        let mut outputs = Vec::new();
        let mut error = None;
        for reference in references {
            match (reference.root, reference.field(0)) {
                (Root::Steps, Some(name)) => {
                    let known = self.outputs.get_key_value(&StepId::new(name));
                    outputs.extend(known.map(|(id, output)| (id.clone(), Arc::clone(output))));
                }
                (Root::Steps, None) => {
                    outputs.extend(self.outputs.iter().map(|(id, output)| (id.clone(), Arc::clone(output))));
                }
                (Root::Error, _) => {
                    let failure = self.error.and_then(|failure| serde_json::to_value(failure).ok());
                    error = failure.map(Arc::new);
                }
                (Root::Inputs | Root::Run, _) => {}
            }
        }
        let (inputs, run) = (Arc::clone(self.inputs), Arc::clone(self.run));
        let outputs = Arc::new(outputs);
        minijinja::Value::from_object(Context { inputs, run, error, outputs, reads: Reads::new() })
    }
}

type Outputs = Arc<Vec<(StepId, Arc<Value>)>>;

/// The names at the top.
#[derive(Debug)]
struct Context {
    inputs: Arc<Value>,
    run: Arc<Value>,
    error: Option<Arc<Value>>,
    outputs: Outputs,
    reads: Reads,
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<minijinja::Value> {
        let root = Root::ALL.into_iter().find(|root| name == root.name() || name == root.asking_name())?;
        let asks = name == root.asking_name();
        Some(match root {
            Root::Inputs => Lazy::document(&self.inputs, Origin::Inputs, asks, &self.reads),
            Root::Run => Lazy::document(&self.run, Origin::Run, asks, &self.reads),
            Root::Error => match &self.error {
                Some(error) => Lazy::document(error, Origin::Error, asks, &self.reads),
                None if asks => absent(),
                None => missing("there is no error at hand here; ask with `error is defined`".to_owned()),
            },
            Root::Steps => {
                let (outputs, reads) = (Arc::clone(&self.outputs), self.reads.clone());
                minijinja::Value::from_object(Steps { outputs, asks, reads })
            }
        })
    }
}

/// `steps`.
#[derive(Debug)]
struct Steps {
    outputs: Outputs,
    asks: bool,
    reads: Reads,
}

impl Object for Steps {
    /// No map: only what is below it is a value.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("steps")
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<minijinja::Value> {
        let found = self.outputs.iter().find(|(id, _)| id.as_str() == name);
        Some(match found {
            Some((id, output)) => {
                let (id, output) = (id.clone(), Some(Arc::clone(output)));
                let reads = self.reads.clone();
                minijinja::Value::from_object(StepValue { id, output, asks: self.asks, reads })
            }
            None if self.asks => absent(),
            None => {
                let (id, asks) = (StepId::new(name), self.asks);
                minijinja::Value::from_object(StepValue { id, output: None, asks, reads: self.reads.clone() })
            }
        })
    }
}

/// `steps.<id>`.
#[derive(Debug)]
struct StepValue {
    id: StepId,
    output: Option<Arc<Value>>,
    asks: bool,
    reads: Reads,
}

impl Object for StepValue {
    /// No map: its output is the value.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "steps.{}", self.id)
    }

    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<minijinja::Value> {
        let id = &self.id;
        Some(match &self.output {
            Some(output) if name == "output" => {
                Lazy::document(output, Origin::Output(id.clone()), self.asks, &self.reads)
            }
            _ if self.asks => absent(),
            None if name == "output" => missing(format!(
                "step '{id}' has no output here, since it did not run; ask with `steps.{id}.output is defined`, or give a `default(…)`"
            )),
            _ => missing(format!("steps.{id} has no '{name}'; it has: output")),
        })
    }
}
