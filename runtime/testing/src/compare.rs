//! A run with a crash against the same run without: nothing that matters may differ.

use std::collections::{BTreeMap, HashMap};

use pawl_core::event::Event;
use pawl_core::journal::Envelope;
use pawl_core::plugin::EffectClass;
use pawl_core::{RunId, VisitId};
use serde_json::{Value, json};

use crate::ledger::{Call, WorkId};
use crate::play::Played;
use crate::value::{Unlike, differences, shown};

/// How a run with a crash differs from the same without, one text a difference.
pub(crate) fn compare(calm: &Played, crashed: &Played) -> Vec<String> {
    let mut how = outcome(calm, crashed);
    how.extend(ways(calm, crashed));
    how.extend(computed_twice(crashed.header.id, &crashed.envelopes, &crashed.calls));
    how.extend(acted_twice(&crashed.calls));
    how
}

fn outcome(calm: &Played, crashed: &Played) -> Vec<String> {
    let (before, after) = (&calm.header, &crashed.header);
    if before.status != after.status {
        let why = crashed.failure.as_ref().map(|(failure, _)| format!(", {failure}"));
        // Of a run that waits, somebody has found out what for.
        let waits = crashed.findings.first().map(|finding| format!(", {}", finding.found));
        let why = why.or(waits.filter(|_| !after.status.is_final())).unwrap_or_default();
        return vec![format!(
            "the run is {}{why}, and {} without it",
            after.status.name(),
            before.status.name()
        )];
    }
    let mut how = Vec::new();
    if let (Some(before), Some(after)) = (&before.outputs, &after.outputs) {
        let unlike = differences(before, after).into_iter();
        how.extend(unlike.map(|Unlike { at, expected, found }| {
            format!("outputs{at} is {found}, and {expected} without it")
        }));
    }
    let remembered = differences(&memories(calm), &memories(crashed)).into_iter();
    how.extend(remembered.map(|Unlike { at, expected, found }| {
        format!("the memory of {} holds {found}, and {expected} without it", at.trim_start_matches('.'))
    }));
    if calm.failure != crashed.failure {
        let shown = |played: &Played| {
            let failure = played.failure.as_ref();
            failure.map_or_else(|| "nothing".to_owned(), |(failure, _)| failure.to_string())
        };
        how.push(format!("the run failed with {}, and with {} without it", shown(crashed), shown(calm)));
    }
    how
}

fn memories(played: &Played) -> Value {
    let memories = played.memories.iter().map(|(scope, held)| (scope.to_string(), json!(held)));
    Value::Object(memories.collect())
}

/// Lists of steps that were gone through otherwise; those that were given up half-way may be.
fn ways(calm: &Played, crashed: &Played) -> Vec<String> {
    let given_up = |name: &str| calm.way.cancelled.contains(name) || crashed.way.cancelled.contains(name);
    let lists = calm.way.lists.iter().filter(|(name, _)| !given_up(name));
    let mut how = Vec::new();
    for (name, before) in lists {
        let after = crashed.way.lists.get(name).map_or(&[][..], Vec::as_slice);
        // Steps that start when what they need is done may take turns.
        let sorted = |steps: &[String]| {
            let mut steps = steps.to_vec();
            steps.sort_unstable();
            steps
        };
        if sorted(before) != sorted(after) {
            let of = if name.is_empty() { "the path".to_owned() } else { format!("the steps within {name}") };
            how.push(format!("{of} was {}, and {} without it", after.join(" → "), before.join(" → ")));
        }
    }
    how
}

/// Work that was begun again although its result was recorded.
fn computed_twice(run: RunId, envelopes: &[Envelope], calls: &[Call]) -> Vec<String> {
    let recorded = recorded(envelopes);
    let again = calls.iter().filter_map(|call| {
        let key = (call.id.visit, call.id.attempt, call.id.call);
        let seq = *recorded.get(&key)?;
        // A mocked agent's or a tool's: an agent itself is replayed, which is no work.
        let works = call.effect.is_some() || call.result.is_some();
        (call.id.run == run && works && call.seq >= seq).then(|| {
            format!("{} of step '{}' was called again after event {seq} had its result", call.name, call.step)
        })
    });
    again.collect()
}

/// Where the result of each piece of work stands in a journal.
fn recorded(envelopes: &[Envelope]) -> HashMap<(VisitId, u32, Option<u32>), u64> {
    let mut attempts: HashMap<VisitId, u32> = HashMap::new();
    let mut recorded = HashMap::new();
    // The agents that were called, by the call.
    let mut called: HashMap<(VisitId, u32), VisitId> = HashMap::new();
    for Envelope { seq, event, .. } in envelopes {
        let done = match event {
            Event::AttemptStarted { visit, attempt, .. } => {
                attempts.insert(*visit, *attempt);
                None
            }
            Event::AgentCalled { visit, caller, call } => {
                called.insert((*caller, *call), *visit);
                None
            }
            Event::CallCompleted { visit, call, .. } => {
                if let Some(agent) = called.get(&(*visit, *call))
                    && let Some(attempt) = attempts.get(agent)
                {
                    recorded.entry((*agent, *attempt, None)).or_insert(*seq);
                }
                Some((*visit, Some(*call)))
            }
            Event::TaskHandedOver { visit, .. }
            | Event::AttemptFailed { visit, .. }
            | Event::StepCompleted { visit, .. }
            | Event::StepFailed { visit, .. } => Some((*visit, None)),
            _ => None,
        };
        if let Some((visit, call)) = done
            && let Some(attempt) = attempts.get(&visit)
        {
            recorded.entry((visit, *attempt, call)).or_insert(*seq);
        }
    }
    recorded
}

/// Tools that must not act twice, and did.
fn acted_twice(calls: &[Call]) -> Vec<String> {
    let mut acted: BTreeMap<(&str, WorkId), Vec<&Call>> = BTreeMap::new();
    let once = calls.iter().filter(|call| call.effect == Some(EffectClass::AtMostOnce));
    for call in once.filter(|call| matches!(call.result, Some(Ok(_)))) {
        let any_attempt = WorkId { attempt: 0, ..call.id };
        acted.entry((&call.name, any_attempt)).or_default().push(call);
    }
    let twice = acted.into_values().filter(|calls| calls.len() > 1);
    let text = |calls: Vec<&Call>| {
        let (name, step) = (&calls[0].name, &calls[0].step);
        let arguments = shown(&calls[0].arguments);
        format!(
            "{name} of step '{step}' acted {} times with {arguments}; it must act at most once",
            calls.len()
        )
    };
    twice.map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::event::Because;
    use pawl_core::{Digest, FrameId, StepId, Timestamp};

    fn journal() -> Vec<Envelope> {
        let visit = VisitId(1);
        let step = StepId::new("pay");
        let events = [
            Event::StepStarted { visit, step, because: Because::First, frame: FrameId::ROOT },
            Event::AttemptStarted { visit, attempt: 1, work: None, deadline: None },
            Event::StepCompleted { visit, output: json!({}).into() },
        ];
        let envelope = |(seq, event)| {
            let (time, prev) = (Timestamp(0), Digest::of(b""));
            Envelope { version: 1, seq, time, prev, event }
        };
        (1..).zip(events).map(envelope).collect()
    }

    fn call(seq: u64, attempt: u32) -> Call {
        Call {
            name: "payments.refund".to_owned(),
            step: "pay".to_owned(),
            id: WorkId { run: RunId::from_bytes([0; 16]), visit: VisitId(1), attempt, call: None },
            effect: Some(EffectClass::AtMostOnce),
            arguments: json!({}),
            seq,
            result: Some(Ok(json!({}))),
        }
    }

    #[test]
    fn a_call_behind_its_recorded_result_was_made_twice() {
        let run = RunId::from_bytes([0; 16]);
        assert!(computed_twice(run, &journal(), &[call(2, 1), call(2, 1)]).is_empty());
        let again = computed_twice(run, &journal(), &[call(2, 1), call(3, 1)]);
        assert_eq!(again, ["payments.refund of step 'pay' was called again after event 3 had its result"]);
        assert!(computed_twice(run, &journal(), &[call(3, 2)]).is_empty());
    }

    #[test]
    fn a_tool_that_must_not_act_twice_is_counted_over_all_attempts() {
        assert!(acted_twice(&[call(2, 1)]).is_empty());
        assert_eq!(acted_twice(&[call(2, 1), call(2, 2)]).len(), 1);
        let failed = Call { result: None, ..call(2, 1) };
        assert!(acted_twice(&[failed, call(2, 2)]).is_empty());
    }
}
