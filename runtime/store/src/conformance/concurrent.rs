//! Many at once: order within a run, and what was acknowledged is there at once and later.

use std::sync::Arc;

use pawl_core::view::Status;

use super::{Subject, sample};
use crate::{Page, RunFilter, Store, StoreError};

const WRITERS: u64 = 64;
const COMMITS: u64 = 20;

pub(super) async fn check(subject: &mut impl Subject) {
    let store = subject.store();
    let writers: Vec<_> =
        (0..WRITERS).map(|number| tokio::spawn(write(Arc::clone(&store), number))).collect();
    let reader = tokio::spawn(read(Arc::clone(&store)));
    for writer in writers {
        writer.await.unwrap();
    }
    reader.await.unwrap();
    rivals(&store).await;
    drop(store);
    subject.reopen();
    let store = subject.store();
    for number in 0..WRITERS {
        assert_eq!(store.journal(sample::run(number), 1).await.unwrap(), written(number, COMMITS));
    }
}

fn written(number: u64, commits: u64) -> Vec<Vec<u8>> {
    let run = sample::run(number);
    (1..=commits * 2).map(|seq| sample::event(run, seq, 40)).collect()
}

async fn write(store: Arc<dyn Store>, number: u64) {
    let run = sample::run(number);
    for commit in 0..COMMITS {
        let mut append = sample::append(run, commit * 2, 2);
        append.header = Some(sample::header(run, Status::Running));
        store.commit(&sample::batch([append])).await.unwrap();
        assert_eq!(store.journal(run, 1).await.unwrap(), written(number, commit + 1));
    }
}

/// Reads while others write: every journal it sees is whole commits, in order.
async fn read(store: Arc<dyn Store>) {
    for round in 0..200 {
        let number = round % WRITERS;
        let seen = store.journal(sample::run(number), 1).await.unwrap();
        assert!(seen.len().is_multiple_of(2));
        assert_eq!(seen, written(number, COMMITS)[..seen.len()]);
        let running = RunFilter { statuses: vec![Status::Running], ..RunFilter::default() };
        let page = store.runs(&running, &Page { after: None, limit: 1_000 }).await.unwrap();
        assert!(page.runs.is_sorted_by(|newer, older| newer.id > older.id));
        tokio::task::yield_now().await;
    }
}

/// Of many that expect the same seq, one wins.
async fn rivals(store: &Arc<dyn Store>) {
    let run = sample::run(WRITERS);
    let rivals: Vec<_> = (0..WRITERS)
        .map(|_| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.commit(&sample::batch([sample::append(run, 0, 1)])).await })
        })
        .collect();
    let mut winners = 0;
    for rival in rivals {
        match rival.await.unwrap() {
            Ok(()) => winners += 1,
            Err(StoreError::Conflict { found: 1, .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(store.journal(run, 1).await.unwrap().len(), 1);
}
