//! Rollbacks: back to exactly what was there, or a refusal that says what is in the way.

use std::collections::{BTreeMap, BTreeSet};

use gatewright::{
    blueprint::apply,
    reconcile::{
        attempt::Attempted,
        history,
        rollback::{self, Rollback, RollbackError, Wish},
    },
    store::StoreError,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::lab::{Lab, groups};
use crate::support::database::{Database, on_each};

const RUN: Wish = Wish { run: 0, only: false, force: false };

impl Lab {
    /// The plan of a rollback.
    async fn back(&self, wish: Wish) -> Rollback {
        rollback::plan(&self.store, &self.registry, wish).await.expect("a plan")
    }

    /// Rolls back, and gives the run that did it.
    async fn roll_back(&self, wish: Wish) -> Option<i64> {
        let found = self.back(wish).await;
        assert!(found.conflicts.is_empty() || wish.force, "{:#?}", found.conflicts);
        let run = found.run(wish, "cli:bob");
        let mut changes = apply::changeset(&found.plan, &self.registry, run).expect("randomness");
        changes.requests = found.requests("cli:bob");
        self.store.commit(&self.registry, &changes, 7).await.expect("it is committed").run
    }

    /// What is in the way of a rollback, one sentence each.
    async fn conflicts(&self, wish: Wish) -> Vec<String> {
        let found = self.back(wish).await.conflicts;
        let field = |field: Option<String>| field.map(|field| format!(".{field}")).unwrap_or_default();
        found.into_iter().map(|found| format!("{}{} {}", found.name, field(found.field), found.why)).collect()
    }

    /// Everything that is stored of objects but for when they were written.
    async fn everything(&self) -> BTreeMap<String, Value> {
        let model = self.model().await;
        let mut all = BTreeMap::new();
        for object in model.objects() {
            let info = self.registry.get(object.kind);
            let edges: BTreeMap<&str, BTreeSet<_>> =
                object.edges.iter().map(|(field, to)| (*field, to.iter().copied().collect())).collect();
            let mut secrets = BTreeMap::new();
            for (field, state) in &object.secrets {
                let text = self.store.reveal(object.id, field).await.expect("it opens");
                let kept = match state {
                    gatewright::model::SecretState::Password(hash) => hash.clone(),
                    _ => text.expect("a value").as_str().to_owned(),
                };
                secrets.insert(*field, kept);
            }
            let value = json!({ "number": object.number, "attrs": object.attrs, "edges": edges, "secrets": secrets });
            all.insert(format!("{} {}", info.name, object.id), value);
        }
        all
    }

    async fn last_run(&self) -> i64 {
        self.store.runs(1).await.expect("the runs")[0].id
    }
}

/// What a document says about one object: gone, there with a value, or nothing.
type Says = Option<Option<u8>>;

/// A document about three groups, three users, two flows, two stages and their bindings.
fn document(says: &[Says]) -> String {
    let mut text = "version: 1\nmetadata: {name: random}\nentries:\n".to_owned();
    let mut entry = |kind: &str, identifiers: String, value: Option<Option<u8>>, attrs: &dyn Fn(u8) -> String| {
        let (state, attrs) = match value {
            None => return,
            Some(None) => ("absent", String::new()),
            Some(Some(value)) => ("present", attrs(value)),
        };
        text.push_str(&format!(
            "  - {{model: {kind}, state: {state}, identifiers: {{{identifiers}}}, attrs: {{{attrs}}}}}\n"
        ));
    };
    let find = |kind: &str, key: &str, name: String| format!("!Find [{kind}, [{key}, {name}]]");
    let group = |value: u8| find("authentik_core.group", "name", format!("g{}", value % 3));
    for (at, says) in says.iter().enumerate() {
        let number = at % 3;
        match at {
            0..3 => entry("authentik_core.group", format!("name: g{number}"), *says, &|value| {
                let parent = if value & 4 == 0 { String::new() } else { format!(", parent: {}", group(value)) };
                format!("attributes: {{v: {value}}}, is_superuser: {}{parent}", value & 1 == 1)
            }),
            3..6 => entry("authentik_core.user", format!("username: u{number}"), *says, &|value| {
                let member = if value & 2 == 0 { String::new() } else { group(value) };
                let password = if value & 8 == 0 { String::new() } else { format!(", password: pw{value}") };
                format!("name: N{value}, groups: [{member}]{password}")
            }),
            6..9 => entry("authentik_flows.flow", format!("slug: f{number}"), *says, &|value| {
                format!("name: N{}, title: T{value}, designation: authentication", value % 2)
            }),
            9..12 => entry("authentik_core.token", format!("identifier: t{number}"), *says, &|value| {
                let user = find("authentik_core.user", "username", format!("u{}", value % 3));
                format!("intent: api, key: secret-{value}, user: {user}")
            }),
            _ => entry(
                "authentik_policies.policybinding",
                format!(
                    "order: {number}, {}",
                    format_args!("target: {}", find("authentik_flows.flow", "slug", format!("f{number}")))
                ),
                *says,
                &|value| format!("group: {}, negate: {}", group(value), value & 8 == 8),
            ),
        }
    }
    if !text.contains("- {") {
        text = text.replace("entries:\n", "entries: []\n");
    }
    text
}

/// Gives how many of the steps were applied.
async fn check(steps: &[Vec<Says>], choose: usize) -> usize {
    let mut applied = 0;
    let mut databases = vec![Database::sqlite()];
    databases.extend(Database::postgres().await);
    for database in databases {
        let lab = Lab::new(database.store().await);
        let mut before = Vec::new();
        for says in steps {
            let state = lab.everything().await;
            // What contradicts itself is refused; without the references there is less to contradict.
            let found = match lab.try_apply(&document(says)).await {
                Err(_) => lab.try_apply(&document(&says[..9])).await,
                found => found,
            };
            if let Ok(Some(run)) = found {
                before.push((run, state));
            }
        }
        applied = before.len();
        let Some((run, expected)) = before.get(choose % before.len().max(1)) else { continue };
        let last = lab.everything().await;
        let made = lab.roll_back(Wish { run: *run, ..RUN }).await;
        assert_eq!(lab.everything().await, *expected, "{}: back to before run {run}", database.url);
        let again = lab.back(Wish { run: *run, ..RUN }).await;
        assert!(again.plan.is_empty(), "a second time changes nothing");
        if let Some(made) = made {
            lab.roll_back(Wish { run: made, ..RUN }).await;
            assert_eq!(lab.everything().await, last, "{}: and the rollback undone", database.url);
        }
        assert_eq!(lab.store.verify_audit().await.expect("reads").fault, None, "{}", database.url);
    }
    applied
}

#[test]
fn a_rollback_leads_to_exactly_what_was_there() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let applied = std::cell::Cell::new(0);
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let says = prop_oneof![2 => Just(None), 1 => Just(Some(None)), 4 => (0..16u8).prop_map(|value| Some(Some(value)))];
    let steps = prop::collection::vec(prop::collection::vec(says, 15), 2..7);
    proptest::test_runner::TestRunner::new(config)
        .run(&(steps, 0..7usize), |(steps, choose)| {
            applied.set(applied.get() + runtime.block_on(check(&steps, choose)));
            Ok(())
        })
        .expect("every state comes back");
    assert!(applied.get() > 24, "only {} documents of 12 sequences made sense", applied.get());
}

const PEOPLE: &str = "version: 1\nentries:\n  - {model: authentik_core.group, id: g, identifiers: {name: staff}, attrs: {attributes: {note: one}}}\n  - {model: authentik_core.user, id: u, identifiers: {username: ada}, attrs: {name: Ada, password: first, groups: [!KeyOf g]}}\n  - {model: authentik_core.token, identifiers: {identifier: t}, attrs: {intent: api, key: key-one, user: !KeyOf u}}\n";

#[tokio::test]
async fn secrets_and_numbers_come_back_and_are_nowhere_to_be_read() {
    on_each(|database| async move {
        let lab = Lab::new(database.store().await);
        lab.apply(PEOPLE).await;
        let before = lab.everything().await;
        lab.apply(&PEOPLE.replace("first", "second").replace("key-one", "key-two")).await;
        let changed = lab.last_run().await;
        lab.apply("version: 1\nentries: [{model: authentik_core.user, identifiers: {username: ada}, state: absent}]\n")
            .await;
        assert!(lab.objects("authentik_core.token").await.is_empty(), "the token goes with its user");
        let rows = database.dump().await.join("\n");
        for secret in ["key-one", "key-two", "$argon2"] {
            assert!(!rows.contains(secret), "{secret} is in the database");
        }
        lab.roll_back(Wish { run: changed, ..RUN }).await;
        assert_eq!(lab.everything().await, before);
        let log = lab.store.changes_by(lab.last_run().await).await.expect("the log");
        assert!(!format!("{log:?}").contains("key-one") && !format!("{log:?}").contains("argon2"));
    })
    .await;
}

#[tokio::test]
async fn a_source_holds_until_its_next_revision() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", &groups(&[("a", "1")]), json!({ "on_drift": "correct" })).await;
        lab.attempt("main").await;
        lab.inline("main", &groups(&[("a", "2"), ("b", "2")]), json!({ "on_drift": "correct" })).await;
        lab.attempt("main").await;
        let run = lab.runs("main").await[0].id;
        lab.roll_back(Wish { run, ..RUN }).await;
        assert_eq!(lab.groups().await, ["a"]);
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        assert_eq!(lab.groups().await, ["a"], "what was rolled back is not applied again");
        assert!(lab.condition("main", "Ready").await.starts_with("true Held: the state was rolled back"));
        lab.inline("main", &groups(&[("a", "3")]), json!({ "on_drift": "correct" })).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": 3 }));
    })
    .await;
}

#[tokio::test]
async fn one_run_alone_is_undone_where_nothing_builds_on_it() {
    on_each(|database| async move {
        let lab = Lab::new(database.store().await);
        lab.apply(&groups(&[("a", "1"), ("b", "1")])).await;
        lab.apply(&groups(&[("a", "2"), ("b", "2"), ("c", "2")])).await;
        let run = lab.last_run().await;
        lab.apply(&groups(&[("d", "1")])).await;
        let alone = Wish { run, only: true, force: false };
        assert_eq!(lab.back(alone).await.plan.counts(), counts(0, 2, 1));
        lab.roll_back(alone).await;
        assert_eq!(lab.groups().await, ["a", "b", "d"], "what came later stays");
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": 1 }));

        lab.apply(&groups(&[("a", "3"), ("e", "3"), ("f", "3")])).await;
        let alone = Wish { run: lab.last_run().await, ..alone };
        let member = "version: 1\nentries:\n  - {model: authentik_core.user, identifiers: {username: ada}, attrs: {name: Ada, groups: [!Find [authentik_core.group, [name, e]]]}}\n";
        lab.apply(member).await;
        lab.apply(&groups(&[("a", "4")])).await;
        let last = lab.last_run().await;
        let again = format!("a.attributes was changed again in run {last} by cli:alice");
        let mut found = lab.conflicts(alone).await;
        found.sort();
        assert_eq!(found, [again.as_str(), "e cannot go: the user `ada` refers to it in `groups`"]);
        let forced = Wish { force: true, ..alone };
        lab.roll_back(forced).await;
        assert_eq!(lab.groups().await, ["a", "b", "d", "e"], "of three, one is undone");
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": 4 }));
    })
    .await;
}

#[tokio::test]
async fn what_was_deleted_comes_back_unless_its_place_is_taken() {
    on_each(|database| async move {
        let lab = Lab::new(database.store().await);
        lab.apply(PEOPLE).await;
        lab.apply("version: 1\nentries: [{model: authentik_core.group, identifiers: {name: staff}, state: absent}]\n").await;
        let alone = Wish { run: lab.last_run().await, only: true, force: false };
        let before = lab.everything().await;
        lab.roll_back(alone).await;
        assert_eq!(lab.objects("authentik_core.user").await["Ada"].targets("groups").len(), 1, "with its members");
        lab.roll_back(Wish { run: lab.last_run().await, ..RUN }).await;
        assert_eq!(lab.everything().await, before);
        // Another takes the name.
        lab.apply("version: 1\nentries: [{model: authentik_core.group, identifiers: {name: other}, attrs: {attributes: {x: 1}}}]\n").await;
        let other = lab.objects("authentik_core.group").await["other"].id;
        lab.apply(&format!("version: 1\nentries: [{{model: authentik_core.group, identifiers: {{pk: {other}}}, attrs: {{name: staff}}}}]\n")).await;
        let found = lab.conflicts(alone).await;
        assert!(found.contains(&"staff cannot have `name` \"staff\" again, which the group `staff` has now".to_owned()), "{found:?}");
        // The member goes: it cannot be a member again.
        lab.apply("version: 1\nentries: [{model: authentik_core.user, identifiers: {username: ada}, state: absent}]\n").await;
        let found = lab.conflicts(alone).await;
        assert!(found.iter().any(|found| found.starts_with("ada was deleted in run")), "{found:?}");
    })
    .await;
}

#[tokio::test]
async fn a_past_that_is_no_longer_kept_or_was_tampered_with_is_not_made_up() {
    on_each(|database| async move {
        let lab = Lab::new(database.store().await);
        lab.apply(&groups(&[("a", "1"), ("b", "1")])).await;
        lab.apply(&groups(&[("a", "2")])).await;
        lab.apply(&groups(&[("b", "2")])).await;
        let wish = Wish { run: 2, ..RUN };
        database.sql("DELETE FROM former WHERE seq = 3").await;
        assert_eq!(lab.conflicts(wish).await, ["a was changed by run 2, and what it was before is no longer kept"]);
        lab.roll_back(Wish { force: true, ..wish }).await;
        let found = lab.objects("authentik_core.group").await;
        assert_eq!(
            (&found["a"].attrs["attributes"], &found["b"].attrs["attributes"]),
            (&json!({ "note": 2 }), &json!({ "note": 1 }))
        );
        database.sql("UPDATE former SET seq = 3 WHERE seq = 4").await;
        let moved = rollback::plan(&lab.store, &lab.registry, wish).await;
        assert!(matches!(moved, Err(RollbackError::Store(StoreError::Corrupt { .. }))), "{moved:?}");
        let none = rollback::plan(&lab.store, &lab.registry, Wish { run: 99, ..RUN }).await;
        assert!(matches!(none, Err(RollbackError::NoSuchRun(99))));
    })
    .await;
}

#[tokio::test]
async fn blame_tells_the_owner_from_somebody_else() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", &groups(&[("a", "1")]), json!({})).await;
        lab.attempt("main").await;
        let blamed = async || {
            let id = lab.objects("authentik_core.group").await["a"].id;
            let blame = history::blame(&lab.store, &lab.registry, id).await.expect("the store").expect("the group");
            let line = |field: history::Blamed| {
                let owner = field.owners.first().map(|owner| format!("{} {}:{}", owner.entry.source, owner.entry.document, owner.entry.line));
                let actor = field.last.map(|last| last.change.actor).unwrap_or_default();
                format!("{} {} {actor} {}", field.field, owner.unwrap_or_default(), field.drifted)
            };
            blame.fields.into_iter().map(line).collect::<Vec<_>>()
        };
        assert_eq!(blamed().await, ["name main content.yaml:4 source:main false", "attributes main content.yaml:4 source:main false"]);
        lab.apply("version: 1\nentries: [{model: authentik_core.group, identifiers: {name: a}, attrs: {is_superuser: true, attributes: {note: 9}}}]\n").await;
        assert_eq!(
            blamed().await,
            [
                "name main content.yaml:4 source:main false",
                "is_superuser cli by-hand.yaml:2 cli:alice false",
                "attributes main content.yaml:4 cli:alice true",
            ],
            "who applies a file by hand owns what it says, but not against a source"
        );
    })
    .await;
}

fn counts(create: usize, update: usize, delete: usize) -> gatewright::blueprint::plan::Counts {
    gatewright::blueprint::plan::Counts { create, update, delete, unchanged: 0 }
}
