//! One delivery: made, and made again for a while.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pawl_core::operator::NotifyWay;
use pawl_engine::Engine;
use serde_json::Value;

use super::{Target, hook, tool};

/// How often a delivery is tried; one that then was not taken is given up, and the log says so.
pub const NOTIFY_TRIES_MAX: u32 = 10;
/// How long one try may take, in milliseconds.
pub const NOTIFY_REQUEST_MAX_MS: u64 = 10_000;
/// The first pause between two tries; each is twice as long as the one before.
const NOTIFY_PAUSE_MS: u64 = 1_000;
/// The longest pause between two tries, in milliseconds.
pub const NOTIFY_PAUSE_MAX_MS: u64 = 300_000;
/// The longest body; what an approval is about, and its form, are left out of a longer one.
pub const NOTIFY_BODY_MAX_BYTES: usize = 256 << 10;

/// What came of one try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sent {
    /// It was taken.
    Taken,
    /// It will never be taken.
    Refused(String),
    /// It may be taken later.
    NotNow(String),
}

/// What became of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Taken,
    Refused,
    GivenUp,
}

/// Sends until it is taken, refused for good or given up.
pub(super) async fn deliver(engine: &Engine, target: &Target, id: &str, body: Value) {
    let body = bounded(body);
    let (name, body) = (&target.name, &body);
    let ended = match &target.notify.told {
        NotifyWay::Hook { url, secret } => {
            let bytes = body.to_string().into_bytes();
            let bytes = &bytes;
            let send = || hook::send(url, secret, &target.folder, id, bytes);
            persist(name, id, send, tokio::time::sleep).await
        }
        NotifyWay::Tool(told) => {
            let call = &tool::call(name, told);
            let send = || tool::send(engine, call, name, id, body.clone());
            persist(name, id, send, tokio::time::sleep).await
        }
    };
    let counts = &target.counts;
    let count = match ended {
        Ended::Taken => &counts.sent,
        Ended::Refused => &counts.refused,
        Ended::GivenUp => &counts.given_up,
    };
    count.fetch_add(1, Ordering::Relaxed);
}

/// Tries again and again, with longer and longer pauses, and not for ever.
async fn persist<S: Future<Output = Sent>, P: Future<Output = ()>>(
    name: &str,
    id: &str,
    mut send: impl FnMut() -> S,
    mut pause: impl FnMut(Duration) -> P,
) -> Ended {
    for tried in 1..=NOTIFY_TRIES_MAX {
        let why = match send().await {
            Sent::Taken => return Ended::Taken,
            Sent::Refused(why) => {
                tracing::error!(notify = name, id, why, "a notification is refused, and not sent again");
                return Ended::Refused;
            }
            Sent::NotNow(why) => why,
        };
        if tried == NOTIFY_TRIES_MAX {
            tracing::error!(notify = name, id, why, tried, "a notification is given up");
            break;
        }
        tracing::warn!(notify = name, id, why, tried, "a notification is not taken now, and sent again");
        pause(pause_after(tried)).await;
    }
    Ended::GivenUp
}

/// Twice as long each time.
fn pause_after(tried: u32) -> Duration {
    let doubled = NOTIFY_PAUSE_MS.saturating_mul(1 << tried.saturating_sub(1).min(20));
    Duration::from_millis(doubled.min(NOTIFY_PAUSE_MAX_MS))
}

/// The same where it is not too long, and its main part where it is.
fn bounded(mut body: Value) -> Value {
    if body.to_string().len() <= NOTIFY_BODY_MAX_BYTES {
        return body;
    }
    for field in ["subject", "form"] {
        body["approval"][field] = Value::Null;
    }
    body["cut"] = true.into();
    body
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use serde_json::json;

    use super::*;

    #[test]
    fn pauses_grow_to_their_longest() {
        let pauses: Vec<_> = (1..NOTIFY_TRIES_MAX).map(|tried| pause_after(tried).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256]);
        assert_eq!(pause_after(50), Duration::from_millis(NOTIFY_PAUSE_MAX_MS));
    }

    #[tokio::test]
    async fn a_delivery_is_given_up_after_so_many_tries() {
        let (mut tries, mut waited) = (0, Duration::ZERO);
        let send = || {
            tries += 1;
            ready(Sent::NotNow("it is busy".to_owned()))
        };
        let pause = |time| {
            waited += time;
            ready(())
        };
        assert_eq!(persist("desk", "1", send, pause).await, Ended::GivenUp);
        assert_eq!((tries, waited), (NOTIFY_TRIES_MAX, Duration::from_secs(511)));
        let pause = |_| ready(());
        let mut answers = vec![Sent::Taken, Sent::NotNow(String::new())];
        assert_eq!(persist("desk", "2", || ready(answers.pop().unwrap()), pause).await, Ended::Taken);
        let mut answers = vec![Sent::Refused(String::new())];
        assert_eq!(persist("desk", "3", || ready(answers.pop().unwrap()), pause).await, Ended::Refused);
    }

    #[test]
    fn a_body_that_is_too_long_leaves_out_what_it_is_about() {
        let body =
            |subject: String| json!({ "approval": { "subject": subject, "form": {}, "title": "Pay?" } });
        assert_eq!(bounded(body("x".into())), body("x".into()));
        assert_eq!(
            bounded(body("x".repeat(NOTIFY_BODY_MAX_BYTES))),
            json!({ "approval": { "subject": null, "form": null, "title": "Pay?" }, "cut": true })
        );
    }
}
