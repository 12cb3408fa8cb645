//! Calls that an agent makes together: so many at once, each recorded by itself.

use std::collections::VecDeque;
use std::sync::Arc;

use pawl_core::call::{CallRequest, CallResponse};
use pawl_core::{Failure, FailureKind, Timestamp};
use tokio::task::JoinSet;
use tracing::Instrument as _;

use super::desk::{Desk, Told, response_bytes};

/// Calls that an agent makes together.
pub(super) struct Group {
    desk: Arc<Desk>,
    first: u32,
    /// What the clocks show while they are made.
    began: Timestamp,
    /// What the agent's clock shows after those that are answered.
    now: Timestamp,
    responses: Vec<Option<CallResponse>>,
    waiting: VecDeque<(u32, CallRequest)>,
}

/// Why the agent does not go on.
enum Halt {
    /// A call waits for a person.
    Wait,
    /// The attempt ends.
    End(Failure),
}

impl Group {
    pub(super) fn new(desk: Arc<Desk>, first: u32, now: Timestamp, calls: usize) -> Self {
        Self { desk, first, began: now, now, responses: vec![None; calls], waiting: VecDeque::new() }
    }

    /// Adds a call that is to be made.
    pub(super) fn add(&mut self, call: u32, request: CallRequest) {
        self.waiting.push_back((call, request));
    }

    /// Takes in a call's answer.
    pub(super) fn answered(&mut self, call: u32, response: CallResponse, at: Option<Timestamp>) {
        self.now = at.map_or(self.now, |at| self.now.max(at));
        if let Some(place) = self.responses.get_mut((call - self.first) as usize) {
            *place = Some(response);
        }
    }

    /// Makes what is not answered, and gives all answers in order, and the time after them; none
    /// when one of the calls waits for a person. What was begun is always waited for.
    pub(super) async fn make(
        mut self,
        recorded_bytes: &mut usize,
    ) -> Result<Option<(Vec<CallResponse>, Timestamp)>, Failure> {
        let at_once_max = self.desk.context.config.calls_at_once_max.max(1);
        let mut halt = None;
        // Dropped with the attempt, and everything in it with it.
        let mut under_way = JoinSet::new();
        loop {
            while halt.is_none() && under_way.len() < at_once_max {
                let Some((call, request)) = self.waiting.pop_front() else { break };
                if let Err(failure) = self.desk.check_recorded(*recorded_bytes) {
                    halt = Some(Halt::End(failure));
                    break;
                }
                let (desk, now) = (Arc::clone(&self.desk), self.began);
                let place = desk.place(call, self.first);
                let calling = async move { (call, desk.call_tool(place, request, now).await) };
                under_way.spawn(calling.in_current_span());
            }
            match under_way.join_next().await {
                None => break,
                Some(Ok((call, Ok(Told::Answer(response, at))))) => {
                    *recorded_bytes += response_bytes(response.as_ref());
                    self.answered(call, response, Some(at));
                }
                // A person's answer comes first: what they are asked must not be forgotten.
                Some(Ok((_, Ok(Told::Wait)))) => halt = Some(Halt::Wait),
                Some(Ok((_, Err(failure)))) => halt = Some(halt.unwrap_or(Halt::End(failure))),
                Some(Err(error)) => halt = Some(halt.unwrap_or(Halt::End(panicked(&error)))),
            }
        }
        match halt {
            Some(Halt::Wait) => Ok(None),
            Some(Halt::End(failure)) => Err(failure),
            None => Ok(Some((self.responses.into_iter().flatten().collect(), self.now))),
        }
    }
}

fn panicked(error: &tokio::task::JoinError) -> Failure {
    let message = format!("a call was ended by a panic in the host, which is a fault of pawl: {error}");
    Failure::new(FailureKind::Trap, message)
}
