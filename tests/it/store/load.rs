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

/// A token is found by its key's digest, among secrets that are alike and in other fields, and no longer once it is another.
#[tokio::test]
async fn an_object_is_found_by_its_secret() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let with = |name: &str, secret: &str| person(name).secret("token", SecretWrite::Seal(secret.into()));
        let writes = vec![
            create(id(1), PERSON, with("ada", "first")),
            create(id(2), PERSON, with("bob", "second")),
            create(id(3), PERSON, with("fay", "second")),
            create(id(4), PERSON, person("eve").secret("password", SecretWrite::Hash("first".into()))),
        ];
        store.commit(&registry, &changes(writes), 1).await.expect("written");
        let find = async |field: &'static str, secret: &str| {
            let kind = registry.find("test.person").expect("the kind");
            let mut reader = store.read().await.expect("a snapshot");
            reader.by_secret(kind, field, &store.key().digest(secret)).await.expect("the look-up")
        };
        assert_eq!(find("token", "first").await, [id(1)]);
        assert_eq!(find("token", "second").await, [id(2), id(3)]);
        assert!(find("password", "first").await.is_empty());
        assert!(find("token", "third").await.is_empty());
        let team = registry.find("test.team").expect("the kind");
        let mut reader = store.read().await.expect("a snapshot");
        let of_teams = reader.by_secret(team, "token", &store.key().digest("first")).await.expect("the look-up");
        assert!(of_teams.is_empty());
        drop(reader);
        store.commit(&registry, &changes(vec![update(id(1), PERSON, with("ada", "third"))]), 2).await.expect("written");
        assert_eq!((find("token", "first").await, find("token", "third").await), (vec![], vec![id(1)]));
    })
    .await;
}
