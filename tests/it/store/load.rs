//! How long a directory takes to load and to write. Ignored: figures mean something in a release build only.

use std::time::Instant;

use gatewright::store::changeset::SecretWrite;

use super::kinds::{PERSON, RowExt, TEAM, changes, create, id, person, registry, team, update};
use crate::support::database::on_each;

/// Processor time of all threads so far, in hundredths of a second.
fn processor_time() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("the process");
    let after_name = stat.rsplit(')').next().expect("its numbers");
    after_name.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
}

#[tokio::test]
#[ignore = "a measurement, for release builds"]
async fn ten_thousand_people() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let mut writes: Vec<_> =
            (0..100).map(|number| create(id(50_000 + number), TEAM, team(&format!("team {number}")))).collect();
        let row = |number: u128| {
            person(&format!("person-{number}"))
                .to("teams", &[id(50_000 + number % 100)])
                .secret("token", SecretWrite::Seal(format!("secret {number}")))
                .attr(
                    "attributes",
                    serde_json::json!({ "department": "x", "phones": ["1", "2"], "since": number as u64 }),
                )
        };
        writes.extend((0..10_000).map(|number| create(id(number), PERSON, row(number))));
        let started = Instant::now();
        store.commit(&registry, &changes(writes), 1).await.expect("written");
        eprintln!("  10,000 people written: {:?}", started.elapsed());

        const ROUNDS: u64 = 25;
        let mut best = std::time::Duration::MAX;
        let before = processor_time();
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let mut reader = store.read().await.expect("a snapshot");
            assert_eq!(reader.load_kind(&registry, PERSON).await.expect("loads").len(), 10_000);
            best = best.min(started.elapsed());
        }
        // On a busy machine only the processor's time means something.
        let processor = (processor_time() - before) * 10 / ROUNDS;
        eprintln!("  10,000 people loaded: {best:?} at best, {processor} ms of processor time");

        let mut reader = store.read().await.expect("a snapshot");
        let started = Instant::now();
        let ids = (0..10_000).map(id).collect();
        assert_eq!(reader.load_ids(&registry, ids).await.expect("loads").len(), 10_000);
        eprintln!("  10,000 people loaded by id: {:?}", started.elapsed());
        drop(reader);

        let again = changes((0..10_000).map(|number| update(id(number), PERSON, row(number))).collect());
        let started = Instant::now();
        assert_eq!(store.commit(&registry, &again, 2).await.expect("accepted").rows_written, 0);
        eprintln!("  10,000 people found unchanged: {:?}", started.elapsed());
    })
    .await;
}
