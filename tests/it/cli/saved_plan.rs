//! Plans that are saved, looked at, and applied later.

use super::Desk;

fn group(name: &str, superuser: bool) -> String {
    format!(
        "  - model: authentik_core.group\n    identifiers: {{name: {name}}}\n    attrs: {{is_superuser: {superuser}}}\n"
    )
}

fn document(entries: &[String]) -> String {
    format!("version: 1\nentries:\n{}", entries.concat())
}

/// Two groups are stored, and a plan to change the first one is saved.
fn desk_with_a_plan() -> Desk {
    let desk = Desk::new();
    desk.write("groups.yaml", &document(&[group("one", false), group("two", false)]));
    desk.expect(0, &["apply", "groups.yaml"]);
    desk.write("groups.yaml", &document(&[group("one", true), group("two", false)]));
    desk.write("p.json", "an older file that all may read");
    desk.expect(2, &["plan", "--detailed-exitcode", "--out", "p.json", "groups.yaml"]);
    desk
}

#[test]
fn a_saved_plan_is_applied_once() {
    let desk = desk_with_a_plan();
    assert_eq!(desk.mode("p.json"), 0o600);
    let saving = desk.expect(0, &["plan", "--out", "again.json", "groups.yaml"]);
    insta::assert_snapshot!("saving", saving.page());
    // What was declared in between does not matter: the file holds the decision.
    std::fs::remove_file(desk.path("groups.yaml")).expect("the file goes");
    insta::assert_snapshot!("applied", desk.expect(0, &["apply", "--yes", "p.json"]).page());
    let stale = desk.expect(3, &["apply", "--yes", "p.json"]);
    insta::assert_snapshot!("stale", stale.page());
    let json = desk.expect(3, &["apply", "--json", "p.json"]).json();
    assert_eq!((&json["refused"], &json["rows_written"]), (&true.into(), &0.into()));
    assert!(json["stale"][0].as_str().is_some_and(|text| text.contains("update of \"one\" by cli:alice")), "{json:#}");
}

#[test]
fn only_what_the_plan_touches_must_be_as_it_was() {
    let desk = desk_with_a_plan();
    desk.write("other.yaml", &document(&[group("two", true), group("three", false)]));
    desk.expect(0, &["apply", "other.yaml"]);
    desk.expect(0, &["apply", "p.json"]);

    let desk = desk_with_a_plan();
    desk.write("touch.yaml", "version: 1\nentries:\n  - model: authentik_core.group\n    identifiers: {name: one}\n    attrs: {attributes: {a: 1}}\n");
    desk.expect(0, &["apply", "touch.yaml"]);
    let stale = desk.expect(3, &["apply", "p.json"]);
    assert!(
        stale.err.contains("\"one\" by cli:alice in run 2") && stale.err.contains("Nothing was written."),
        "{}",
        stale.page()
    );

    // A plan that creates is stale as well once someone else has created.
    let desk = desk_with_a_plan();
    desk.write("new.yaml", &document(&[group("new", false)]));
    desk.expect(0, &["plan", "--out", "new.json", "new.yaml"]);
    desk.expect(0, &["apply", "new.yaml"]);
    desk.expect(3, &["apply", "new.json"]);
}

/// What was looked at is what is applied: no byte of the file's meaning can change.
#[test]
fn a_changed_plan_is_refused() {
    let desk = desk_with_a_plan();
    let plan = desk.read("p.json");
    let sealed = plan.find("\"sealed\": \"").expect("a sealed part") + 30;
    let mut flipped = plan.clone().into_bytes();
    flipped[sealed] = if flipped[sealed] == b'A' { b'B' } else { b'A' };
    let changed = [
        String::from_utf8(flipped).expect("text"),
        plan.replace("is_superuser: false → true", "is_superuser: true → false"),
        plan.replace("\"revision\": 1", "\"revision\": 2"),
        plan.replace("\"update\": 1", "\"update\": 0"),
    ];
    for text in changed {
        assert_ne!(text, plan);
        desk.write("p.json", &text);
        let ran = desk.expect(1, &["apply", "p.json"]);
        assert!(ran.out.is_empty() && ran.err.contains("the plan was changed since it was saved"), "{}", ran.page());
    }
    for (name, text, says) in [
        ("cut", &plan[..plan.len() / 2], "the saved plan is damaged"),
        ("newer", &plan.replace("\"version\": 1", "\"version\": 7"), "format version 7"),
        ("other", &plan.replace("gatewright-plan", "gatewright-planet"), "its kind is \"gatewright-planet\""),
    ] {
        desk.write("p.json", text);
        let ran = desk.expect(1, &["apply", "p.json"]);
        assert!(ran.err.contains(says), "{name}: {}", ran.page());
    }
    desk.write("p.json", &plan);
    desk.expect(0, &["apply", "p.json"]);
}

#[test]
fn a_plan_belongs_to_its_database() {
    let desk = desk_with_a_plan();
    let none = desk.expect(1, &["apply", "--database", "sqlite://other.db", "p.json"]);
    insta::assert_snapshot!("no_database", none.page());
    assert!(!desk.path("other.db").exists() && !desk.path("other.key").exists());
    desk.write("x.yaml", &document(&[group("one", false)]));
    desk.expect(0, &["apply", "--database", "sqlite://other.db", "x.yaml"]);
    let other = desk.expect(1, &["apply", "--database", "sqlite://other.db", "p.json"]);
    assert_eq!(other.err, "error: p.json was made for another database\n");
}

#[test]
fn a_plan_is_no_blueprint() {
    let desk = desk_with_a_plan();
    for arguments in [&["validate", "p.json"][..], &["plan", "p.json"], &["apply", "groups.yaml", "p.json"]] {
        let ran = desk.expect(1, arguments);
        let text = format!("{}{}", ran.out, ran.err);
        assert!(text.contains("error[GW0502]: this is a saved plan, not a blueprint"), "{}", ran.page());
    }
    let fresh = Desk::new();
    fresh.write("x.yaml", &document(&[group("one", false)]));
    insta::assert_snapshot!("no_database_to_save_for", fresh.expect(1, &["plan", "--out", "p.json", "x.yaml"]).page());
}

#[test]
fn a_plan_warns_of_a_lock_out_that_apply_refuses() {
    let desk = Desk::new();
    let admins = |more: &str| {
        format!(
            "version: 1\nentries:\n- {{model: authentik_core.group, id: g, identifiers: {{name: admins}}, attrs: {{is_superuser: true}}}}\n\
             - model: authentik_core.user\n  identifiers: {{username: root}}\n  attrs: {{name: Root, password: \"horse battery\", {more} groups: [!KeyOf g]}}\n"
        )
    };
    // Somebody can sign in only where there is a way to.
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/blueprints");
    desk.expect(0, &["apply", shipped]);
    desk.write("admins.yaml", &admins(""));
    let first = desk.expect(0, &["plan", "admins.yaml"]);
    assert!(!first.err.contains("warning"), "{}", first.page());
    desk.expect(0, &["apply", "admins.yaml"]);
    desk.write("admins.yaml", &admins("is_active: false,"));
    for arguments in [&["plan", "admins.yaml"][..], &["plan", "--json", "--out", "p.json", "admins.yaml"]] {
        let plan = desk.expect(0, arguments);
        assert!(plan.err.starts_with("warning: `gatewright apply` refuses this without --force"), "{}", plan.page());
        assert!(plan.err.contains("no active superuser could sign in"), "{}", plan.page());
    }
    desk.expect(1, &["apply", "admins.yaml"]);
    desk.expect(0, &["apply", "--force", "admins.yaml"]);
}
