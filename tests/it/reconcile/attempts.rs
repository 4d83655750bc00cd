//! Attempts: level-triggered, idempotent, and each with an outcome that tells why.

use std::time::Duration;

use gatewright::{
    reconcile::{attempt::Attempted, trigger::Request},
    store::changeset::Outcome,
};
use serde_json::json;

use super::lab::{Lab, groups};
use crate::support::database::on_each;

#[tokio::test]
async fn a_source_is_applied_once_and_a_broken_revision_changes_nothing() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", &groups(&[("a", "1"), ("b", "1")]), json!({})).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.groups().await, ["a", "b"]);
        assert_eq!(lab.condition("main", "Ready").await, "true Applied: the newest revision is applied");

        let before = lab.trace().await;
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        let mut another = lab.another("two");
        assert_eq!(another.attempt("main").await, Attempted::Unchanged);
        assert_eq!(lab.trace().await, before, "what needs nothing writes nothing");
        // Somebody else's write makes it look at everything, and that is all.
        lab.apply(&groups(&[("elsewhere", "1")])).await;
        let before = lab.trace().await;
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        assert_eq!(lab.trace().await, before);

        lab.inline("main", &groups(&[("a", "2"), ("b", "2")]).replacen("attributes", "atributes", 1), json!({})).await;
        assert_eq!(lab.attempt("main").await, Attempted::Failed(false));
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": 1 }));
        let ready = lab.condition("main", "Ready").await;
        assert!(ready.starts_with("false DocumentsInvalid: main/content.yaml:6: GW"), "{ready}");
        assert!(lab.condition("main", "Stalled").await.starts_with("true DocumentsInvalid"));
        let failed = &lab.runs("main").await[0];
        assert_eq!((failed.run.outcome, failed.times), (Outcome::Failed, 1));
        assert_eq!(failed.run.detail["diagnostics"]["summary"]["errors"], 1);
        assert!(lab.reported.lock().expect("the list").iter().any(|finding| finding.is_error()));
        let before = lab.trace().await;
        lab.attempt("main").await;
        assert_eq!(lab.trace().await, before, "the same failure is not worked out again");

        lab.inline("main", &groups(&[("a", "3")]), json!({})).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.condition("main", "Stalled").await.split(' ').next(), Some("false"));
        assert_eq!(lab.groups().await, ["a", "b", "elsewhere"], "without prune nothing goes");
        assert_eq!(lab.state("main").await.orphans, 1);
    })
    .await;
}

#[tokio::test]
async fn prune_deletes_what_the_source_owns_and_nothing_else() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.apply(&groups(&[("by-hand", "1")])).await;
        let all = [("a", "1"), ("b", "1"), ("c", "1"), ("shared", "1"), ("by-hand", "1")];
        lab.inline("main", &groups(&all), json!({ "prune": true })).await;
        lab.inline("other", &groups(&[("shared", "1")]), json!({})).await;
        lab.attempt("main").await;
        lab.attempt("other").await;
        lab.inline("main", &groups(&[("a", "1"), ("b", "1")]), json!({ "prune": true })).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.groups().await, ["a", "b", "by-hand", "shared"], "what others declare as well stays");
        let run = &lab.runs("main").await[0];
        let changes = lab.store.changes_by(run.id).await.expect("the log");
        assert_eq!(
            changes.iter().map(|change| (change.action.as_str(), change.name.as_str())).collect::<Vec<_>>(),
            [("delete", "c")]
        );

        // Nothing at all is what a wrong path or an emptied file looks like.
        lab.inline("main", &groups(&[]), json!({ "prune": true })).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        let ready = lab.condition("main", "Ready").await;
        assert!(
            ready.starts_with("false TooManyDeletions: the plan deletes 2 objects, which is everything"),
            "{ready}"
        );
        assert_eq!(lab.groups().await, ["a", "b", "by-hand", "shared"]);
        let pending = lab.state("main").await.pending.expect("a plan to decide about");
        assert_eq!(lab.runs("main").await[0].run.outcome, Outcome::Refused);
        let before = lab.trace().await;
        lab.attempt("main").await;
        assert_eq!(lab.trace().await, before);
        // Consent to another plan, or without force, is none.
        let consent =
            |plan: &str, force| Request { by: "alice".into(), approve: Some(plan.into()), force, ..Request::default() };
        lab.request("main", consent("another", true)).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        lab.request("main", consent(&pending.plan, true)).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.groups().await, ["by-hand", "shared"]);
    })
    .await;
}

#[tokio::test]
async fn a_source_of_many_objects_may_lose_a_few() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        let names: Vec<String> = (0..30).map(|number| format!("g{number:02}")).collect();
        let all: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
        lab.inline("main", &groups(&all), json!({ "prune": true })).await;
        lab.attempt("main").await;
        lab.inline("main", &groups(&all[7..]), json!({ "prune": true })).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        let ready = lab.condition("main", "Ready").await;
        assert!(ready.contains("deletes 7 objects, of 30 that the source owns, and the limit is 20 %"), "{ready}");
        lab.inline("main", &groups(&all[6..]), json!({ "prune": true, "max_deleted": 5 })).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        lab.inline("main", &groups(&all[6..]), json!({ "prune": true, "max_deleted": null })).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.groups().await.len(), 24);
    })
    .await;
}

#[tokio::test]
async fn drift_is_reported_or_corrected() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", &groups(&[("a", "1"), ("b", "1")]), json!({})).await;
        lab.attempt("main").await;
        lab.apply(&groups(&[("a", "changed")])).await;
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        let drifted = lab.condition("main", "Drifted").await;
        assert_eq!(drifted, "true Drifted: 1 object is not as the source declares; see `gatewright drift`");
        assert_eq!(lab.runs("main").await[0].run.outcome, Outcome::Drifted);
        let before = lab.trace().await;
        lab.attempt("main").await;
        assert_eq!(lab.trace().await, before, "known drift is not told again");
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": "changed" }));

        lab.inline("main", &groups(&[("a", "1"), ("b", "1")]), json!({ "on_drift": "correct" })).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": 1 }));
        assert_eq!(lab.condition("main", "Drifted").await.split(' ').next(), Some("false"));
        lab.apply(&groups(&[("a", "again")])).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": 1 }));
    })
    .await;
}

#[tokio::test]
async fn a_plan_waits_for_consent_to_exactly_it() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", &groups(&[("a", "1")]), json!({ "approval": "manual" })).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        let ready = lab.condition("main", "Ready").await;
        assert!(ready.starts_with("false AwaitingApproval: Plan: 1 to create"), "{ready}");
        let first = lab.state("main").await.pending.expect("a plan");
        let run = lab.store.run(first.run).await.expect("the runs").expect("the run");
        assert_eq!(run.run.outcome, Outcome::Pending);
        assert_eq!(run.run.detail["plan"]["changes"][0]["name"], "a");
        lab.inline("main", &groups(&[("b", "1")]), json!({ "approval": "manual" })).await;
        lab.request("main", Request { approve: Some(first.plan), ..Request::default() }).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held, "the consent was to another plan");
        let second = lab.state("main").await.pending.expect("a plan");
        lab.request("main", Request { approve: Some(second.plan), ..Request::default() }).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.groups().await, ["b"]);
        assert_eq!(lab.state("main").await.pending, None);
    })
    .await;
}

#[tokio::test]
async fn a_source_touches_only_kinds_that_it_may() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", &groups(&[("a", "1")]), json!({ "allowed_kinds": ["authentik_flows.*"] })).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        let ready = lab.condition("main", "Ready").await;
        assert!(
            ready.starts_with("false KindNotAllowed: the source main may not touch authentik_core.group \"a\""),
            "{ready}"
        );
        let more =
            "version: 1\nentries: [{model: gatewright_sources.inline, identifiers: {name: x}, attrs: {content: y}}]\n";
        lab.inline("main", more, json!({ "allowed_kinds": [] })).await;
        assert_eq!(
            lab.attempt("main").await,
            Attempted::Held,
            "a source that makes sources is nothing to happen by accident"
        );
        lab.inline("main", more, json!({ "allowed_kinds": ["gatewright_sources.*"] })).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
    })
    .await;
}

#[tokio::test]
async fn one_process_writes_at_a_time() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        let mut two = lab.another("two");
        lab.inline("main", &groups(&[("a", "1")]), json!({})).await;
        let now = 1_700_000_000_000_000;
        let lease = lab.store.take_lease("main", "zero", now, 15_000_000).await.expect("the store").expect("a lease");
        assert_eq!(lab.attempt("main").await, Attempted::Busy);
        // The holder died: its lease ends, another takes over, and what the dead one sends late is refused.
        lab.pass(Duration::from_secs(16));
        assert!(matches!(two.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        let late = gatewright::store::changeset::Changeset {
            source: Some(gatewright::store::changeset::SourceWrite { lease, state: json!({}) }),
            ..Default::default()
        };
        let refused = lab.store.commit(&lab.registry, &late, now).await;
        assert!(matches!(refused, Err(gatewright::store::StoreError::Fenced(_))), "{refused:?}");
        assert!(lab.state("main").await.applied.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_changed_variable_or_file_is_a_change() {
    on_each(|database| async move {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("note"), "from-file-1").expect("the file");
        let file = folder.path().join("note").display().to_string();
        let mut lab = Lab::new(database.store().await);
        lab.allow(&[("NOTE", "one"), ("OTHER", "x")], &[folder.path()]);
        let text = format!(
            "version: 1\nentries:\n  - model: authentik_core.group\n    identifiers: {{name: a}}\n    attrs: {{attributes: {{note: !Env NOTE, file: !File {file}}}}}\n"
        );
        let rights = json!({ "allow_env": ["NOTE"], "allow_files": [folder.path()] });
        lab.inline("main", &text, rights.clone()).await;
        lab.attempt("main").await;
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": "one", "file": "from-file-1" }));
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        lab.allow(&[("NOTE", "two"), ("OTHER", "y")], &[folder.path()]);
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        std::fs::write(folder.path().join("note"), "from-file-2").expect("the file");
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.objects("authentik_core.group").await["a"].attrs["attributes"], json!({ "note": "two", "file": "from-file-2" }));
        let kept = format!("{:?}", lab.store.sources().await.expect("the sources"));
        assert!(!kept.contains("from-file") && !kept.contains("two"), "{kept}");
        // What the source does not list, it does not get, though the server would allow it.
        lab.inline("main", &text.replace("!Env NOTE", "!Env OTHER"), rights).await;
        assert_eq!(lab.attempt("main").await, Attempted::Failed(false));
    })
    .await;
}

#[tokio::test]
async fn a_source_waits_for_those_that_it_depends_on() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("base", "version: 1\nentries: [\n", json!({})).await;
        lab.inline("main", &groups(&[("a", "1")]), json!({})).await;
        lab.apply("version: 1\nentries: [{model: gatewright_sources.inline, identifiers: {name: main}, attrs: {depends_on: [!Find [gatewright_sources.inline, [name, base]]]}}]\n").await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        assert_eq!(lab.condition("main", "Ready").await, "false DependencyNotReady: the source base is not ready");
        assert_eq!(lab.attempt("base").await, Attempted::Failed(false));
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        lab.inline("base", &groups(&[("b", "1")]), json!({})).await;
        lab.attempt("base").await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.groups().await, ["a", "b"]);
        lab.inline("main", &groups(&[("c", "1")]), json!({ "suspended": true })).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        assert!(lab.condition("main", "Ready").await.starts_with("false Suspended"));
        assert_eq!(lab.groups().await, ["a", "b"]);
    })
    .await;
}

#[tokio::test]
async fn nobody_locks_everybody_out_by_accident() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.allow(&[("GATEWRIGHT_BOOTSTRAP_PASSWORD", "a-first-password")], &[]);
        lab.shipped().await;
        let off = "version: 1\nentries: [{model: authentik_core.user, identifiers: {username: akadmin}, attrs: {is_active: false}}]\n";
        lab.inline("main", off, json!({})).await;
        assert_eq!(lab.attempt("main").await, Attempted::Held);
        let ready = lab.condition("main", "Ready").await;
        assert!(ready.starts_with("false LockOut: Refused: after this change no active superuser could sign in."), "{ready}");
        assert!(ready.contains("akadmin: ") && ready.contains("(by this plan)"), "{ready}");
        let pending = lab.state("main").await.pending.expect("a plan to decide about");
        lab.request("main", Request { approve: Some(pending.plan), force: true, ..Request::default() }).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        let users = lab.objects("authentik_core.user").await;
        let admin = users.values().find(|user| user.attrs["username"] == "akadmin").expect("the administrator");
        assert_eq!(admin.attrs["is_active"], false);
    })
    .await;
}

/// Blueprint instances, as the reference system keeps them, are sources: of a text, or of a file in the blueprint folders.
#[tokio::test]
async fn blueprint_instances_are_sources() {
    on_each(|database| async move {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("custom")).expect("a folder");
        std::fs::write(folder.path().join("custom/one.yaml"), groups(&[("from-file", "1")])).expect("the file");
        std::fs::write(folder.path().join("custom/two.yaml"), groups(&[("another", "1")])).expect("the file");
        let mut lab = Lab::new(database.store().await);
        lab.around.folders = vec![folder.path().to_owned()];
        let instance = |name: &str, attrs: serde_json::Value| {
            json!({ "model": "authentik_blueprints.blueprintinstance", "identifiers": { "name": name }, "attrs": attrs })
        };
        let text = "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: !Context who}}]\n";
        let document = json!({ "version": 1, "entries": [
            instance("text", json!({ "content": text, "context": { "who": "from-text" } })),
            instance("file", json!({ "path": "custom/one.yaml" })),
            instance("off", json!({ "path": "custom/two.yaml", "enabled": false })),
            instance("gone", json!({ "path": "custom/three.yaml" })),
        ] });
        lab.apply(&document.to_string()).await;
        assert!(matches!(lab.attempt("blueprints/text").await, Attempted::Applied(Some(_))));
        assert!(matches!(lab.attempt("blueprints/file").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.attempt("blueprints/off").await, Attempted::Held);
        assert_eq!(lab.attempt("blueprints/gone").await, Attempted::Failed(false));
        assert_eq!(lab.groups().await, ["from-file", "from-text"], "one file of a folder, and not its neighbours");
        let ready = lab.condition("blueprints/gone", "Ready").await;
        assert!(ready.starts_with("false SourceGone: there is no blueprint custom/three.yaml"), "{ready}");
    })
    .await;
}
