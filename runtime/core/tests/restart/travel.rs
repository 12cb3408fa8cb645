//! The same of runs that are forked, retried and suspended.

use std::collections::BTreeSet;

use pawl_core::Refusal;
use pawl_core::event::{Asker, Event};
use pawl_core::fork::{Fork, Forked, fork};
use pawl_core::journal::Envelope;
use pawl_core::plugin::PluginPins;

use super::*;

/// Places at which one run is forked, at most.
const FORKS_MAX: usize = 8;
/// How often one run is retried, at most.
const RETRIES_MAX: u32 = 4;

impl World {
    /// Drives the run on to its end.
    pub(super) fn go_on(&mut self) {
        for _ in 0..COMMITS_MAX {
            if *self.state.phase() != Phase::Open {
                return;
            }
            self.go();
        }
        panic!("the run does not come to an end: {:?}", self.state);
    }

    /// Drives an open run one thing further.
    pub(super) fn go(&mut self) {
        self.now = Timestamp(self.now.0 + 1);
        if let Some((visit, attempt, work)) = self.attempt() {
            self.carry_out(visit, attempt, &work);
        } else if !self.slot() && !self.route() && !self.answer() {
            let due = effects(&self.state).into_iter().find_map(|effect| match effect {
                Effect::WakeAt(at) => Some(at),
                Effect::Attempt { .. } | Effect::Route { .. } => None,
            });
            self.now = due.expect("an open run has something to wait for").max(self.now);
            self.command(Command::Tick);
        }
    }

    fn carry_out(&mut self, visit: VisitId, attempt: u32, work: &Work) {
        match work {
            Work::Tool { effect, .. } => self.tool(visit, attempt, *effect),
            Work::Agent { agent, .. } => self.agent(visit, attempt, agent),
        }
    }

    /// Someone answers the first open approval; not all at once.
    pub(super) fn answer(&mut self) -> bool {
        let open = self.state.approvals().find(|(_, approval)| approval.open);
        let Some((id, approval)) = open.map(|(id, approval)| (id.clone(), approval.clone())) else {
            return false;
        };
        let drawn = self.draw(&format!("answer {}", approval.opened_at.0));
        // What is due is not answered any more.
        if approval.due.is_some_and(|due| drawn > 128 || due <= self.now) {
            return false;
        }
        let actions = &approval.question.actions;
        let action = actions[usize::try_from(drawn).expect("small") % actions.len()].clone();
        let guards = matches!(approval.asker, Asker::GuardedStep | Asker::GuardedCall(_));
        let data = match action.as_str() {
            "succeeded" => json!({ "output": 1 }),
            "raise" => super::budgets::more(approval.question.form.as_ref()),
            "approve" if guards && drawn.is_multiple_of(4) => json!({ "arguments": { "n": drawn } }),
            _ => Value::Null,
        };
        // Whoever has answered already leaves it to the next.
        let by = ["user:ann", "user:bob", "user:cleo"][approval.inbox.votes.len()];
        let by = Actor { name: by.into(), ..person() };
        if drawn.is_multiple_of(3) && approval.claims < 4 {
            self.command(Command::Claim { approval: id.clone(), by: by.clone() });
            if drawn.is_multiple_of(2) {
                self.command(Command::Release { approval: id.clone(), by: by.clone() });
            }
        }
        let decision = Command::Decide { approval: id, action, data, by, comment: None };
        self.command(decision.clone());
        // The second answer changes nothing.
        let seq = self.head.seq;
        self.command(decision);
        assert_eq!(self.head.seq, seq);
        true
    }

    pub(super) fn envelopes(&self) -> Vec<Envelope> {
        let mut head = Head::empty(self.run);
        journal::decode(self.run, &mut head, self.journal.iter().map(Vec::as_slice)).expect("readable")
    }

    /// A run of its own, with the events of this one up to a place; or what is said of the place.
    fn forked(&self, text: &str, seq: u64) -> Result<Self, Refusal> {
        let mut id = [8; 16];
        id[..8].copy_from_slice(&seq.to_be_bytes());
        let run = RunId::from_bytes(id);
        let envelopes = self.envelopes();
        let (changes, by) = (Vec::new(), person());
        let request = Fork {
            from: self.run,
            envelopes: &envelopes,
            seq,
            run,
            changes,
            agents: PluginPins::new(),
            rehearsal: None,
            trace: None,
            by: by.into(),
        };
        let moment = Moment { now: self.now, entropy: Entropy::new(*Digest::of(&id).as_bytes()) };
        let Forked { state, events } = fork(&self.definition, request, moment)?;
        let mut world = Self::new(text, self.seed, Restarts::Never, self.last_tool);
        (world.run, world.state, world.now) = (run, state, self.now);
        world.head = Head::empty(run);
        for (time, event) in events {
            world.journal.extend(journal::encode(&mut world.head, time, &[event]));
        }
        world.restart();
        Ok(world)
    }
}

/// The visits that a journal says were completed.
fn completed(envelopes: &[Envelope]) -> BTreeSet<VisitId> {
    let visits = envelopes.iter().filter_map(|envelope| match envelope.event {
        Event::StepCompleted { visit, .. } => Some(visit),
        _ => None,
    });
    visits.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn a_fork_comes_to_an_end_and_its_place_is_named_where_it_has_none(
        steps in steps(true), seed in any::<u64>()
    ) {
        let text = yaml(&steps);
        let mut first = World::new(&text, seed, Restarts::Never, "world.once");
        first.drive();
        let count = first.journal.len();
        let stride = count.div_ceil(FORKS_MAX).max(1);
        for seq in (1..=count).step_by(stride).map(|seq| seq as u64) {
            match first.forked(&text, seq) {
                Ok(mut world) => {
                    world.go_on();
                    let own = completed(&world.envelopes()[usize::try_from(seq).expect("small")..]);
                    let taken = completed(&first.envelopes()[..usize::try_from(seq).expect("small")]);
                    prop_assert!(own.is_disjoint(&taken), "completed twice");
                }
                Err(Refusal::CannotFork(why)) => {
                    let (_, near) = why.split_once("at which it can be: ").expect("the nearest are named");
                    for near in near.split(" and ") {
                        let near = near.parse().expect("a place near it");
                        prop_assert!(first.forked(&text, near).is_ok(), "{}", why);
                    }
                }
                Err(other) => prop_assert!(false, "{}", other),
            }
        }
    }

    #[test]
    fn a_retried_run_comes_to_an_end_and_completes_nothing_twice(
        steps in steps(true), seed in any::<u64>()
    ) {
        let mut world = World::new(&yaml(&steps), seed, Restarts::AfterEveryCommit, "world.once");
        world.drive();
        for _ in 0..RETRIES_MAX {
            let before = completed(&world.envelopes());
            let seq = world.journal.len();
            world.now = Timestamp(world.now.0 + 10_000);
            world.command(Command::Retry { step: None, by: person() });
            if world.journal.len() == seq {
                break;
            }
            world.go_on();
            let own = completed(&world.envelopes()[seq..]);
            prop_assert!(own.is_disjoint(&before), "completed twice");
        }
        for (key, times) in &world.outside {
            prop_assert!(*times <= 1, "{} reached the outside {} times", key, times);
        }
    }

    #[test]
    fn a_suspended_run_begins_nothing_and_comes_to_an_end_when_it_is_resumed(
        steps in steps(false), seed in any::<u64>(), when in 0..60_usize
    ) {
        let text = yaml(&steps);
        let mut world = World::new(&text, seed, Restarts::Never, "world.act");
        world.start();
        // Some way on, then it is suspended.
        for _ in 0..when {
            if *world.state.phase() != Phase::Open {
                break;
            }
            world.now = Timestamp(world.now.0 + 1);
            match world.attempt() {
                Some((visit, attempt, work)) => world.carry_out(visit, attempt, &work),
                None if !world.answer() => break,
                None => {}
            }
        }
        let seq = world.journal.len();
        world.command(Command::Suspend { by: person(), reason: None });
        if world.journal.len() > seq {
            let under_way: Vec<_> = effects(&world.state);
            world.restarts = Restarts::AfterEveryCommit;
            for effect in under_way {
                let Effect::Attempt { visit, attempt, work } = effect else { panic!("time passes: {effect:?}") };
                if matches!(*work, Work::Tool { .. }) {
                    world.carry_out(visit, attempt, &work);
                }
            }
            while world.answer() {}
            world.now = Timestamp(world.now.0 + 1_000_000_000);
            world.command(Command::Tick);
            for envelope in &world.envelopes()[seq..] {
                let begins = matches!(
                    envelope.event,
                    Event::StepStarted { .. } | Event::AttemptStarted { .. } | Event::WaitStarted { .. }
                );
                prop_assert!(!begins, "{:?} while it is suspended", envelope.event);
            }
            if world.state.is_suspended() {
                world.command(Command::Resume { by: person() });
                prop_assert!(!world.state.is_suspended() && world.state.held().is_empty());
                world.go_on();
            }
            prop_assert!(world.state.status().is_final());
        }
    }
}
