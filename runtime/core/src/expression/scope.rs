//! What an expression can see.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr};
use serde_json::Value;

use super::lazy::{Lazy, Origin, Reads, absent, missing};
use super::reference::{Reference, Root};
use crate::{Failure, StepId};

/// What an expression can see: `inputs`, `steps.<id>.output`, `vars`, `run`, `item`, `index`, `error`.
///
/// Borrowed from a run's state; nothing is copied until an expression asks for it.
#[derive(Debug, Clone)]
pub struct Scope<'a> {
    /// The run's inputs, an object.
    pub inputs: &'a Arc<Value>,
    /// The run's variables, an object.
    pub vars: &'a Arc<Value>,
    /// `run`: an object with `id`, `workflow`, `version`, `started_at`.
    pub run: &'a Arc<Value>,
    /// What the lists of steps have that are gone through, the innermost first, the workflow's own last.
    pub layers: Vec<Layer<'a>>,
}

/// What one list of steps that is gone through adds to what an expression can see.
#[derive(Debug, Clone, Copy)]
pub struct Layer<'a> {
    /// The last output of every step of the list that has one.
    pub outputs: &'a BTreeMap<StepId, Arc<Value>>,
    /// `item`, and the name that the workflow gives it.
    pub item: Option<&'a Arc<Value>>,
    /// The name that the workflow gives the item.
    pub name: Option<&'a str>,
    /// `index`.
    pub index: Option<u32>,
    /// `error`.
    pub error: Option<&'a Failure>,
}

impl Scope<'_> {
    /// The values that these references can reach; each is shared, none is copied.
    pub(super) fn context(&self, references: &[Reference]) -> minijinja::Value {
        let mut outputs = Vec::new();
        let mut error = None;
        let mut locals = Vec::new();
        for reference in references {
            match (&reference.root, reference.field(0)) {
                (Root::Steps, Some(name)) => {
                    let id = StepId::new(name);
                    let known = self.layers.iter().find_map(|layer| layer.outputs.get(&id));
                    outputs.extend(known.map(|output| (id, Arc::clone(output))));
                }
                // The innermost comes first, and the first of a name is the one that is found.
                (Root::Steps, None) => {
                    let all = self.layers.iter().flat_map(|layer| layer.outputs);
                    outputs.extend(all.map(|(id, output)| (id.clone(), Arc::clone(output))));
                }
                (Root::Error, _) => {
                    let failure = self.layers.iter().find_map(|layer| layer.error);
                    let failure = failure.and_then(|failure| serde_json::to_value(failure).ok());
                    error = failure.map(Arc::new);
                }
                (Root::Local(name), _) => {
                    let named = |layer: &&Layer<'_>| layer.name == Some(&**name);
                    let item = self.layers.iter().find(named).and_then(|layer| layer.item);
                    locals.extend(item.map(|item| (Arc::clone(name), Arc::clone(item))));
                }
                (Root::Inputs | Root::Vars | Root::Run | Root::Item | Root::Index, _) => {}
            }
        }
        let item = self.layers.iter().find_map(|layer| layer.item).cloned();
        let index = self.layers.iter().find_map(|layer| layer.index);
        let (inputs, run) = (Arc::clone(self.inputs), Arc::clone(self.run));
        let vars = Arc::clone(self.vars);
        let outputs = Arc::new(outputs);
        let reads = Reads::new();
        minijinja::Value::from_object(Context {
            inputs,
            vars,
            run,
            error,
            item,
            index,
            locals,
            outputs,
            reads,
        })
    }
}

type Outputs = Arc<Vec<(StepId, Arc<Value>)>>;

/// The names at the top.
#[derive(Debug)]
struct Context {
    inputs: Arc<Value>,
    vars: Arc<Value>,
    run: Arc<Value>,
    error: Option<Arc<Value>>,
    item: Option<Arc<Value>>,
    index: Option<u32>,
    locals: Vec<(Arc<str>, Arc<Value>)>,
    outputs: Outputs,
    reads: Reads,
}

impl Context {
    fn value(&self, root: &Root, asks: bool) -> minijinja::Value {
        let document = |document: &Option<Arc<Value>>, origin: Origin| match document {
            Some(document) => Lazy::document(document, origin, asks, &self.reads),
            None if asks => absent(),
            None => missing(format!("there is no {origin} at hand here; ask with `{origin} is defined`")),
        };
        match root {
            Root::Inputs => Lazy::document(&self.inputs, Origin::Inputs, asks, &self.reads),
            Root::Vars => Lazy::document(&self.vars, Origin::Vars, asks, &self.reads),
            Root::Run => Lazy::document(&self.run, Origin::Run, asks, &self.reads),
            Root::Error => document(&self.error, Origin::Error),
            Root::Item => document(&self.item, Origin::Item("item".into())),
            Root::Index => match self.index {
                Some(index) => minijinja::Value::from(index),
                None if asks => absent(),
                None => missing("there is no index at hand here; ask with `index is defined`".to_owned()),
            },
            Root::Local(name) => {
                let item =
                    self.locals.iter().find(|(local, _)| local == name).map(|(_, item)| Arc::clone(item));
                document(&item, Origin::Item(Arc::clone(name)))
            }
            Root::Steps => {
                let (outputs, reads) = (Arc::clone(&self.outputs), self.reads.clone());
                minijinja::Value::from_object(Steps { outputs, asks, reads })
            }
        }
    }
}

impl Object for Context {
    fn get_value(self: &Arc<Self>, key: &minijinja::Value) -> Option<minijinja::Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<minijinja::Value> {
        let locals = self.locals.iter().map(|(local, _)| Root::Local(Arc::clone(local)));
        let mut roots = Root::ALL.into_iter().chain(locals);
        let root = roots.find(|root| name == root.name() || name == root.asking_name())?;
        Some(self.value(&root, name == root.asking_name()))
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
