//! The n-th statement fails, for every n, until a run needs none that failed: never a half state, never a lost run. Every
//! seventh n only, unless `GATEWRIGHT_EVERY_STATEMENT=1`, which the full check sets.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use gatewright::{
    reconcile::{
        attempt::{self, Attempted, Memory},
        trigger::Trigger,
    },
    store::{StoreOptions, changeset::Outcome},
};
use serde_json::json;

use super::lab::{Lab, groups};
use crate::support::database::{Database, on_each, options};

/// Each statement of an attempt that applies a revision fails once. Afterwards the state is the old or the new one as a
/// whole, what was written has its run, and the next attempt comes to the new one.
#[tokio::test]
async fn every_statement_may_fail() {
    on_each(|database| async move {
        let mut tried = BTreeSet::new();
        let every = std::env::var("GATEWRIGHT_EVERY_STATEMENT").is_ok();
        for fatal in (1..).step_by(if every { 1 } else { 7 }) {
            let database = database.another().await;
            if survives(&database, fatal, &mut tried).await {
                break;
            }
        }
        assert!(tried.len() > if every { 20 } else { 5 }, "{tried:?}");
    })
    .await;
}

async fn survives(database: &Database, fatal: u64, tried: &mut BTreeSet<String>) -> bool {
    let names: Vec<String> = (0..12).map(|number| format!("g{number:02}")).collect();
    let old: Vec<(&str, &str)> = names[..8].iter().map(|name| (name.as_str(), "old")).collect();
    let new: Vec<(&str, &str)> = names[2..].iter().map(|name| (name.as_str(), "new")).collect();
    let mut lab = Lab::new(database.store().await);
    let attrs = json!({ "prune": true, "max_deleted_percent": 100 });
    lab.inline("main", &groups(&old), attrs.clone()).await;
    assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
    lab.inline("main", &groups(&new), attrs).await;
    let settings = lab.settings("main").await;
    let notes = |lab: &Lab| {
        let lab = lab.another("reader");
        async move {
            let groups = lab.objects("authentik_core.group").await;
            groups
                .into_iter()
                .map(|(name, group)| (name, group.attrs["attributes"]["note"].clone()))
                .collect::<Vec<_>>()
        }
    };
    let before = notes(&lab).await;
    let runs = lab.runs("main").await.len();

    let (count, armed) = (AtomicU64::new(0), Arc::new(AtomicBool::new(false)));
    let failed = Arc::new(Mutex::new(None));
    let (noted, ready) = (failed.clone(), armed.clone());
    let faults = Arc::new(move |text: &str| {
        let fails = ready.load(Ordering::SeqCst) && count.fetch_add(1, Ordering::SeqCst) + 1 == fatal;
        if fails {
            *noted.lock().expect("the note") = Some(text.to_owned());
        }
        fails
    });
    let faulty = database.store_with(StoreOptions { faults: Some(faults), ..options() }).await;
    armed.store(true, Ordering::SeqCst);
    let mut around = lab.around.clone();
    around.store = faulty;
    let outcome = attempt::attempt(&around, &settings, &mut Memory::default(), &Trigger::Interval).await;

    let after = notes(&lab).await;
    let is_new = after != before;
    if is_new {
        assert_eq!(after.len(), 10, "{fatal}: {after:?}");
        assert!(after.iter().all(|(_, note)| note == "new"), "{fatal}: half of it: {after:?}");
        let run = &lab.runs("main").await[0];
        assert_eq!(run.run.outcome, Outcome::Applied);
        assert_eq!(lab.runs("main").await.len(), runs + 1);
        assert_eq!(lab.store.changes_by(run.id).await.expect("the log").len(), 12);
    }
    assert!(lab.store.verify_audit().await.expect("the log").fault.is_none(), "{fatal}");
    // The next attempt, of another process and later, converges.
    lab.pass(Duration::from_secs(60));
    let mut two = lab.another("two");
    let attempted = two.attempt("main").await;
    assert!(matches!(attempted, Attempted::Applied(_) | Attempted::Unchanged), "{fatal}: {attempted:?}");
    assert!(notes(&lab).await.iter().all(|(_, note)| note == "new"), "{fatal}");
    assert!(lab.state("main").await.is_ready(), "{fatal}");
    let text = failed.lock().expect("the note").take();
    match text {
        Some(text) => {
            assert!(
                outcome.is_err() || is_new || matches!(outcome, Ok(Attempted::Failed(_) | Attempted::Busy)),
                "{fatal}: {text}: {outcome:?}"
            );
            tried.insert(text);
            false
        }
        None => true,
    }
}
