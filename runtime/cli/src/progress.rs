//! What a person sees of a run while it goes on: a line when a step is done or
//! waits, an agent's calls indented below the agent.

use pawl_core::call::{CallRequest, LogLevel};
use pawl_core::event::{ApprovalOpened, Asker, BudgetWarned, Entry, Event, Work};
use pawl_core::journal::Envelope;
use pawl_core::view::{RunHeader, Status};
use pawl_core::{ApprovalId, Failure, FrameId, Timestamp, VisitId};
use pawl_engine::{ProgressNote, Said};

use crate::budgets;
use crate::output::Output;
use crate::shape::took;
use crate::story::{Step, Story, answer};
use crate::summary;

/// Columns of a step's id and of what it does.
const ID_WIDTH: usize = 12;
const WORK_WIDTH: usize = 28;

/// Prints what becomes durable, each event once, from a seq on.
#[derive(Debug)]
pub(crate) struct Progress {
    out: Output,
    story: Story,
    /// Before each line: which run it is about, where there are several.
    prefix: String,
    /// Events before this one are known already.
    show_from: u64,
    next_seq: u64,
    /// Whether every line of a log is shown in full, not only those of errors.
    whole_log: bool,
}

impl Progress {
    pub(crate) fn new(out: Output, prefix: String, show_from: u64) -> Self {
        Self { out, story: Story::default(), prefix, show_from, next_seq: 1, whole_log: false }
    }

    /// With every line of a log in full.
    pub(crate) fn with_whole_log(mut self) -> Self {
        self.whole_log = true;
        self
    }

    /// The seq of the event that it has not seen yet.
    pub(crate) const fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// The step that failed last, if one did.
    pub(crate) fn failed_step(&self) -> Option<&str> {
        let failed = self.story.steps().filter(|step| step.status == Status::Failed);
        failed.last().map(|step| step.id.as_str())
    }

    /// Takes in an event and prints what it means.
    pub(crate) fn see(&mut self, envelope: &Envelope) {
        if envelope.seq < self.next_seq {
            return;
        }
        self.next_seq = envelope.seq + 1;
        self.story.tell(envelope);
        if envelope.seq >= self.show_from {
            for line in self.lines(&envelope.event, envelope.time) {
                self.out.note(&format!("{}{line}", self.prefix));
            }
        }
    }

    /// Prints what a plugin says of its progress.
    pub(crate) fn hear(&self, said: &ProgressNote) {
        self.out.note(&format!("{}{}", self.prefix, said_of_progress(said)));
    }

    /// Prints what a model says.
    pub(crate) fn listen(&self, said: &Said) {
        self.out.note(&format!("{}{}", self.prefix, said_by_model(said)));
    }

    /// Says how the run came to rest, where there are several.
    pub(crate) fn end(&self, header: &RunHeader) {
        let note = crate::command::runs::notable(header);
        let separator = if note.is_empty() { "" } else { ": " };
        self.out.note(&format!("{}  {}{separator}{note}", self.prefix, header.status.name()));
    }

    /// Says that nothing more can be said of the run, where there are several.
    pub(crate) fn stuck(&self) {
        self.out.note(&format!("{}  cannot go on", self.prefix));
    }

    fn lines(&self, event: &Event, time: Timestamp) -> Vec<String> {
        match event {
            Event::StepSkipped { visit, .. } => self.step('-', *visit, "skipped"),
            Event::AttemptStarted { visit, attempt: 1, work: Some(work), .. } => match **work {
                Work::Agent { .. } => self.step('▸', *visit, ""),
                Work::Tool { .. } => Vec::new(),
            },
            Event::AttemptFailed { visit, attempt, failure, retry_at: Some(at) } => {
                let failure = summary::one_line(&failure.to_string());
                let wait = took(at.since(time));
                self.step('!', *visit, &format!("attempt {attempt}: {failure}; again in {wait}"))
            }
            Event::ToolLogged { lines, .. } => {
                lines.iter().flat_map(|line| self.log(line.level, &line.message)).collect()
            }
            Event::CallStarted { visit, call, request: _, until: Some(until) } => {
                self.call(*visit, *call, &format!("until {until}"))
            }
            Event::CallCompleted { request: Some(CallRequest::Log { level, message }), .. } => {
                self.log(*level, message)
            }
            Event::CallCompleted { visit, call, response, .. } => match response {
                Ok(_) => self.call(*visit, *call, ""),
                Err(failure) => self.call(*visit, *call, &summary::one_line(&failure.to_string())),
            },
            Event::TaskHandedOver { visit, to, .. } => {
                self.step('▸', *visit, &format!("handed over to agent {to}"))
            }
            Event::OutcomeUnknown { visit, reason, .. } => {
                self.step('!', *visit, &format!("outcome unknown: {}", summary::one_line(reason)))
            }
            Event::ApprovalOpened(opened) => self.asked(opened),
            Event::BudgetWarned(warned) => self.warned(warned),
            Event::ApprovalDecided(decided) => self.decided(&decided.approval, &answer(decided)),
            Event::ApprovalVoted(voted) => {
                let text = format!("{}, by {}; more must answer", voted.action, voted.by.name);
                vec![inner(&summary::one_line(&text))]
            }
            Event::ApprovalEscalated(escalated) => {
                let to = escalated.to.join(", ");
                vec![inner(&summary::one_line(&format!("nobody answers: {to} may as well from now on")))]
            }
            Event::FrameStarted { visit, entry, .. } => self.entered(*visit, entry),
            Event::RunSuspended(suspended) => vec![format!("  ‖ suspended by {}", suspended.by.name)],
            Event::RunRetried(retried) => self.step('▸', retried.visit, "tried again"),
            Event::WaitStarted { visit, until } => self.step('…', *visit, &format!("until {until}")),
            Event::SlotRequested(requested) => {
                let text = format!("until there is a slot of '{}'", requested.key);
                requested
                    .visit
                    .map_or_else(|| vec![format!("  … {text}")], |visit| self.step('…', visit, &text))
            }
            Event::ListenStarted { visit, awaited, .. } => {
                self.step('…', *visit, &format!("until {}", summary::awaited(awaited)))
            }
            Event::SignalReceived(signal) => {
                vec![inner(&format!("signal {} by {}", signal.name, signal.by.name))]
            }
            Event::ChildStarted { visit, child, .. } => self.step('▸', *visit, &format!("run {child}")),
            Event::StepCompleted { visit, .. } => self.done(*visit),
            Event::FrameFailed { frame, failure } => self.not_undone(*frame, failure),
            Event::StepFailed { visit, failure } => {
                self.step('✗', *visit, &summary::one_line(&failure.to_string()))
            }
            _ => Vec::new(),
        }
    }

    /// A line where a step begins to go through lists of steps, and where its failure is caught.
    fn entered(&self, visit: VisitId, entry: &Entry) -> Vec<String> {
        match entry {
            Entry::Branch(0) | Entry::Item(0) | Entry::Loop => self.step('▸', visit, ""),
            Entry::Catch { failure } => {
                self.step('!', visit, &format!("caught {}", summary::one_line(&failure.to_string())))
            }
            Entry::Undo { .. } => self.step('↶', visit, "undo"),
            Entry::Branch(_) | Entry::Item(_) | Entry::Finally { .. } => Vec::new(),
        }
    }

    /// A line of a log. One of an error may be a panic: all of it is shown.
    fn log(&self, level: LogLevel, message: &str) -> Vec<String> {
        if level != LogLevel::Error && !self.whole_log {
            return vec![inner(&format!("log \"{}\"", summary::one_line(message)))];
        }
        let text = format!("log \"{}\"", summary::whole(message));
        let mut lines = text.lines();
        let first = lines.next().map(inner);
        first.into_iter().chain(lines.map(|line| format!("          {line}"))).collect()
    }

    fn done(&self, visit: VisitId) -> Vec<String> {
        let Some(step) = self.story.step(visit) else { return Vec::new() };
        let took = step.took().map(took).unwrap_or_default();
        let end = if step.note.is_empty() { took } else { format!("{}  {took}", step.note) };
        vec![line('✓', step, &end)]
    }

    /// A line where a step could not be undone; of other lists, the step around them tells.
    fn not_undone(&self, frame: FrameId, failure: &Failure) -> Vec<String> {
        match self.story.undone_in(frame) {
            Some(visit) => {
                self.step('✗', visit, &format!("not undone: {}", summary::one_line(&failure.to_string())))
            }
            None => Vec::new(),
        }
    }

    fn decided(&self, approval: &ApprovalId, answer: &str) -> Vec<String> {
        match self.story.asked(approval) {
            // The step's own line, in the same commit, says it.
            Some((_, Asker::Step)) | None => Vec::new(),
            Some(_) => vec![inner(&format!("answered: {answer}"))],
        }
    }

    fn step(&self, mark: char, visit: VisitId, end: &str) -> Vec<String> {
        self.story.step(visit).map(|step| line(mark, step, end)).into_iter().collect()
    }

    fn asked(&self, opened: &ApprovalOpened) -> Vec<String> {
        let title = summary::one_line(&opened.question.title);
        match opened.asker {
            Asker::Step | Asker::GuardedStep | Asker::ToolStep => self.step('?', opened.visit, &title),
            Asker::Call(_) => vec![inner(&format!("asks \"{title}\""))],
            Asker::UnknownStep
            | Asker::UnknownCall(_)
            | Asker::GuardedCall(_)
            | Asker::BudgetStep
            | Asker::BudgetCall(_)
            | Asker::ToolCall(_) => vec![inner(&title)],
        }
    }

    fn warned(&self, warned: &BudgetWarned) -> Vec<String> {
        let told = budgets::warned(warned);
        match warned.of {
            Some(visit) => self.step('!', visit, &told),
            None => vec![format!("  ! {told}")],
        }
    }

    /// A call of an agent.
    fn call(&self, visit: VisitId, number: u32, end: &str) -> Vec<String> {
        let call = self.story.step(visit).and_then(|step| step.call(number)).filter(|call| call.shown);
        let separator = if end.is_empty() { "" } else { "  " };
        call.map(|call| inner(&format!("{}{separator}{end}", call.text))).into_iter().collect()
    }
}

/// What a plugin says of its progress, in one line.
pub(crate) fn said_of_progress(said: &ProgressNote) -> String {
    let done = said.fraction.map(|fraction| format!("  {:.0} %", fraction * 100.0)).unwrap_or_default();
    inner(&format!("{}: {}{done}", said.step, summary::one_line(&said.note)))
}

/// What a model says, in one line.
pub(crate) fn said_by_model(said: &Said) -> String {
    format!("      › {}: {}", said.step, summary::one_line(&said.text))
}

fn line(mark: char, step: &Step, end: &str) -> String {
    let text = format!("  {mark} {:ID_WIDTH$} {:WORK_WIDTH$} {end}", step.id, step.work);
    text.trim_end().to_owned()
}

fn inner(text: &str) -> String {
    format!("      · {text}")
}
