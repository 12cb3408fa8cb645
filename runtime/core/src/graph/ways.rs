//! The ways between steps.

use petgraph::graph::{DiGraph, NodeIndex};

use crate::definition::{Branch, Case, Definition, Step, StepIndex, Target, Then, Verb};

/// A node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where a run starts.
    Start,
    /// A step.
    Step(StepIndex),
    /// Where a run completes.
    End,
}

/// An edge: how a run comes from one place to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Way {
    /// Always.
    Always,
    /// When an expression holds.
    When(String),
    /// When nothing before it held.
    Otherwise,
}

/// A definition as a graph. Every way that a run can take is an edge; edges
/// may be there that no run takes, since conditions are not evaluated.
#[derive(Debug)]
pub struct Graph {
    inner: DiGraph<Place, Way>,
    start: NodeIndex,
    steps: Vec<NodeIndex>,
    end: NodeIndex,
}

impl Graph {
    /// The graph of a definition.
    pub fn of(definition: &Definition) -> Self {
        let mut inner = DiGraph::new();
        let start = inner.add_node(Place::Start);
        let steps: Vec<NodeIndex> =
            (0..definition.steps.len()).map(|index| inner.add_node(Place::Step(StepIndex(index)))).collect();
        let end = inner.add_node(Place::End);
        let mut graph = Self { inner, start, steps, end };
        let first = graph.below(None);
        graph.inner.add_edge(start, first, Way::Always);
        for (index, step) in definition.steps.iter().enumerate() {
            graph.add(index, step);
        }
        graph
    }

    /// The graph itself.
    pub const fn inner(&self) -> &DiGraph<Place, Way> {
        &self.inner
    }

    /// Where a run starts.
    pub const fn start(&self) -> NodeIndex {
        self.start
    }

    /// Where a run completes.
    pub const fn end(&self) -> NodeIndex {
        self.end
    }

    /// The node of the step at an index of its definition.
    pub fn step(&self, index: usize) -> NodeIndex {
        self.steps.get(index).copied().unwrap_or(self.end)
    }

    fn below(&self, index: Option<usize>) -> NodeIndex {
        self.step(index.map_or(0, |index| index + 1))
    }

    fn target(&self, target: Target) -> NodeIndex {
        match target {
            Target::Step(index) => self.step(index.0),
            Target::End => self.end,
        }
    }

    fn add(&mut self, index: usize, step: &Step) {
        match &step.verb {
            Verb::Switch(switch) => {
                let cases = switch.cases.iter().map(|Case { when, to }| (when.as_ref(), *to));
                self.choices(index, cases.map(|(when, to)| (when.map(ToString::to_string), to)).collect());
                self.skipped(index, step);
            }
            Verb::Fail(_) => self.skipped(index, step),
            Verb::Agent(_) | Verb::Tool(_) | Verb::Human(_) | Verb::Set(_) | Verb::Wait(_) => {
                self.then(index, &step.then);
                if !matches!(step.then, Then::Next) {
                    self.skipped(index, step);
                }
            }
        }
    }

    /// A step that is skipped leads to the one below it, wherever its own way goes.
    fn skipped(&mut self, index: usize, step: &Step) {
        if let Some(condition) = &step.condition {
            let (from, to) = (self.step(index), self.below(Some(index)));
            self.inner.add_edge(from, to, Way::When(format!("not ({})", condition.source().trim())));
        }
    }

    fn then(&mut self, index: usize, then: &Then) {
        let (from, below) = (self.step(index), self.below(Some(index)));
        match then {
            Then::Next => {
                self.inner.add_edge(from, below, Way::Always);
            }
            Then::To(target) => {
                let to = self.target(*target);
                self.inner.add_edge(from, to, Way::Always);
            }
            Then::Choose(branches) => {
                let always = branches.iter().any(|branch| branch.when.is_none());
                let choices =
                    branches.iter().map(|Branch { when, to }| (when.as_ref().map(ToString::to_string), *to));
                self.choices(index, choices.collect());
                if !always {
                    let way = if branches.is_empty() { Way::Always } else { Way::Otherwise };
                    self.inner.add_edge(from, below, way);
                }
            }
        }
    }

    fn choices(&mut self, index: usize, choices: Vec<(Option<String>, Target)>) {
        let from = self.step(index);
        for (number, (when, to)) in choices.into_iter().enumerate() {
            let way = match when {
                Some(when) => Way::When(when.trim().to_owned()),
                None if number == 0 => Way::Always,
                None => Way::Otherwise,
            };
            let to = self.target(to);
            self.inner.add_edge(from, to, way);
        }
    }
}
