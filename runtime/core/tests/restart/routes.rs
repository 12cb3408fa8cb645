//! Routes: plugins come and go, and those that are waited for come in the end.

use pawl_core::event::Candidate;
use pawl_core::plugin::{Description, PluginKind};
use pawl_core::{Command, Effect, RouteFound, RouteOutcome, effects};

use super::{World, pins};

impl World {
    /// A plugin is looked for, for the first visit that needs one.
    pub(super) fn route(&mut self) -> bool {
        let wanted = effects(&self.state).into_iter().find_map(|effect| match effect {
            Effect::Route { visit, query, failed, waits } => Some((visit, query, failed, waits)),
            Effect::Attempt { .. } | Effect::WakeAt(_) => None,
        });
        let Some((visit, query, failed, waits)) = wanted else { return false };
        let attempt = self.state.visit(visit).map_or(0, |visit| visit.attempt);
        // Whether there is one depends on what is looked for, not on how often the process died.
        let missing = !waits && self.draw(&format!("missing {visit} {attempt}")) < 40;
        let first = self.draw(&format!("route {visit} {attempt}"));
        let (name, tool) = match query.kind {
            PluginKind::Agent => {
                (if first < 128 { ["closer", "thinker"] } else { ["thinker", "closer"] }, None)
            }
            PluginKind::Tool => (["world", "other"], Some("act")),
        };
        let chosen = name.into_iter().find(|name| !failed.contains(*name)).filter(|_| !missing);
        let outcome = match chosen {
            None => RouteOutcome::None {
                reason: "there is none".into(),
                candidates: Vec::new(),
                passing: missing,
            },
            Some(chosen) => {
                // One of them is no part of the run when it starts.
                let pin = pins()[if tool.is_some() { "world" } else { chosen }].clone();
                assert_eq!(matches!(pin.description, Description::Tools(_)), tool.is_some());
                let candidate = Candidate {
                    name: chosen.into(),
                    tool: tool.map(str::to_owned),
                    priority: 0,
                    cost: None,
                    latency_ms: Some(first),
                    health_permille: 1_000,
                    left_out: None,
                };
                let (chosen, tool, candidates) =
                    (chosen.to_owned(), tool.map(str::to_owned), vec![candidate]);
                let reason = "it is the only one".to_owned();
                RouteOutcome::Found(Box::new(RouteFound { chosen, tool, pin, candidates, more: 0, reason }))
            }
        };
        self.command(Command::ChooseRoute { visit, outcome: outcome.clone() });
        // What was found is found once.
        let seq = self.head.seq;
        if matches!(outcome, RouteOutcome::Found(_)) {
            self.command(Command::ChooseRoute { visit, outcome });
            assert_eq!(self.head.seq, seq, "a plugin is not chosen again");
        }
        true
    }
}
