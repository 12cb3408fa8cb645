//! The links of a notification: one for each person who is asked by name.

use std::collections::BTreeSet;

use pawl_core::view::OpenApproval;
use pawl_core::{Duration, Timestamp};
use pawl_engine::{Clock as _, SystemClock};
use serde_json::{Value, json};

use crate::Problem;
use crate::app::App;
use crate::identity::Maker;
use crate::links::new_link;

/// The most links of one notification; others who are asked get none.
pub const NOTIFY_LINKS_MAX: usize = 20;

/// `[{for, url, expires_at}]`. Groups have none: a link says who answers.
pub(super) fn links(app: &App, open: &OpenApproval, good_for: Duration) -> Result<Vec<Value>, Problem> {
    let expires = SystemClock.now().after(good_for);
    let expires = open.due.map_or(expires, |due: Timestamp| due.min(expires));
    let link = |user: &str| {
        let by = Maker { name: "notify".to_owned(), via: "notify".to_owned() };
        let (url, _) = new_link(app, open, (user.to_owned(), BTreeSet::new()), expires, by)?;
        Ok(json!({ "for": user, "url": url, "expires_at": expires.to_string() }))
    };
    people(open).into_iter().map(link).collect()
}

/// Who is asked by name, and may answer as far as is known.
fn people(open: &OpenApproval) -> Vec<&str> {
    let delegates = open.inbox.delegations.iter().flat_map(|delegation| &delegation.to);
    let asked = open.to.iter().chain(&open.inbox.escalated_to).chain(delegates);
    let mut people: Vec<&str> = Vec::new();
    for who in asked.filter(|who| who.starts_with("user:") && !open.inbox.excluded.contains(who)) {
        if !people.contains(&who.as_str()) {
            people.push(who);
        }
    }
    people.truncate(NOTIFY_LINKS_MAX);
    people
}

#[cfg(test)]
mod tests {
    use pawl_core::inbox::{Delegation, Inbox};

    use super::*;
    use crate::bench::Bench;

    #[tokio::test]
    async fn who_is_asked_by_name_has_a_link_and_no_more_than_the_limit_says() {
        let bench = Bench::new().await;
        let (_, id) = bench.asking(&pawl_core::Namespace::default()).await;
        let mut open = bench.engine.store().approval(&id).await.unwrap().unwrap();
        let delegation = Delegation {
            by: "user:ann".into(),
            voice: "user:ann".into(),
            to: vec!["user:cat".into()],
            at: Timestamp(1),
        };
        open.inbox = Inbox {
            delegations: vec![delegation],
            escalated_to: vec!["user:bob".into(), "user:ann".into()],
            excluded: vec!["user:bob".into()],
            ..Inbox::default()
        };
        assert_eq!(people(&open), ["user:ann", "user:cat"]);
        open.to = (0..=NOTIFY_LINKS_MAX).map(|number| format!("user:u{number}")).collect();
        let links = links(&bench.app, &open, Duration(1_000)).unwrap();
        assert_eq!(links.len(), NOTIFY_LINKS_MAX);
    }
}
