//! `check`, `verify-audit`, `explain`, and what is said about a wrong configuration.

use super::{Desk, steady};

/// Hides the version of the linked SQLite, which is not ours to promise.
fn page(ran: &super::Ran) -> String {
    let page = ran.page();
    match page.split_once("SQLite ") {
        Some((before, rest)) => format!("{before}SQLite [version]{}", &rest[rest.find(',').unwrap_or(0)..]),
        None => page,
    }
}

#[test]
fn check_shows_what_is_set_and_what_answers() {
    let mut desk = Desk::new();
    insta::assert_snapshot!("fresh", page(&desk.expect(0, &["check"])));
    desk.write("a.yaml", "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: one}}]\n");
    desk.write("blueprints/a.yaml", "");
    desk.expect(0, &["apply", "a.yaml"]);
    desk.write(
        "gatewright.toml",
        "listen = \"0.0.0.0:80\"\n[blueprints]\ndirs = [\"blueprints\", \"gone\"]\ncontext = { domain = \"acme.test\" }\n",
    );
    desk.set("GATEWRIGHT_LOG_LEVEL", "debug");
    insta::assert_snapshot!("configured", page(&desk.expect(1, &["check"])));
    let json = desk.expect(1, &["check", "--json"]).json();
    assert_eq!(json["probes"].as_array().map(Vec::len), Some(3));
    assert_eq!(json["settings"][0]["origin"], "gatewright.toml:1");
}

#[test]
fn check_says_what_cannot_be_used() {
    let desk = Desk::new();
    let last = |ran: super::Ran| steady(ran.last());
    let postgres = desk.expect(1, &["check", "--database", "postgres://u:hunter2@127.0.0.1:1/db"]);
    assert!(!format!("{}{}", postgres.out, postgres.err).contains("hunter2"));
    insta::assert_snapshot!("unreachable", page(&postgres));
    desk.write("junk.db", "this is no database, but a file of more than a few bytes");
    desk.write("a.yaml", "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: one}}]\n");
    desk.expect(0, &["apply", "a.yaml"]);
    let ran = desk.expect(1, &["check", "--database", "sqlite://junk.db"]);
    assert!(last(ran.clone()).contains("cannot open the SQLite database junk.db"), "{}", ran.page());
    // A lost key is not replaced by a new one.
    std::fs::rename(desk.path("gatewright.key"), desk.path("away.key")).expect("a key");
    let says = "the key of the database is missing: there is no gatewright.key; restore it, or set secret_key\n";
    for command in [&["check"][..], &["plan", "a.yaml"], &["apply", "a.yaml"], &["serve"]] {
        let ran = desk.expect(1, command);
        assert!(format!("{}{}", ran.out, ran.err).contains(says), "{}", ran.page());
        assert!(!desk.path("gatewright.key").exists());
    }
    // Another key must not be taken, since nothing that it seals would ever open again.
    desk.write("gatewright.key", &"a1".repeat(32));
    let ran = desk.expect(1, &["check"]);
    assert!(last(ran.clone()).contains("this database was made with the key"), "{}", ran.page());
    desk.expect(1, &["apply", "a.yaml"]);
}

#[test]
fn a_wrong_configuration_names_every_mistake() {
    let mut desk = Desk::new();
    desk.write("gatewright.toml", "lisen = \"127.0.0.1:1\"\n[database]\nurl = \"mysql://x\"\nmax_connection = 3\n");
    desk.set("GATEWRIGHT_DATABSE_URL", "x");
    for command in [&["check"][..], &["plan", "a.yaml"], &["serve"]] {
        insta::assert_snapshot!(
            "wrong_configuration",
            desk.expect(1, command).page().split_once('\n').expect("lines").1
        );
    }
    let ran = desk.expect(1, &["--config", "none.toml", "check"]);
    assert!(ran.err.contains("none.toml"), "{}", ran.page());
}

#[test]
fn a_record_changed_by_hand_is_found() {
    let desk = Desk::new();
    let none = desk.expect(1, &["verify-audit"]);
    assert_eq!(none.err, "error: there is no database at sqlite://gatewright.db yet; `gatewright serve` creates it\n");
    desk.write("a.yaml", "version: 1\nentries: [{model: authentik_core.group, identifiers: {name: one}}]\n");
    desk.expect(0, &["apply", "a.yaml"]);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        use sqlx::{Connection, Executor};
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(desk.path("gatewright.db"));
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.expect("the database opens");
        connection.execute("UPDATE change SET name = 'two'").await.expect("a record changes");
        connection.close().await.expect("the database closes");
    });
    let ran = desk.expect(1, &["verify-audit"]);
    insta::assert_snapshot!("tampered", ran.page());
    assert_eq!(desk.expect(1, &["verify-audit", "--json"]).json()["whole"], false);
}
