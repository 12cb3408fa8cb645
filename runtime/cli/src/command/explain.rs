//! `pawl explain`: the page of an error code, which this binary holds, or why a run chose who did a step.

use clap::Args;
use pawl_core::event::{Candidate, Event, RouteAwaited, RouteChosen};
use pawl_core::route::RouteQuery;
use pawl_core::{StepId, Timestamp, VisitId};
use serde_json::{Value, json};

use crate::args::DataArgs;
use crate::exit::Exit;
use crate::fault::Fault;
use crate::output::{Output, table};
use crate::place::Place;
use crate::session::Session;
use crate::summary::one_line;

/// Each code with its page, in order; made of `docs/errors` by the build script.
static PAGES: &[(&str, &str)] = &include!(concat!(env!("OUT_DIR"), "/error_pages.rs"));

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The code, such as P0201; without it all are listed. Or a run's id, or its start or end, with a step of it
    #[arg(value_name = "CODE|RUN")]
    what: Option<String>,
    /// The step of the run whose plugin was chosen
    #[arg(value_name = "STEP")]
    step: Option<String>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

pub(crate) async fn run(args: ExplainArgs, place: Place, out: Output) -> Result<Exit, Fault> {
    let (Some(run), Some(step)) = (&args.what, &args.step) else { return page(args.what.as_deref(), out) };
    let session = Session::open(place, out).await?;
    let explained = explain(&session, run, step).await;
    session.end(explained).await
}

/// What was looked for at a visit, and what came of it.
#[derive(Debug)]
struct Decision {
    visit: VisitId,
    at: Timestamp,
    query: RouteQuery,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Chosen(Box<RouteChosen>),
    Awaited(Box<RouteAwaited>),
}

async fn explain(session: &Session, run: &str, step: &str) -> Result<Exit, Fault> {
    let run = session.backend.find_run(run).await?.id;
    let history = session.backend.history(run).await?;
    let wanted = StepId::new(step);
    let (mut asked, mut visits) = (std::collections::BTreeMap::new(), std::collections::BTreeSet::new());
    let mut decisions = Vec::new();
    for envelope in &history.envelopes {
        let at = envelope.time;
        let (visit, outcome) = match &envelope.event {
            Event::StepStarted { visit, step, .. } if *step == wanted => {
                visits.insert(*visit);
                continue;
            }
            Event::RouteRequested(requested) => {
                asked.insert(requested.visit, requested.query.clone());
                continue;
            }
            Event::RouteChosen(chosen) => (chosen.visit, Outcome::Chosen(chosen.clone())),
            Event::RouteAwaited(awaited) => (awaited.visit, Outcome::Awaited(awaited.clone())),
            _ => continue,
        };
        if let (true, Some(query)) = (visits.contains(&visit), asked.get(&visit)) {
            decisions.push(Decision { visit, at, query: query.clone(), outcome });
        }
    }
    if decisions.is_empty() {
        let what = if visits.is_empty() { "was not reached in" } else { "chose no plugin in" };
        return Err(Fault::usage(format!("step '{step}' {what} run {run}")).hint(
            "`pawl show RUN` lists its steps; a step whose `agent` or `tool` is a route has chosen one",
        ));
    }
    session.out.document(&decisions.iter().map(Decision::document).collect());
    let text: Vec<_> = decisions.iter().map(Decision::text).collect();
    session.out.text(&text.join("\n\n"));
    Ok(Exit::Ok)
}

impl Decision {
    fn parts(&self) -> (Option<String>, &str, &[Candidate], u32) {
        match &self.outcome {
            Outcome::Chosen(chosen) => {
                let tool = chosen.tool.as_ref().map(|tool| format!(".{tool}")).unwrap_or_default();
                let name = format!("{}{tool}", chosen.chosen);
                (Some(name), &chosen.reason, &chosen.candidates, chosen.more)
            }
            Outcome::Awaited(awaited) => (None, &awaited.reason, &awaited.candidates, 0),
        }
    }

    fn document(&self) -> Value {
        let (chosen, reason, candidates, more) = self.parts();
        json!({
            "visit": self.visit,
            "at": self.at.to_string(),
            "wanted": self.query,
            "chosen": chosen,
            "reason": reason,
            "candidates": candidates.iter().map(candidate).collect::<Vec<_>>(),
            "more": more,
        })
    }

    fn text(&self) -> String {
        let (chosen, reason, candidates, more) = self.parts();
        let came = match chosen {
            Some(chosen) => format!("{chosen} was chosen: {}", one_line(reason)),
            None => format!("nobody was there: {}", one_line(reason)),
        };
        let head = format!("visit {} at {}: {}", self.visit, self.at, self.query);
        let rows = table(CANDIDATE_HEAD, candidates.iter().map(candidate_row));
        let more = if more > 0 { format!("\nand {more} more") } else { String::new() };
        format!("{head}\n{came}\n\n{rows}{more}")
    }
}

/// What a table of candidates shows.
pub(crate) const CANDIDATE_HEAD: [&str; 6] = ["name", "priority", "cost", "health", "latency", "left out"];

/// A candidate as a row of a table.
pub(crate) fn candidate_row(of: &Candidate) -> [String; 6] {
    let tool = of.tool.as_ref().map(|tool| format!(".{tool}")).unwrap_or_default();
    [
        format!("{}{tool}", of.name),
        of.priority.to_string(),
        of.cost.map_or_else(|| "-".to_owned(), |cost| cost.to_string()),
        format!("{}.{} %", of.health_permille / 10, of.health_permille % 10),
        of.latency_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms")),
        of.left_out.as_deref().map(one_line).unwrap_or_default(),
    ]
}

/// A candidate in JSON.
pub(crate) fn candidate(of: &Candidate) -> Value {
    json!({
        "name": of.name,
        "tool": of.tool,
        "priority": of.priority,
        "cost": of.cost.map(pawl_core::route::Cost::number),
        "health": f64::from(of.health_permille) / 1_000.0,
        "latency_ms": of.latency_ms,
        "left_out": of.left_out,
    })
}

fn page(code: Option<&str>, out: Output) -> Result<Exit, Fault> {
    let Some(code) = code else {
        let all = PAGES.iter().map(|(code, page)| json!({ "code": code, "title": title(page) }));
        out.document(&all.collect());
        let rows = PAGES.iter().map(|(code, page)| [(*code).to_owned(), title(page).to_owned()]);
        out.text(&table(["code", "means"], rows));
        return Ok(Exit::Ok);
    };
    let found = PAGES.iter().find(|(known, _)| known.eq_ignore_ascii_case(code));
    let Some((code, page)) = found else {
        return Err(Fault::usage(format!("there is no error code '{code}'"))
            .hint("`pawl explain` lists them; `pawl explain RUN STEP` tells why a plugin was chosen"));
    };
    out.document(&json!({ "code": code, "title": title(page), "page": page }));
    out.text(page.trim_end());
    Ok(Exit::Ok)
}

/// `# P0101: title`.
fn title(page: &str) -> &str {
    let first = page.lines().next().unwrap_or_default();
    first.split_once(": ").map_or(first, |(_, title)| title)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pawl_core::diagnostic::Code;

    #[test]
    fn every_code_has_its_page() {
        for code in Code::ALL {
            let page = PAGES.iter().find(|(known, _)| *known == code.id()).map(|(_, page)| title(page));
            assert_eq!(page, Some(code.title()), "{}", code.id());
        }
    }
}
