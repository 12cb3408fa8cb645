//! What tools and agents do: drawn from the seed, the same whenever the same work is done again.

use std::future::pending;
use std::sync::Arc;

use async_trait::async_trait;
use pawl_core::call::CallResponse;
use pawl_core::plugin::EffectClass;
use pawl_core::{Digest, Duration, Failure, FailureKind};
use pawl_engine::{AgentPart, AgentWork, Clock as _, Component, StandIn, ToolWork};
use pawl_sandbox::{AgentEnd, AgentHost, ToolEnd};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use crate::agent;
use crate::store::{Disk, ProcessStore};

/// The plugins as one process meets them.
#[derive(Debug)]
pub(crate) struct Plugins {
    pub(crate) seed: u64,
    pub(crate) disk: Arc<Disk>,
    pub(crate) store: Arc<ProcessStore>,
}

/// What becomes of one try of a piece of work.
struct Drawn {
    delay_ms: u64,
    does: Does,
}

enum Does {
    Gives(CallResponse),
    Hangs,
}

impl Plugins {
    fn draw(&self, work: &ToolWork<'_>) -> Drawn {
        let of = format!("{} {} {} {:?}", work.run, work.visit, work.attempt, work.call);
        let digest = Digest::of_parts(&[&self.seed.to_be_bytes(), of.as_bytes()]);
        let mut chance = StdRng::from_seed(*digest.as_bytes());
        let delay_ms = if chance.random_range(0..3) == 0 { chance.random_range(1..8_000) } else { 0 };
        let drawn = chance.random_range(0..100);
        // Who calls a tool that acts does not try again, nor has an agent a time of its own.
        let acts = work.effect == EffectClass::AtMostOnce;
        let does = match drawn {
            0..8 => Does::Gives(Err(Failure::new(FailureKind::Transient, "the simulation says so"))),
            8..11 if !acts && work.call.is_none() && work.step.as_str() == "greet" => Does::Hangs,
            _ if acts => Does::Gives(Ok(json!({
                "receipt": format!("R-{}", work.key),
                "order": work.arguments["order"],
                "amount": work.arguments["amount"],
                "currency": "EUR",
            }))),
            _ => Does::Gives(Ok(json!({ "text": work.arguments["text"] }))),
        };
        Drawn { delay_ms, does }
    }
}

#[async_trait]
impl StandIn for Plugins {
    async fn tool(&self, work: ToolWork<'_>, _: Component<'_, ToolEnd>) -> ToolEnd {
        self.store.alive().await;
        let Drawn { delay_ms, does } = self.draw(&work);
        // What it does, it has done by now; only the answer is on its way.
        if let Does::Gives(result) = &does {
            let at = (work.run, work.visit, work.call);
            self.disk.ground.truth().call(at, work.attempt, work.effect, result);
        }
        if delay_ms > 0 {
            let clock = &self.disk.clock;
            clock.sleep_until(clock.now().after(Duration(delay_ms))).await;
        }
        match does {
            Does::Gives(result) => ToolEnd { result, log: Vec::new() },
            Does::Hangs => pending().await,
        }
    }

    async fn agent(&self, work: AgentWork<'_>, mut host: Box<dyn AgentHost>) -> AgentPart {
        self.store.alive().await;
        let end: AgentEnd = agent::play(work.input, host.as_mut()).await;
        AgentPart::Played(end)
    }
}
