//! `drift` as people run it: the report, and the patch that git takes.

use serde_json::json;

use super::Desk;
use crate::reconcile::{
    drift::{BY_HAND, WORKS, git_apply},
    lab::Lab,
};

/// A desk with a source that was applied.
async fn desk() -> Desk {
    let desk = Desk::new();
    let source = json!({ "version": 1, "entries": [
        { "model": "gatewright_sources.inline", "identifiers": { "name": "main" }, "attrs": { "content": WORKS } },
    ] });
    desk.write("sources.yaml", &source.to_string());
    desk.expect(0, &["apply", "--yes", "sources.yaml"]);
    let store = desk.store().await;
    let mut lab = Lab::new(store.clone());
    lab.attempt("main").await;
    store.close().await;
    desk
}

#[tokio::test]
async fn drift_is_shown_with_who_when_and_from_where() {
    let desk = desk().await;
    insta::assert_snapshot!("drift_none", desk.expect(0, &["drift"]).page());
    desk.write("by-hand.yaml", BY_HAND);
    desk.expect(0, &["apply", "--yes", "by-hand.yaml"]);
    insta::assert_snapshot!("drift_text", desk.expect(2, &["drift"]).page());
    insta::assert_snapshot!("drift_markdown", desk.expect(2, &["drift", "main", "--format", "markdown"]).page());
    let json = desk.expect(2, &["drift", "--json"]).json();
    let source = &json["sources"][0];
    assert_eq!(
        (&json["kind"], &source["name"], &source["status"]),
        (&json!("drift"), &json!("main"), &json!("drifted"))
    );
    let ann = source["objects"].as_array().expect("objects").iter().find(|object| object["name"] == "ann");
    let field = &ann.expect("Ann drifted")["fields"][0];
    assert_eq!((&field["declared"], &field["present"]), (&json!("Ann"), &json!("Ann: the boss")));
    assert_eq!((&field["place"]["line"], &field["changed"]["by"]), (&json!(27), &json!("cli:alice")));
}

#[tokio::test]
async fn a_patch_takes_drift_over() {
    let desk = desk().await;
    desk.write("by-hand.yaml", BY_HAND);
    desk.expect(0, &["apply", "--yes", "by-hand.yaml"]);
    let ran = desk.expect(2, &["drift", "--adopt", "main"]);
    insta::assert_snapshot!("drift_adopt", ran.page());
    desk.write("content.yaml", WORKS);
    git_apply(&desk.path("."), &ran.out);
    desk.write("content.yaml", WORKS);
    let one = ["drift", "--adopt", "--object", "authentik_core.user/ann.name", "--patch", "one.patch", "main"];
    let ran = desk.expect(0, &one);
    assert_eq!((ran.out.as_str(), desk.mode("one.patch")), ("", 0o600));
    git_apply(&desk.path("."), &desk.read("one.patch"));
    assert_eq!(desk.read("content.yaml"), WORKS.replace("name: Ann\n", "name: \"Ann: the boss\"\n"));
    insta::assert_snapshot!(
        "drift_adopt_unknown",
        desk.expect(1, &["drift", "--adopt", "--object", "authentik_core.user/bob", "main"]).page()
    );
}

#[tokio::test]
async fn tolerating_asks_for_a_date_to_come() {
    let desk = desk().await;
    desk.write("by-hand.yaml", BY_HAND);
    desk.expect(0, &["apply", "--yes", "by-hand.yaml"]);
    let object = "authentik_core.group/builders.attributes";
    let tolerate = |until| desk.run(&["drift", "--tolerate", object, "--until", until, "main"]);
    assert!(tolerate("soon").err.starts_with("error: --until takes a date such as 2026-12-01, not \"soon\""));
    assert_eq!(tolerate("2020-02-02").err, "error: the date 2020-02-02 is over\n");
    let ran = tolerate("2199-12-01");
    assert_eq!(ran.code, 0, "{}", ran.page());
    let store = desk.store().await;
    let record = store.source("main").await.expect("the store").expect("the source");
    store.close().await;
    assert_eq!(record.request["tolerate"][0]["field"], "attributes");
    assert_eq!(record.request["tolerate"][0]["until"], 7_255_440_000_000_000_i64);
}
