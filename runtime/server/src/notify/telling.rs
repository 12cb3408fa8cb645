//! Who is told now, and what is counted of it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pawl_engine::Engine;
use pawl_store::StoreError;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{NotifyError, Notifying, Target, feed};
use crate::app::App;

/// What is counted of notifications, by its names at `/metrics`.
pub const NOTIFY_METRICS: [&str; 2] = ["pawl_notifications_total", "pawl_notifications_pending"];

/// What became of what one was to be told, since this process began.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) sent: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) given_up: AtomicU64,
    /// The last change of the store that was looked at.
    pub(super) position: AtomicU64,
}

/// Those who are told, by name; nothing before the server serves.
#[derive(Debug, Default)]
pub(crate) struct Telling(Mutex<Option<BTreeMap<String, One>>>);

/// One who is told, until it is stopped.
#[derive(Debug)]
struct One {
    target: Target,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl One {
    fn begin(app: &App, target: Target) -> Self {
        let stop = app.closing.child_token();
        let (app, stopped, told) = (app.clone(), stop.clone(), target.clone());
        let task = tokio::spawn(async move {
            tokio::select! {
                () = stopped.cancelled() => {}
                () = feed::tell(&app, &told) => {}
            }
        });
        Self { target, stop, task }
    }

    /// Ends it. A delivery that is under way may be made once more by who comes after it.
    async fn end(self) {
        self.stop.cancel();
        // It has nothing to give, and one that failed is over as well.
        let _ = self.task.await;
    }
}

impl Telling {
    /// Begins to tell those who are named, where nobody did so yet.
    pub(crate) async fn begin(&self, app: &App, notifying: &Notifying) {
        let mut all = self.0.lock().await;
        if all.is_none() {
            let each = notifying.each();
            *all = Some(each.map(|target| (target.name.clone(), One::begin(app, target))).collect());
        }
    }

    /// From now on those are told who are named here. Who is named as before is not disturbed; who is new hears of what
    /// happens from now on; who is named otherwise goes on where they were.
    async fn replace(&self, app: &App, notifying: &Notifying) {
        let mut all = self.0.lock().await;
        let mut before = all.take().unwrap_or_default();
        let mut now = BTreeMap::new();
        for target in notifying.each() {
            let one = match before.remove(&target.name) {
                Some(one) if one.target.is_same(&target) => one,
                Some(one) => {
                    let target = Target { counts: Arc::clone(&one.target.counts), ..target };
                    one.end().await;
                    One::begin(app, target)
                }
                None => {
                    feed::begin(&app.engine, &target).await;
                    One::begin(app, target)
                }
            };
            now.insert(one.target.name.clone(), one);
        }
        for one in before.into_values() {
            one.end().await;
        }
        *all = Some(now);
    }

    /// What is counted, in the text format of Prometheus.
    pub(crate) async fn metrics(&self, engine: &Engine) -> Result<String, StoreError> {
        let all = self.0.lock().await;
        let mut text = String::new();
        let Some(all) = all.as_ref().filter(|all| !all.is_empty()) else { return Ok(text) };
        let last = engine.store().remembers().await?.map_or(0, |range| range.last);
        let [total, pending] = NOTIFY_METRICS;
        head(&mut text, total, "counter", "Notifications, by what became of them.");
        for (name, one) in all {
            let counts = &one.target.counts;
            let outcomes =
                [("sent", &counts.sent), ("refused", &counts.refused), ("given-up", &counts.given_up)];
            for (outcome, count) in outcomes {
                let count = count.load(Ordering::Relaxed);
                let _ = writeln!(text, "{total}{{notify=\"{name}\",outcome=\"{outcome}\"}} {count}");
            }
        }
        let help = "Changes of runs that were not looked at yet for what is to be told.";
        head(&mut text, pending, "gauge", help);
        for (name, one) in all {
            let left = last.saturating_sub(one.target.counts.position.load(Ordering::Relaxed));
            let _ = writeln!(text, "{pending}{{notify=\"{name}\"}} {left}");
        }
        Ok(text)
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

/// Has others be told while the server serves.
#[derive(Debug, Clone)]
pub struct Notifier {
    app: App,
    public_url: Option<String>,
}

impl Notifier {
    pub(crate) const fn new(app: App, public_url: Option<String>) -> Self {
        Self { app, public_url }
    }

    /// Refuses what could never be told, and changes nothing.
    pub fn check(&self, notifying: &Notifying) -> Result<(), NotifyError> {
        notifying.check(self.public_url.as_deref())
    }

    /// From now on those are told who are named here; who could never be told is refused, and nothing changes.
    pub async fn reload(&self, notifying: &Notifying) -> Result<(), NotifyError> {
        self.check(notifying)?;
        self.app.telling.replace(&self.app, notifying).await;
        Ok(())
    }
}
