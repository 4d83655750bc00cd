//! Drift: seen, blamed, left alone for a time, and taken over into the files.

use std::{path::Path, process::Command, time::Duration};

use gatewright::{
    blueprint::plan::Named,
    reconcile::{
        attempt::Attempted,
        drift::{self, Adoption, Comparison, DriftedField, Standing, What},
        state::Tolerated,
        trigger::Request,
    },
};
use serde_json::json;

use super::lab::{Lab, groups};
use crate::support::database::on_each;

/// A document that people wrote: comments, both layouts, tags, ids, references.
pub const WORKS: &str = r#"# Access to the works.
version: 1
metadata:
  name: works
entries:
  # The people who build.
  - model: authentik_core.group
    id: builders
    identifiers:
      name: builders   # never rename
    attrs:
      is_superuser: no
      attributes:
        # what the badge shows
        note: one
        floors: [1, 2]  # floors
        home: !Format ["%s", here]
  - model: authentik_core.group
    id: masons
    identifiers: {name: masons}
    attrs: {parent: !KeyOf builders, attributes: {note: "two"}}   # all in one line

  # Ann keeps the keys.
  - model: authentik_core.user
    identifiers: {username: ann}
    attrs:
      name: Ann
      groups:
        - !KeyOf builders # by day
        - !Find [authentik_core.group, [name, masons]]
  - model: authentik_core.group
    identifiers:
      name: leavers
  - model: authentik_core.group
    identifiers:
      name: guards
    attrs:
      attributes:
        note: !Format ["%s", awake]
"#;

/// What somebody does to it by hand.
pub const BY_HAND: &str = r#"version: 1
entries:
  - model: authentik_core.group
    identifiers: {name: outsiders}
  - model: authentik_core.group
    identifiers: {name: builders}
    attrs: {is_superuser: true, attributes: {note: "no", floors: [1, 3, 4], badge: {colour: red}}}
  - model: authentik_core.group
    identifiers: {name: masons}
    attrs: {parent: null, attributes: {note: "2"}}
  - model: authentik_core.user
    identifiers: {username: ann}
    attrs:
      name: "Ann: the boss"
      groups: [!Find [authentik_core.group, [name, masons]], !Find [authentik_core.group, [name, outsiders]]]
  - model: authentik_core.group
    state: absent
    identifiers: {name: leavers}
  - model: authentik_core.group
    identifiers: {name: guards}
    attrs: {attributes: {note: asleep}}
"#;

async fn compare(lab: &Lab, source: &str) -> Comparison {
    drift::compare(&lab.around, &lab.settings(source).await).await.expect("the store works")
}

async fn adopt(lab: &Lab, source: &str, wanted: &(dyn Fn(&Named, Option<&str>) -> bool + Sync)) -> Adoption {
    let comparison = compare(lab, source).await;
    drift::adopt(&lab.around, &lab.settings(source).await, &comparison, wanted).await.expect("a patch")
}

/// The one field that drifted of the one object that did.
fn only_field(comparison: &Comparison) -> &DriftedField {
    let [object] = comparison.report.objects.as_slice() else { panic!("{:?}", comparison.report) };
    let What::Differs(fields) = &object.what else { panic!("{object:?}") };
    let [field] = fields.as_slice() else { panic!("{fields:?}") };
    field
}

/// Has git apply a patch to a file.
pub fn git_apply(folder: &Path, patch: &str) {
    std::fs::write(folder.join("p.patch"), patch).expect("the patch");
    let ran = Command::new("git").args(["apply", "p.patch"]).current_dir(folder).output().expect("git");
    assert!(ran.status.success(), "{}\n{patch}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test]
async fn a_change_by_hand_is_found_and_blamed() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", &groups(&[("a", "1"), ("b", "1")]), json!({})).await;
        assert_eq!(compare(&lab, "main").await.report.standing, Standing::NothingApplied);
        lab.attempt("main").await;
        let comparison = compare(&lab, "main").await;
        assert_eq!(comparison.report.standing, Standing::Compared);
        assert!(!comparison.report.has_drift());

        lab.pass(Duration::from_secs(60));
        let changed = lab.around.clock.now_us();
        lab.apply(&groups(&[("a", "changed")])).await;
        lab.pass(Duration::from_secs(60));
        // A later change of something else is not blamed for it.
        lab.apply("version: 1\nentries: [{model: authentik_core.group, identifiers: {name: a}, attrs: {is_superuser: true}}]\n").await;
        let before = lab.trace().await;
        let comparison = compare(&lab, "main").await;
        assert_eq!(lab.trace().await, before, "looking writes nothing");
        let field = only_field(&comparison);
        assert_eq!((&field.declared, &field.present), (&json!({ "note": 1 }), &json!({ "note": "changed" })));
        assert_eq!(field.differences[0].text, "declared 1, now \"changed\"");
        assert_eq!(field.place.as_ref().map(|place| (&*place.file, place.line)), Some(("main/content.yaml", 6)));
        let blame = field.blame.as_ref().expect("somebody did it");
        assert_eq!((blame.actor.as_str(), blame.origin.as_str()), ("cli:alice", "by-hand.yaml"));
        assert_eq!(blame.at, changed);
        assert_eq!(lab.store.changes_by(blame.run).await.expect("the log")[0].name, "a");

        // Gone altogether.
        lab.apply("version: 1\nentries: [{model: authentik_core.group, state: absent, identifiers: {name: b}}]\n").await;
        let comparison = compare(&lab, "main").await;
        let (missing, _) = comparison.report.find("authentik_core.group/b").expect("it drifted");
        assert!(matches!(missing.what, What::Missing { renamed: None }), "{missing:?}");
        assert_eq!(missing.blame.as_ref().expect("somebody did it").actor, "cli:alice");

        // What was never applied is no drift.
        lab.inline("main", &groups(&[("a", "2")]), json!({})).await;
        let report = compare(&lab, "main").await.report;
        assert!(matches!(report.standing, Standing::Pending { what: "revision", .. }), "{report:?}");
        assert!(!report.has_drift());
        lab.attempt("main").await;
        let report = compare(&lab, "main").await.report;
        assert!(!report.has_drift(), "{report:?}");
        lab.inline("main", &groups(&[("c", "1")]), json!({})).await;
        lab.attempt("main").await;
        let report = compare(&lab, "main").await.report;
        let orphans: Vec<&str> = report.orphans.iter().map(|orphan| orphan.name.as_str()).collect();
        assert_eq!(orphans, ["a"]);
    })
    .await;
}

#[tokio::test]
async fn secrets_are_neither_shown_nor_adopted() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        let user = |secret: &str| {
            format!("version: 1\nentries:\n  - model: authentik_core.user\n    identifiers: {{username: u}}\n    attrs:\n      name: U\n      password: {secret}\n")
        };
        lab.inline("main", &user("hunter-one"), json!({})).await;
        lab.attempt("main").await;
        lab.apply(&user("hunter-two")).await;
        let comparison = compare(&lab, "main").await;
        let field = only_field(&comparison);
        assert_eq!((&field.declared, &field.present), (&json!("(secret)"), &json!("(secret)")));
        assert!(!format!("{:?}", comparison.report).contains("hunter"));
        let adoption = adopt(&lab, "main", &|_, _| true).await;
        assert!(adoption.patches.is_empty());
        assert_eq!(adoption.left[0].why, "its value is a secret");
        assert_eq!(adoption.left[0].place.as_deref(), Some("main/content.yaml:7"));
        // A patch next to a secret says so.
        lab.apply(&user("hunter-one").replace("name: U", "name: V")).await;
        let adoption = adopt(&lab, "main", &|_, _| true).await;
        assert!(adoption.patches[0].secret);
    })
    .await;
}

#[tokio::test]
async fn drift_is_adopted_into_the_file() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", WORKS, json!({})).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        lab.apply(BY_HAND).await;
        // `home` comes from a tag, so this group is put right by hand first.
        lab.apply("version: 1\nentries: [{model: authentik_core.group, identifiers: {name: builders}, attrs: {attributes: {note: 'no', floors: [1, 3, 4], home: here, badge: {colour: red}}}}]\n").await;

        let one = adopt(&lab, "main", &|object, field| object.name == "ann" && field == Some("name")).await;
        assert_eq!(one.adopted, 1);
        assert_eq!(one.patches[0].diff.lines().filter(|line| line.starts_with("+ ")).collect::<Vec<_>>(), ["+      name: \"Ann: the boss\""]);

        let adoption = adopt(&lab, "main", &|_, _| true).await;
        let left: Vec<String> = adoption.left.iter().map(|left| format!("{} {:?}: {}", left.object.name, left.field, left.why)).collect();
        assert_eq!(left, ["guards Some(\"attributes\"): the value comes from !Format"]);
        let [patch] = adoption.patches.as_slice() else { panic!("{adoption:?}") };
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("content.yaml"), WORKS).expect("the file");
        git_apply(folder.path(), &patch.diff);
        let patched = std::fs::read_to_string(folder.path().join("content.yaml")).expect("the file");
        insta::assert_snapshot!("adopted", patched);

        // With the patch, only what was left drifts.
        lab.inline("main", &patched, json!({})).await;
        lab.attempt("main").await;
        lab.apply("version: 1\nentries: [{model: authentik_core.group, identifiers: {name: guards}, attrs: {attributes: {note: awake}}}]\n").await;
        let report = compare(&lab, "main").await.report;
        assert_eq!(report.standing, Standing::Compared);
        assert!(!report.has_drift(), "{report:?}");
        assert_eq!(lab.objects("authentik_core.group").await["builders"].attrs["is_superuser"], json!(true));
        assert!(!lab.groups().await.contains(&"leavers".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn an_object_with_another_name_keeps_its_entry() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        lab.inline("main", &groups(&[("a", "1"), ("b", "1")]), json!({})).await;
        lab.attempt("main").await;
        let id = lab.objects("authentik_core.group").await["a"].id;
        lab.apply(&format!(
            "version: 1\nentries: [{{model: authentik_core.group, identifiers: {{pk: {id}}}, attrs: {{name: z}}}}]\n"
        ))
        .await;
        let comparison = compare(&lab, "main").await;
        let [object] = comparison.report.objects.as_slice() else { panic!("{:?}", comparison.report) };
        let What::Missing { renamed: Some(name) } = &object.what else { panic!("{object:?}") };
        assert_eq!((object.object.name.as_str(), name.as_str()), ("a", "z"));
        assert_eq!(object.blame.as_ref().expect("somebody did it").actor, "cli:alice");
        let adoption = adopt(&lab, "main", &|_, _| true).await;
        assert!(adoption.patches.is_empty());
        assert_eq!(adoption.left[0].why, "the object of this entry is called z now");
    })
    .await;
}

#[tokio::test]
async fn drift_is_tolerated_until_a_date() {
    on_each(|database| async move {
        let mut lab = Lab::new(database.store().await);
        let note = async |lab: &Lab, group: &str| {
            lab.objects("authentik_core.group").await[group].attrs["attributes"]["note"].clone()
        };
        let tolerate = |field: Option<&str>, until: i64| Request {
            tolerate: vec![Tolerated {
                kind: "authentik_core.group".into(),
                name: "a".into(),
                field: field.map(str::to_owned),
                until: 1_700_000_000_000_000 + until * 1_000_000,
                by: "cli:alice".into(),
            }],
            ..Request::default()
        };
        let text = groups(&[("a", "1"), ("b", "1")]);
        lab.inline("main", &text, json!({ "on_drift": "report" })).await;
        lab.attempt("main").await;
        lab.apply(&groups(&[("a", "x")])).await;
        lab.attempt("main").await;
        assert!(lab.condition("main", "Drifted").await.starts_with("true"));
        lab.request("main", tolerate(Some("attributes"), 3600)).await;
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        assert!(lab.condition("main", "Drifted").await.starts_with("false"), "{:?}", lab.state("main").await);
        let report = compare(&lab, "main").await.report;
        assert!(!report.objects.is_empty() && !report.has_drift(), "it is shown and does not count");
        // Other drift is still told.
        lab.apply(&groups(&[("b", "x")])).await;
        lab.attempt("main").await;
        assert_eq!(
            lab.condition("main", "Drifted").await,
            "true Drifted: 1 object is not as the source declares; see `gatewright drift`"
        );
        assert!(compare(&lab, "main").await.report.has_drift());

        // What is corrected leaves it alone as well, until the time is over.
        lab.inline("main", &text, json!({ "on_drift": "correct" })).await;
        lab.apply(&groups(&[("a", "1"), ("b", "1")])).await;
        lab.attempt("main").await;
        lab.apply(&groups(&[("a", "y"), ("b", "y")])).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!((note(&lab, "a").await, note(&lab, "b").await), (json!("y"), json!(1)));
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        lab.pass(Duration::from_secs(3600));
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(note(&lab, "a").await, json!(1));
        assert_eq!(lab.state("main").await.tolerated, []);

        // An object that is gone stays away.
        lab.request("main", tolerate(None, 7200)).await;
        lab.attempt("main").await;
        lab.apply("version: 1\nentries: [{model: authentik_core.group, state: absent, identifiers: {name: a}}]\n")
            .await;
        assert_eq!(lab.attempt("main").await, Attempted::Unchanged);
        assert_eq!(lab.groups().await, ["b"]);
        lab.pass(Duration::from_secs(3600));
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        assert_eq!(lab.groups().await, ["a", "b"]);
    })
    .await;
}
