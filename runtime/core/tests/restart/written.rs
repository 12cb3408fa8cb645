//! The steps as a workflow says them.

use std::fmt::Write as _;

use super::*;

/// The workflow as a person would have written it.
pub(super) fn yaml(steps: &[Step]) -> String {
    let mut text = String::from(
        "pawl: 1\nworkflow: generated\nversion: 1.0.0\ninputs: { n: integer }\ntimeout: 90m\n\
         concurrency: { limit: 3, overflow: replace }\n\
         vars: { done: 0, last: \"${{ inputs.n }}\" }\n\
         permissions: { tools: [world.act, world.once], agents: [helper, closer], signals: [go], models: [m], human: true, timers: true }\n\
         approvals:\n\
         \x20 - { tool: world.*, when: \"arguments.n is defined and arguments.n in [4, 5]\" }\n\
         \x20 - { tool: world.*, when: arguments.n is defined and arguments.n == 2, tainted: true }\n\
         \x20 - { tool: world.*, when: arguments.step is defined and arguments.step == 1, due: 1h, on_timeout: reject }\nsteps:\n",
    );
    write_steps(&mut text, steps, 1, "s");
    text
}

fn write_steps(text: &mut String, steps: &[Step], depth: usize, prefix: &str) {
    let pad = "    ".repeat(depth);
    let graph = steps.iter().any(|step| step.needs.is_some());
    for (index, step) in steps.iter().enumerate() {
        let id = format!("{prefix}{index}");
        let mut line = |line: &str| {
            let _ = writeln!(text, "{pad}{line}");
        };
        line(&format!("- id: {id}"));
        line("  max_visits: 3");
        if step.skipped {
            line("  if: inputs.n < 0");
        }
        if let Some(mask) = step.needs {
            let needs: Vec<_> =
                (0..index).filter(|at| mask & (1 << at) != 0).map(|at| format!("{prefix}{at}")).collect();
            line(&format!("  needs: [{}]", needs.join(", ")));
        }
        // A graph leads nowhere by itself.
        let set = Verb::Set;
        let verb = if graph && matches!(step.verb, Verb::Switch) { &set } else { &step.verb };
        let next = if index + 1 < steps.len() { format!("{prefix}{}", index + 1) } else { "end".into() };
        for own in verb_lines(verb, index, &next) {
            line(&own);
        }
        if let (true, Some(timeout)) = (step.total, total(verb)) {
            line(timeout);
        }
        if step.slot && !matches!(verb, Verb::Set | Verb::Switch | Verb::Fail) {
            line("  concurrency: { limit: 1 }");
        }
        write_lists(text, verb, depth, &id);
        let mut line = |line: &str| {
            let _ = writeln!(text, "{pad}{line}");
        };
        let switch = matches!(verb, Verb::Switch);
        if step.vars && !matches!(step.verb, Verb::Fail) {
            line(&format!("  vars: {{ done: \"${{{{ vars.done + 1 }}}}\", last: {id} }}"));
        }
        if step.catch && !switch {
            line(&format!("  catch: [{{ id: {id}c, set: \"${{{{ error.kind }}}}\" }}]"));
        }
        if step.finally && !switch {
            line(&format!("  finally: [{{ id: {id}f, tool: world.act, with: {{}} }}]"));
        }
        if step.undo && !switch && !matches!(step.verb, Verb::Fail) {
            // The branches of a `parallel` may all fail, so that it never has an output.
            let never = matches!(verb, Verb::Parallel { .. });
            let it = if never { "error.kind".to_owned() } else { format!("steps.{id}.output") };
            line("  undo:");
            line(&format!("    - {{ id: {id}u, tool: world.act, with: {{ it: \"${{{{ {it} }}}}\" }} }}"));
        }
        if let Some(back) =
            step.back.filter(|back| *back <= index && !graph && !switch && !matches!(step.verb, Verb::Fail))
        {
            line("  then:");
            line("    - when: inputs.n % 2 == 0");
            line(&format!("      to: {prefix}{back}"));
        }
    }
}

/// A timeout that sometimes bites.
fn total(verb: &Verb) -> Option<&'static str> {
    match verb {
        Verb::Tool { timeout: false, .. } => Some("  timeout: { total: 15ms }"),
        Verb::Parallel { .. } | Verb::Map { .. } | Verb::Loop { .. } => Some("  timeout: { total: 7m }"),
        _ => None,
    }
}

fn verb_lines(verb: &Verb, index: usize, next: &str) -> Vec<String> {
    match verb {
        Verb::Route { kind, failover, waits, retries } => {
            let otherwise = if *waits { "wait" } else { "fail" };
            vec![
                format!(
                    "  {kind}: {{ match: {{ capability: any, labels: {{ n: \"${{{{ inputs.n }}}}\" }} }}, failover: {failover}, otherwise: {otherwise} }}"
                ),
                format!("  with: {{ step: {index} }}"),
                format!("  retry: {{ max_attempts: {retries}, delay: 10ms }}"),
            ]
        }
        Verb::Tool { at_most_once, retries, timeout } => {
            let tool = if *at_most_once { "once" } else { "act" };
            let mut lines = vec![
                format!("  tool: world.{tool}"),
                format!("  with: {{ step: {index} }}"),
                format!("  retry: {{ max_attempts: {retries}, delay: 10ms }}"),
            ];
            lines.extend(timeout.then(|| "  timeout: 1s".to_owned()));
            lines
        }
        Verb::Agent => vec!["  agent: thinker".into(), format!("  with: {{ step: {index} }}")],
        Verb::Human { due, several } => {
            let mut lines = vec!["  human:".into(), "    title: Go on with ${{ inputs.n }}?".into()];
            if *due {
                lines.extend(["    due: 1h".into(), "    on_timeout: reject".into()]);
            }
            if *several {
                let rungs = "[{ after: 20m, to: user:bob }, { after: 40m, to: group:leads }]";
                lines.extend(["    quorum: 2".into(), "    claim_for: 10m".into()]);
                lines.push(format!("    escalate: {rungs}"));
            }
            lines
        }
        Verb::Set => vec!["  set: { doubled: \"${{ inputs.n * 2 }}\" }".into()],
        Verb::Switch => {
            vec![
                "  switch:".into(),
                format!("    - {{ when: inputs.n > 5, to: {next} }}"),
                "    - to: end".into(),
            ]
        }
        Verb::Wait => vec!["  wait: 5m".into()],
        Verb::Fail => vec!["  fail: as it should".into()],
        Verb::Parallel { .. } | Verb::Map { .. } | Verb::Loop { .. } => Vec::new(),
    }
}

/// The verbs that have lists of steps.
fn write_lists(text: &mut String, verb: &Verb, depth: usize, id: &str) {
    let pad = "    ".repeat(depth);
    match verb {
        Verb::Parallel { branches, join } => {
            let _ = writeln!(text, "{pad}  parallel:\n{pad}    join: {join}\n{pad}    branches:");
            for (number, branch) in branches.iter().enumerate() {
                let _ = writeln!(text, "{pad}      b{number}:");
                write_steps(text, branch, depth + 2, &format!("{id}b{number}s"));
            }
        }
        Verb::Map { items, at_once, collect, body } => {
            let on_error = if *collect { "collect" } else { "fail" };
            let _ = writeln!(
                text,
                "{pad}  map:\n{pad}    items: range({items})\n{pad}    as: one\n{pad}    max_parallel: {at_once}\n\
                 {pad}    on_error: {on_error}\n{pad}    steps:"
            );
            write_steps(text, body, depth + 2, &format!("{id}m"));
        }
        Verb::Loop { turns, body } => {
            let _ = writeln!(
                text,
                "{pad}  loop:\n{pad}    while: index < {turns}\n{pad}    max_visits: 5\n{pad}    steps:"
            );
            write_steps(text, body, depth + 2, &format!("{id}l"));
        }
        _ => {}
    }
}
