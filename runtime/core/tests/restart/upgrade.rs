//! The same of runs that are moved to another version of the same definition, wherever that can be done.

use std::sync::Arc;

use pawl_core::event::Event;
use pawl_core::journal::Envelope;
use pawl_core::upgrade::{ObstacleKind, Target, Upgrade, check};

use super::*;

impl World {
    /// Moves the run to the same steps under another version, if it rests. What keeps it is never the steps.
    fn move_on(&mut self, text: &str, version: usize) -> bool {
        let text = text.replacen("version: 1.0.0", &format!("version: 1.0.{version}"), 1);
        let load =
            || pawl_core::source::load("generated.yaml", &text).expect("it was read before").definition;
        let to = Target {
            definition: Arc::new(load()),
            plugins: Arc::new(pins()),
            workflows: BTreeMap::new(),
            prices: pawl_core::budget::Prices::new(),
        };
        let verdict = check(&self.state, &self.definition, &to);
        for obstacle in &verdict.obstacles {
            let rests = !matches!(
                obstacle.kind,
                ObstacleKind::UnderWay | ObstacleKind::Undoing | ObstacleKind::Ended
            );
            assert!(!rests, "the same steps are in the way: {obstacle}\n{text}");
        }
        let seq = self.head.seq;
        let restarts = std::mem::replace(&mut self.restarts, Restarts::Never);
        self.command(Command::Upgrade(Box::new(Upgrade { to, by: person(), reason: None })));
        self.restarts = restarts;
        let moved = self.head.seq > seq;
        assert_eq!(moved, verdict.can_move(), "the check and the command agree");
        if moved {
            self.definition = load();
            // What the process that dies had in memory is not needed.
            if self.restarts == Restarts::AfterEveryCommit {
                self.restart();
            }
        }
        moved
    }
}

/// All but the moves.
fn done(envelopes: Vec<Envelope>) -> Vec<(Timestamp, Event)> {
    let events = envelopes.into_iter().map(|envelope| (envelope.time, envelope.event));
    events.filter(|(_, event)| !matches!(event, Event::DefinitionChanged(_))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn a_move_to_the_same_steps_changes_nothing_that_comes(
        steps in steps(false), seed in any::<u64>(), dies in any::<bool>()
    ) {
        let text = yaml(&steps);
        let mut steady = World::new(&text, seed, Restarts::Never, "world.act");
        steady.drive();
        let restarts = if dies { Restarts::AfterEveryCommit } else { Restarts::Never };
        let mut moved = World::new(&text, seed, restarts, "world.act");
        moved.start();
        for version in 1..COMMITS_MAX {
            if *moved.state.phase() != Phase::Open {
                break;
            }
            moved.move_on(&text, version);
            moved.go();
        }
        prop_assert_eq!(done(steady.envelopes()), done(moved.envelopes()));
    }
}
