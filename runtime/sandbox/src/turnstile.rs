//! Turns for those who want to be under way: only so many at once, and the smallest rank first.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pawl_core::Rank;
use tokio::sync::oneshot;

/// Lets in only so many at once.
#[derive(Debug)]
pub(crate) struct Turnstile {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: u32,
    /// Those who wait; of two with one rank, who came first.
    waiting: BTreeMap<(Rank, u64), oneshot::Sender<()>>,
    arrivals: u64,
}

/// A turn. It is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'t>(&'t Turnstile);

/// Someone who waits, and leaves the line when they give up.
struct Waiting<'t> {
    turnstile: &'t Turnstile,
    key: (Rank, u64),
    has_turn: bool,
}

impl Turnstile {
    pub(crate) const fn new(turns: u32) -> Self {
        Self { state: Mutex::new(State { free: turns, waiting: BTreeMap::new(), arrivals: 0 }) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn.
    pub(crate) async fn turn(&self, rank: Rank) -> Turn<'_> {
        let Some((mut waiting, granted)) = self.line_up(rank) else { return Turn(self) };
        // The sender is only dropped with the place in the line, which this holds.
        let _ = granted.await;
        waiting.has_turn = true;
        Turn(self)
    }

    /// Takes a turn, or a place in the line when none is free.
    fn line_up(&self, rank: Rank) -> Option<(Waiting<'_>, oneshot::Receiver<()>)> {
        let mut state = self.state();
        // As long as someone waits, none is free.
        if state.free > 0 {
            state.free -= 1;
            return None;
        }
        state.arrivals += 1;
        let key = (rank, state.arrivals);
        let (grant, granted) = oneshot::channel();
        state.waiting.insert(key, grant);
        Some((Waiting { turnstile: self, key, has_turn: false }, granted))
    }

    /// Gives a turn to the first who waits.
    fn pass_on(&self) {
        let mut state = self.state();
        match state.waiting.pop_first() {
            // Who gives up at this moment finds that they are not in the line any more, and passes it on.
            Some((_, grant)) => _ = grant.send(()),
            None => state.free += 1,
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.has_turn && self.turnstile.state().waiting.remove(&self.key).is_none() {
            self.turnstile.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use pawl_core::Timestamp;

    use super::*;

    /// Whether a turn has come.
    fn polled<'t>(turn: std::pin::Pin<&mut impl Future<Output = Turn<'t>>>) -> Option<Turn<'t>> {
        match turn.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(turn) => Some(turn),
            Poll::Pending => None,
        }
    }

    #[test]
    fn the_smallest_rank_goes_first_and_who_gives_up_passes_the_turn_on() {
        let turnstile = Turnstile::new(1);
        let of = |priority| turnstile.turn(Rank::new(Timestamp(0), priority));
        let mut now = pin!(of(50));
        let first = polled(now.as_mut()).unwrap();
        let (mut low, mut high, mut leaves) = (pin!(of(10)), pin!(of(90)), Box::pin(of(100)));
        assert!(polled(low.as_mut()).is_none());
        assert!(polled(high.as_mut()).is_none());
        assert!(polled(leaves.as_mut()).is_none());
        // Given a turn, and gone before it was taken.
        drop(first);
        drop(leaves);
        assert!(polled(low.as_mut()).is_none());
        let second = polled(high.as_mut()).unwrap();
        // Gone while it waits.
        let mut gone = Box::pin(of(100));
        assert!(polled(gone.as_mut()).is_none());
        drop(gone);
        drop(second);
        drop(polled(low.as_mut()).unwrap());
        assert_eq!(turnstile.state().free, 1);
    }
}
