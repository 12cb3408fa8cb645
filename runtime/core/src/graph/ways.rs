//! The ways between steps.

use petgraph::graph::{DiGraph, NodeIndex};

use crate::definition::{
    Block, BlockIndex, Branch, Case, Definition, Role, Step, StepIndex, Target, Then, Verb,
};

/// A node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Where a run starts.
    Start,
    /// A step.
    Step(StepIndex),
    /// Where the lists of steps within a step come together.
    Joined(StepIndex),
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
    /// For what is named: a branch, each item, another turn, a failure.
    For(String),
}

/// A definition as a graph. Every way that a run can take is an edge; edges
/// may be there that no run takes, since conditions are not evaluated.
#[derive(Debug)]
pub struct Graph {
    inner: DiGraph<Place, Way>,
    start: NodeIndex,
    steps: Vec<NodeIndex>,
    joined: Vec<Option<NodeIndex>>,
    end: NodeIndex,
}

impl Graph {
    /// The graph of a definition.
    pub fn of(definition: &Definition) -> Self {
        let mut inner = DiGraph::new();
        let start = inner.add_node(Place::Start);
        let (mut steps, mut joined) = (Vec::new(), Vec::new());
        for (index, step) in definition.steps.iter().enumerate() {
            steps.push(inner.add_node(Place::Step(StepIndex(index))));
            let joins = !blocks_within(step).is_empty() || step.finally.is_some();
            joined.push(joins.then(|| inner.add_node(Place::Joined(StepIndex(index)))));
        }
        let end = inner.add_node(Place::End);
        let mut graph = Self { inner, start, steps, joined, end };
        let firsts = graph.firsts(definition, BlockIndex::ROOT);
        graph.link(start, firsts, &Way::Always);
        for (index, step) in definition.steps.iter().enumerate() {
            graph.add(definition, index, step);
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

    /// The node at which the step at an index of its definition is done, with all lists of steps within it.
    pub fn done(&self, index: usize) -> NodeIndex {
        self.out_of(StepIndex(index))
    }

    fn link(&mut self, from: NodeIndex, to: Vec<NodeIndex>, way: &Way) {
        for to in to {
            self.inner.add_edge(from, to, way.clone());
        }
    }

    /// The steps of a list that come first: one, or all that need nothing.
    fn firsts(&self, definition: &Definition, block: BlockIndex) -> Vec<NodeIndex> {
        let Some(block) = definition.block(block) else { return vec![self.end] };
        let needs_nothing =
            |index: &&StepIndex| definition.step(**index).is_some_and(|step| step.needs.is_empty());
        let firsts = block.steps.iter().filter(needs_nothing);
        firsts.take(if block.is_graph { usize::MAX } else { 1 }).map(|first| self.step(first.0)).collect()
    }

    /// What comes after the last step of a list.
    fn after(&self, definition: &Definition, block: BlockIndex) -> Vec<NodeIndex> {
        let Some((role, parent)) =
            definition.block(block).and_then(|block| Some((block.role, block.parent?)))
        else {
            return vec![self.end];
        };
        match role {
            Role::Workflow => vec![self.end],
            Role::Turn => vec![self.step(parent.0)],
            Role::Branch | Role::Item | Role::Catch => self.after_work(definition, parent),
            Role::Finally => vec![self.out_of(parent)],
            Role::Undo => Vec::new(),
        }
    }

    /// What comes after what a step does: its `finally`, or where it joins.
    fn after_work(&self, definition: &Definition, index: StepIndex) -> Vec<NodeIndex> {
        match definition.step(index).and_then(|step| step.finally) {
            Some(finally) => self.firsts(definition, finally),
            None => vec![self.out_of(index)],
        }
    }

    /// The node from which a step's own ways lead on.
    pub(super) fn out_of(&self, index: StepIndex) -> NodeIndex {
        self.joined.get(index.0).copied().flatten().unwrap_or_else(|| self.step(index.0))
    }

    fn below(&self, definition: &Definition, step: &Step) -> Vec<NodeIndex> {
        step.below.map_or_else(|| self.after(definition, step.block), |below| vec![self.step(below.0)])
    }

    fn target(&self, definition: &Definition, step: &Step, target: Target) -> Vec<NodeIndex> {
        match target {
            Target::Step(index) => vec![self.step(index.0)],
            Target::End => self.after(definition, step.block),
        }
    }

    /// The ways from a step of a graph: to those that need it, or out of the list.
    fn needed(&mut self, definition: &Definition, block: &Block, index: StepIndex, step: &Step) {
        let needs_it =
            |other: &&StepIndex| definition.step(**other).is_some_and(|other| other.needs.contains(&index));
        let next: Vec<_> = block.steps.iter().filter(needs_it).map(|next| self.step(next.0)).collect();
        let next = if next.is_empty() { self.after(definition, step.block) } else { next };
        let ends = matches!(step.verb, Verb::Fail(_)) && step.catch.is_none();
        match (&step.condition, ends) {
            (None, true) => {}
            (Some(condition), true) => {
                let way = Way::When(format!("not ({})", condition.source().trim()));
                self.link(self.step(index.0), next, &way);
            }
            (_, false) => self.link(self.out_of(index), next, &Way::Always),
        }
    }

    fn add(&mut self, definition: &Definition, index: usize, step: &Step) {
        self.add_within(definition, index, step);
        if let Some(undo) = &step.undo {
            let (from, to) = (self.out_of(StepIndex(index)), self.firsts(definition, undo.block));
            self.link(from, to, &Way::For("undo".to_owned()));
        }
        if let Some(block) = definition.block(step.block).filter(|block| block.is_graph) {
            return self.needed(definition, block, StepIndex(index), step);
        }
        match &step.verb {
            Verb::Switch(switch) => {
                let cases = switch.cases.iter().map(|Case { when, to }| (when.as_ref(), *to));
                let cases = cases.map(|(when, to)| (when.map(ToString::to_string), to)).collect();
                self.choices(definition, index, step, cases);
                self.skipped(definition, index, step);
            }
            Verb::Fail(_) if step.catch.is_none() => self.skipped(definition, index, step),
            Verb::Agent(_)
            | Verb::Tool(_)
            | Verb::Human(_)
            | Verb::Set(_)
            | Verb::Wait(_)
            | Verb::Fail(_)
            | Verb::Parallel(_)
            | Verb::Map(_)
            | Verb::Loop(_)
            | Verb::Signal(_)
            | Verb::Emit(_)
            | Verb::Workflow(_) => {
                self.then(definition, index, step);
                if !matches!(step.then, Then::Next) {
                    self.skipped(definition, index, step);
                }
            }
        }
    }

    /// The ways into the lists within a step, and past them.
    fn add_within(&mut self, definition: &Definition, index: usize, step: &Step) {
        let from = self.step(index);
        for (block, label) in blocks_within(step) {
            let to = self.firsts(definition, block);
            self.link(from, to, &Way::For(label));
        }
        let done = self.after_work(definition, StepIndex(index));
        let past = match &step.verb {
            Verb::Parallel(_) | Verb::Fail(_) => None,
            Verb::Map(_) => Some(Way::For("no items".to_owned())),
            Verb::Loop(_) => Some(Way::Otherwise),
            Verb::Agent(_)
            | Verb::Tool(_)
            | Verb::Human(_)
            | Verb::Set(_)
            | Verb::Switch(_)
            | Verb::Wait(_)
            | Verb::Signal(_)
            | Verb::Emit(_)
            | Verb::Workflow(_) => Some(Way::Always),
        };
        if let (Some(past), true) = (past, done != [from]) {
            self.link(from, done, &past);
        }
    }

    /// A step that is skipped leads to the one below it, wherever its own way goes.
    fn skipped(&mut self, definition: &Definition, index: usize, step: &Step) {
        if let Some(condition) = &step.condition {
            let (from, to) = (self.step(index), self.below(definition, step));
            self.link(from, to, &Way::When(format!("not ({})", condition.source().trim())));
        }
    }

    fn then(&mut self, definition: &Definition, index: usize, step: &Step) {
        let (from, below) = (self.out_of(StepIndex(index)), self.below(definition, step));
        match &step.then {
            Then::Next => {
                self.link(from, below, &Way::Always);
            }
            Then::To(target) => {
                let to = self.target(definition, step, *target);
                self.link(from, to, &Way::Always);
            }
            Then::Choose(branches) => {
                let always = branches.iter().any(|branch| branch.when.is_none());
                let choices =
                    branches.iter().map(|Branch { when, to }| (when.as_ref().map(ToString::to_string), *to));
                self.choices(definition, index, step, choices.collect());
                if !always {
                    let way = if branches.is_empty() { Way::Always } else { Way::Otherwise };
                    self.link(from, below, &way);
                }
            }
        }
    }

    fn choices(
        &mut self,
        definition: &Definition,
        index: usize,
        step: &Step,
        choices: Vec<(Option<String>, Target)>,
    ) {
        let from = self.out_of(StepIndex(index));
        for (number, (when, to)) in choices.into_iter().enumerate() {
            let way = match when {
                Some(when) => Way::When(when.trim().to_owned()),
                None if number == 0 => Way::Always,
                None => Way::Otherwise,
            };
            let to = self.target(definition, step, to);
            self.link(from, to, &way);
        }
    }
}

/// The lists of steps within a step that it leads into itself, and what for. A `finally` comes after them.
pub(super) fn blocks_within(step: &Step) -> Vec<(BlockIndex, String)> {
    let mut blocks = match &step.verb {
        Verb::Parallel(parallel) => {
            parallel.branches.iter().map(|(name, block)| (*block, name.clone())).collect()
        }
        Verb::Map(map) => vec![(map.body, "each item".to_owned())],
        Verb::Loop(repeat) => vec![(repeat.body, format!("while {}", repeat.condition.source().trim()))],
        Verb::Agent(_)
        | Verb::Tool(_)
        | Verb::Human(_)
        | Verb::Set(_)
        | Verb::Switch(_)
        | Verb::Wait(_)
        | Verb::Fail(_)
        | Verb::Signal(_)
        | Verb::Emit(_)
        | Verb::Workflow(_) => Vec::new(),
    };
    blocks.extend(step.catch.map(|block| (block, "on failure".to_owned())));
    blocks
}
