//! Budgets as people see them: what there is, and what was used of it.

use pawl_core::budget::Amounts;
use pawl_core::event::{BudgetWarned, Event, Shortage};
use pawl_core::journal::Envelope;
use pawl_core::state::Meter;
use pawl_core::{RunId, RunState, VisitId};
use serde_json::{Map, Value, json};

use crate::backend::History;
use crate::output;
use crate::summary::{call, one_line, whose};

/// The budgets of a run: the run's own first, then those of its steps, in the order of arrival.
fn meters(run: RunId, envelopes: &[Envelope]) -> Vec<(Option<String>, Meter)> {
    if !envelopes.iter().any(|at| matches!(at.event, Event::BudgetSet(_))) {
        return Vec::new();
    }
    let mut state = RunState::new(run);
    for envelope in envelopes {
        state.apply(envelope.time, &envelope.event);
    }
    let named = |of: VisitId| state.visit(of).map(|visit| visit.step.to_string()).unwrap_or_default();
    state.budgets().map(|(of, meter)| (of.map(named), meter.clone())).collect()
}

/// `[{step, budget: {NAME: {used, limit}}, used: {NAME: …}, warn_at}]`; the run's own has no step.
pub(crate) fn document(run: RunId, envelopes: &[Envelope]) -> Value {
    let meters = meters(run, envelopes).into_iter().map(|(step, meter)| {
        let limits = meter.limits.iter().map(|(dimension, limit)| {
            let used = dimension.to_json(meter.used.used(dimension));
            (dimension.name().to_owned(), json!({ "used": used, "limit": dimension.to_json(limit) }))
        });
        json!({
            "step": step,
            "budget": limits.collect::<Map<_, _>>(),
            "used": amounts(&meter.used),
            "warn_at": format!("{}%", meter.warn_at),
        })
    });
    meters.collect()
}

/// A table of what was used of each limit; nothing for a run without budgets.
pub(crate) fn table(history: &History) -> Option<String> {
    let meters = meters(history.header.id, &history.envelopes);
    let rows: Vec<_> = meters.into_iter().flat_map(|(step, meter)| rows(step, &meter)).collect();
    (!rows.is_empty()).then(|| output::table(["budget", "of", "used", "limit"], rows))
}

fn rows(step: Option<String>, meter: &Meter) -> Vec<[String; 4]> {
    let of = step.unwrap_or_else(|| "the run".to_owned());
    let row = |(dimension, limit): (pawl_core::budget::Dimension, u64)| {
        let used = dimension.written(meter.used.used(dimension));
        [dimension.name().to_owned(), of.clone(), used, dimension.written(limit)]
    };
    meter.limits.iter().map(row).collect()
}

/// `tokens: 16200 of 20000 are used`.
pub(crate) fn warned(warned: &BudgetWarned) -> String {
    let BudgetWarned { of, dimension, used, limit } = warned;
    let whose = if of.is_some() { "its" } else { "the run's" };
    format!("{} of {whose} {} {} used", dimension.written(*used), dimension.written(*limit), dimension.name())
}

/// The limits that left no room: `tokens: 19800 of 20000 used`.
pub(crate) fn short(short: &[Shortage]) -> String {
    let told = |short: &Shortage| {
        let Shortage { dimension, used, limit, .. } = short;
        format!("{}: {} of {} used", dimension.name(), dimension.written(*used), dimension.written(*limit))
    };
    short.iter().map(told).collect::<Vec<_>>().join("; ")
}

/// What an event of a budget says, in one line.
pub(crate) fn summary(event: &Event) -> String {
    match event {
        Event::BudgetSet(set) => format!("{}: {}", whose(set.visit), written(&set.limits)),
        Event::BudgetReserved(reserved) => {
            format!("{}: {}", place(reserved.visit, reserved.call), written(&reserved.reserved))
        }
        Event::BudgetSettled(settled) => {
            format!("{}: {}", place(settled.visit, settled.call), written(&settled.spent))
        }
        Event::BudgetWarned(told) => format!("{}: {}", whose(told.of), warned(told)),
        Event::BudgetExceeded(exceeded) => {
            let asked = exceeded.request.as_ref().map(|request| format!("{}; ", call(request)));
            let place = place(exceeded.visit, exceeded.call);
            format!("{place}: {}{}", one_line(&asked.unwrap_or_default()), short(&exceeded.short))
        }
        Event::BudgetRaised(raised) => {
            let limit = |limit: &Shortage| {
                format!("{} {}", limit.dimension.name(), limit.dimension.written(limit.limit))
            };
            let limits: Vec<_> = raised.limits.iter().map(limit).collect();
            format!("{}: up to {}", place(raised.visit, raised.call), limits.join(", "))
        }
        _ => String::new(),
    }
}

fn place(visit: VisitId, call: Option<u32>) -> String {
    let call = call.map(|call| format!(", call {call}")).unwrap_or_default();
    format!("visit {visit}{call}")
}

fn written(amounts: &Amounts) -> String {
    let amount = |(dimension, amount): (pawl_core::budget::Dimension, u64)| {
        format!("{} {}", dimension.name(), dimension.written(amount))
    };
    let amounts: Vec<_> = amounts.iter().map(amount).collect();
    if amounts.is_empty() { "nothing".to_owned() } else { amounts.join(", ") }
}

fn amounts(amounts: &Amounts) -> Value {
    let amounts =
        amounts.iter().map(|(dimension, amount)| (dimension.name().to_owned(), dimension.to_json(amount)));
    Value::Object(amounts.collect())
}
