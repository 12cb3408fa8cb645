//! Who of those that want one gets a slot.
//!
//! Not authoritative: the runs' journals say who holds a slot and who waits for
//! one, the store lists it, and this is made of that list and of what runs say
//! when they change. It decides between runs, and keeps what it decided in mind
//! until the run says what became of it. Never more are let in than the limit
//! of whoever is let in allows; a run that a person retries or forks comes with
//! the slots that it had, and is counted.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use pawl_core::event::Overflow;
use pawl_core::{Rank, RunId, SlotNews, Ticket, Timestamp, VisitId};
use pawl_store::TicketPlace;

/// What a run is to hear of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct News {
    pub(super) run: RunId,
    pub(super) visit: Option<VisitId>,
    pub(super) what: SlotNews,
}

/// All who hold or want a slot.
#[derive(Debug, Default)]
pub(super) struct Gate {
    lines: HashMap<String, Line>,
    /// The keys of a run's tickets.
    keys: HashMap<RunId, BTreeMap<Option<VisitId>, String>>,
}

/// Those with one key.
#[derive(Debug, Default)]
struct Line {
    standing: BTreeMap<TicketPlace, Standing>,
    /// Those who wait, the next one first.
    queue: BTreeSet<(Rank, Timestamp, TicketPlace)>,
    /// Those who hold a slot or were told to take one, the oldest first.
    inside: BTreeSet<(Timestamp, TicketPlace)>,
    /// Those who wait and do not want to.
    impatient: HashSet<TicketPlace>,
}

#[derive(Debug)]
struct Standing {
    limit: u32,
    overflow: Overflow,
    rank: Rank,
    since: Timestamp,
    /// Whether the run says that it holds it.
    taken: bool,
    /// Whether it has heard something that it has not answered.
    told: bool,
}

impl Gate {
    /// Takes in what a run holds and waits for now; says which keys that touches.
    pub(super) fn update(&mut self, run: RunId, tickets: impl Iterator<Item = Ticket>) -> Vec<String> {
        let before = self.keys.remove(&run).unwrap_or_default();
        let mut now = BTreeMap::new();
        for ticket in tickets {
            let line = self.lines.entry(ticket.key.clone()).or_default();
            line.put(&ticket);
            now.insert(ticket.visit, ticket.key);
        }
        let mut touched: BTreeSet<String> = now.values().cloned().collect();
        for (visit, key) in before {
            if now.get(&visit) != Some(&key) {
                if let Some(line) = self.lines.get_mut(&key) {
                    line.remove((run, visit));
                }
                touched.insert(key);
            }
        }
        if !now.is_empty() {
            self.keys.insert(run, now);
        }
        touched.into_iter().collect()
    }

    /// A run did not take in what it was told: it is told again when its keys are looked at the next time.
    pub(super) fn untold(&mut self, run: RunId) {
        for (visit, key) in self.keys.get(&run).into_iter().flatten() {
            if let Some(line) = self.lines.get_mut(key) {
                line.untold((run, *visit));
            }
        }
    }

    /// What is to be told to those with a key, so that no slot is free that somebody waits for.
    pub(super) fn admit(&mut self, key: &str) -> Vec<News> {
        let Some(line) = self.lines.get_mut(key) else { return Vec::new() };
        if line.standing.is_empty() {
            self.lines.remove(key);
            return Vec::new();
        }
        let mut news = Vec::new();
        line.let_in(&mut news);
        line.mind_impatient(&mut news);
        news
    }

    /// All keys.
    pub(super) fn keys(&self) -> Vec<String> {
        self.lines.keys().cloned().collect()
    }

    /// The runs that wait.
    pub(super) fn waiting(&self) -> BTreeSet<RunId> {
        self.lines.values().flat_map(|line| line.queue.iter().map(|(_, _, (run, _))| *run)).collect()
    }

    /// The runs whose slots a run waits for; none when it is about to go on.
    pub(super) fn ahead(&self, run: RunId) -> BTreeSet<RunId> {
        let keys = self.keys.get(&run).into_iter().flatten();
        let waits = keys.filter_map(|(visit, key)| {
            let line = self.lines.get(key)?;
            line.standing.get(&(run, *visit)).filter(|at| !at.taken).map(|at| (line, at.told))
        });
        let waits: Vec<_> = waits.collect();
        if waits.iter().any(|(_, told)| *told) {
            return BTreeSet::new();
        }
        waits.iter().flat_map(|(line, _)| line.inside.iter().map(|(_, (run, _))| *run)).collect()
    }
}

impl Line {
    fn put(&mut self, ticket: &Ticket) {
        let place = (ticket.run, ticket.visit);
        if self.standing.get(&place).is_some_and(|at| at.taken == ticket.taken && at.since == ticket.since) {
            return;
        }
        self.remove(place);
        let (rank, since) = (ticket.rank(), ticket.since);
        let Ticket { limit, overflow, taken, .. } = *ticket;
        self.standing.insert(place, Standing { limit, overflow, rank, since, taken, told: false });
        self.place(place);
    }

    /// Puts one where it belongs that is nowhere yet.
    fn place(&mut self, place: TicketPlace) {
        let Some(at) = self.standing.get(&place) else { return };
        if at.taken {
            self.inside.insert((at.since, place));
            return;
        }
        self.queue.insert((at.rank, at.since, place));
        if at.overflow != Overflow::Queue {
            self.impatient.insert(place);
        }
    }

    fn remove(&mut self, place: TicketPlace) {
        if let Some(at) = self.standing.remove(&place) {
            self.queue.remove(&(at.rank, at.since, place));
            self.inside.remove(&(at.since, place));
            self.impatient.remove(&place);
        }
    }

    fn untold(&mut self, place: TicketPlace) {
        let Some(at) = self.standing.get_mut(&place).filter(|at| at.told) else { return };
        at.told = false;
        self.inside.remove(&(at.since, place));
        self.place(place);
    }

    /// Lets the next ones in, as long as their own limits allow it.
    fn let_in(&mut self, news: &mut Vec<News>) {
        while let Some(next) = self.queue.first().copied() {
            let (_, since, place) = next;
            let Some(at) = self.standing.get_mut(&place) else { return };
            if self.inside.len() >= at.limit as usize {
                return;
            }
            at.told = true;
            self.queue.remove(&next);
            self.impatient.remove(&place);
            self.inside.insert((since, place));
            news.push(tell(place, SlotNews::Granted));
        }
    }

    /// Sends those away who do not want to wait, and has others make way for them.
    fn mind_impatient(&mut self, news: &mut Vec<News>) {
        let of = |overflow| {
            let standing = &self.standing;
            let wants =
                move |place: &&TicketPlace| standing.get(*place).is_some_and(|at| at.overflow == overflow);
            self.impatient.iter().filter(wants).copied().collect::<Vec<_>>()
        };
        let (refused, replacing) = (of(Overflow::Fail), of(Overflow::Replace));
        for place in refused {
            self.send_away(place, SlotNews::Refused, news);
        }
        let newest = replacing.into_iter().max_by_key(|place| {
            let since = self.standing.get(place).map(|at| at.since);
            (since, *place)
        });
        if let Some(newest) = newest {
            self.make_way(newest, news);
        }
    }

    fn make_way(&mut self, newest: TicketPlace, news: &mut Vec<News>) {
        let Some((limit, since)) = self.standing.get(&newest).map(|at| (at.limit as usize, at.since)) else {
            return;
        };
        // Who came after it waits for it.
        let older = |(_, asked, place): &(Rank, Timestamp, TicketPlace)| {
            ((*asked, *place) < (since, newest)).then_some(*place)
        };
        let before: Vec<_> = self.queue.iter().filter_map(older).collect();
        for place in before {
            self.send_away(place, SlotNews::Replaced(newest.0), news);
        }
        // Those who were told before are on their way out, or in.
        let mut leave = (self.inside.len() + 1).saturating_sub(limit);
        for (_, place) in &self.inside {
            let Some(at) = self.standing.get_mut(place).filter(|_| leave > 0) else { continue };
            leave -= 1;
            if !at.told {
                at.told = true;
                news.push(tell(*place, SlotNews::Replaced(newest.0)));
            }
        }
    }

    fn send_away(&mut self, place: TicketPlace, what: SlotNews, news: &mut Vec<News>) {
        if let Some(at) = self.standing.get_mut(&place) {
            at.told = true;
            self.queue.remove(&(at.rank, at.since, place));
            self.impatient.remove(&place);
            news.push(tell(place, what));
        }
    }
}

const fn tell((run, visit): TicketPlace, news: SlotNews) -> News {
    News { run, visit, what: news }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u8) -> RunId {
        RunId::from_bytes([number; 16])
    }

    fn ticket(number: u8, limit: u32, overflow: Overflow) -> Ticket {
        Ticket {
            run: run(number),
            visit: None,
            key: "k".to_owned(),
            limit,
            overflow,
            priority: 50,
            since: Timestamp(number.into()),
            taken: false,
        }
    }

    fn comes(gate: &mut Gate, ticket: Ticket) -> Vec<(u8, SlotNews)> {
        gate.update(ticket.run, [ticket].into_iter());
        told(gate)
    }

    fn leaves(gate: &mut Gate, number: u8) -> Vec<(u8, SlotNews)> {
        gate.update(run(number), std::iter::empty());
        told(gate)
    }

    fn told(gate: &mut Gate) -> Vec<(u8, SlotNews)> {
        gate.admit("k").into_iter().map(|news| (news.run.as_bytes()[0], news.what)).collect()
    }

    #[test]
    fn no_more_are_let_in_than_the_limit_allows_and_the_next_follows() {
        let mut gate = Gate::default();
        let queued = |number| ticket(number, 2, Overflow::Queue);
        assert_eq!(comes(&mut gate, queued(1)), [(1, SlotNews::Granted)]);
        assert_eq!(comes(&mut gate, queued(2)), [(2, SlotNews::Granted)]);
        assert_eq!(comes(&mut gate, queued(3)), []);
        // What was told is not told again, whatever else the run says meanwhile.
        assert_eq!(comes(&mut gate, queued(1)), []);
        assert_eq!(comes(&mut gate, Ticket { taken: true, ..queued(1) }), []);
        assert_eq!(gate.waiting(), BTreeSet::from([run(3)]));
        assert_eq!(gate.ahead(run(3)), BTreeSet::from([run(1), run(2)]));
        // One that gives up before it took its slot leaves it to the next.
        assert_eq!(leaves(&mut gate, 2), [(3, SlotNews::Granted)]);
        assert_eq!(leaves(&mut gate, 1), []);
        assert_eq!(leaves(&mut gate, 3), []);
        assert!(gate.lines.is_empty() && gate.keys.is_empty(), "nobody leaves a trace");
    }

    #[test]
    fn priority_goes_first_and_age_overtakes_it() {
        let mut gate = Gate::default();
        let of = |number, priority, since| Ticket {
            priority,
            since: Timestamp(since),
            ..ticket(number, 1, Overflow::Queue)
        };
        comes(&mut gate, of(1, 50, 0));
        comes(&mut gate, of(2, 0, 0));
        comes(&mut gate, of(3, 1, 9_999));
        comes(&mut gate, of(4, 100, 1_000_001));
        let mut order = Vec::new();
        let mut inside = 1;
        while let [(next, SlotNews::Granted)] = leaves(&mut gate, inside)[..] {
            order.push(next);
            inside = next;
        }
        assert_eq!(order, [3, 2, 4]);
    }

    #[test]
    fn who_does_not_want_to_wait_is_refused() {
        let mut gate = Gate::default();
        let impatient = |number| ticket(number, 1, Overflow::Fail);
        assert_eq!(comes(&mut gate, impatient(1)), [(1, SlotNews::Granted)]);
        comes(&mut gate, ticket(2, 1, Overflow::Queue));
        assert_eq!(comes(&mut gate, impatient(3)), [(3, SlotNews::Refused)]);
        assert_eq!(comes(&mut gate, impatient(3)), []);
        leaves(&mut gate, 3);
        assert_eq!(leaves(&mut gate, 1), [(2, SlotNews::Granted)]);
    }

    #[test]
    fn the_newest_takes_the_place_of_the_oldest() {
        let mut gate = Gate::default();
        let replacing = |number| ticket(number, 2, Overflow::Replace);
        let taken = |number| Ticket { taken: true, ..replacing(number) };
        for number in [1, 2] {
            comes(&mut gate, replacing(number));
            comes(&mut gate, taken(number));
        }
        assert_eq!(comes(&mut gate, replacing(3)), [(1, SlotNews::Replaced(run(3)))]);
        // It is on its way out; a newer one replaces who waits for that.
        assert_eq!(comes(&mut gate, replacing(4)), [(3, SlotNews::Replaced(run(4)))]);
        assert_eq!(leaves(&mut gate, 3), []);
        assert_eq!(leaves(&mut gate, 1), [(4, SlotNews::Granted)]);
    }

    #[test]
    fn who_comes_after_a_replacing_one_waits_for_it() {
        let mut gate = Gate::default();
        comes(&mut gate, Ticket { taken: true, ..ticket(1, 1, Overflow::Queue) });
        assert_eq!(comes(&mut gate, ticket(2, 1, Overflow::Queue)), []);
        let replaced = comes(&mut gate, ticket(3, 1, Overflow::Replace));
        assert_eq!(replaced, [(2, SlotNews::Replaced(run(3))), (1, SlotNews::Replaced(run(3)))]);
        assert_eq!(comes(&mut gate, ticket(4, 1, Overflow::Queue)), []);
        leaves(&mut gate, 2);
        assert_eq!(leaves(&mut gate, 1), [(3, SlotNews::Granted)]);
        assert_eq!(leaves(&mut gate, 3), [(4, SlotNews::Granted)]);
    }

    #[test]
    fn what_a_run_did_not_take_in_is_told_again() {
        let mut gate = Gate::default();
        let queued = |number| ticket(number, 1, Overflow::Queue);
        assert_eq!(comes(&mut gate, queued(1)), [(1, SlotNews::Granted)]);
        comes(&mut gate, queued(2));
        gate.untold(run(1));
        gate.untold(run(2));
        assert_eq!(told(&mut gate), [(1, SlotNews::Granted)]);
        comes(&mut gate, Ticket { taken: true, ..queued(1) });
        let replacing = ticket(3, 1, Overflow::Replace);
        assert_eq!(comes(&mut gate, replacing).len(), 2);
        gate.untold(run(1));
        assert_eq!(told(&mut gate), [(1, SlotNews::Replaced(run(3)))]);
    }

    #[test]
    fn who_came_back_with_its_slot_is_counted() {
        let mut gate = Gate::default();
        let queued = |number| ticket(number, 1, Overflow::Queue);
        comes(&mut gate, Ticket { taken: true, ..queued(1) });
        comes(&mut gate, Ticket { taken: true, ..queued(2) });
        assert_eq!(comes(&mut gate, queued(3)), []);
        assert_eq!(leaves(&mut gate, 1), []);
        assert_eq!(leaves(&mut gate, 2), [(3, SlotNews::Granted)]);
    }
}
