//! Two servers on one database and one source: each revision is applied once, and the death of one in the middle of an
//! apply is made good by the other.

use std::time::{Duration, Instant};

use gatewright::{
    reconcile::attempt,
    store::{Key, Store, StoreOptions, changeset::Outcome},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

use super::{Desk, serve::Server};
use crate::support::database::Database;

const KEY: &str = "a key that both of them know";

fn groups(number: usize, note: &str) -> String {
    let mut text = "version: 1\nentries:\n".to_owned();
    for at in 0..number {
        text.push_str(&format!(
            "  - model: authentik_core.group\n    identifiers: {{name: g{at:04}}}\n    attrs: {{attributes: {{note: {note}}}}}\n"
        ));
    }
    text
}

/// Waits until the source stands as wanted.
async fn until(store: &Store, source: &str, what: impl Fn(&attempt::Known) -> bool) -> attempt::Known {
    let started = Instant::now();
    loop {
        let known = attempt::known(store, source).await.expect("the store works");
        if what(&known) {
            return known;
        }
        assert!(started.elapsed() < Duration::from_secs(120), "{known:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_revision_is_applied_once_and_a_dead_server_is_replaced() {
    let Some(database) = Database::postgres().await else { return };
    let url: &'static str = database.url.clone().leak();
    let mut desk = Desk::new();
    desk.set("GATEWRIGHT_DATABASE_URL", url);
    desk.set("GATEWRIGHT_SECRET_KEY", KEY);
    desk.write("site/a.yaml", &groups(20, "r0"));
    desk.write(
        "gatewright.toml",
        "[sources.site]\ntype = \"directory\"\nlocation = \"site\"\ninterval = \"seconds=1\"\n",
    );
    let servers = [Server::start(&desk, &["--no-shipped"]), Server::start(&desk, &["--no-shipped"])];
    let store = Store::open(url, StoreOptions::new(Key::of_text(KEY))).await.expect("the database opens");
    for revision in 1..=8 {
        let before = until(&store, "site", |known| known.state.is_ready()).await;
        desk.write("site/.a.yaml.new", &groups(20, &format!("r{revision}")));
        std::fs::rename(desk.path("site/.a.yaml.new"), desk.path("site/a.yaml")).expect("renamed");
        until(&store, "site", |known| known.state.is_ready() && known.state.applied != before.state.applied).await;
    }
    let runs = store.runs_of("site", 100).await.expect("the runs");
    let mut revisions: Vec<&Value> = runs.iter().map(|run| &run.run.detail["revision"]["digest"]).collect();
    assert!(runs.iter().all(|run| run.run.outcome == Outcome::Applied), "{runs:#?}");
    assert_eq!(revisions.len(), 9, "{revisions:?}");
    revisions.sort_by_key(|digest| digest.to_string());
    revisions.dedup();
    assert_eq!(revisions.len(), 9, "no revision was applied twice");

    // A large revision, and the death of whoever is at it.
    let before = until(&store, "site", |known| known.state.is_ready()).await;
    desk.write("site/.a.yaml.new", &groups(3_000, "large"));
    std::fs::rename(desk.path("site/.a.yaml.new"), desk.path("site/a.yaml")).expect("renamed");
    let now = || i64::try_from(std::time::UNIX_EPOCH.elapsed().expect("a time").as_micros()).expect("a time");
    let holder = until(&store, "site", |known| known.lease_until > now()).await.holder;
    let pid: i32 = holder.split('@').next().and_then(|pid| pid.parse().ok()).expect("the holder names its process");
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it dies");
    let after =
        until(&store, "site", |known| known.state.is_ready() && known.state.applied != before.state.applied).await;
    assert_ne!(after.holder, holder, "the other one has taken over");
    let run = store.run(after.state.run.expect("a run")).await.expect("the store works").expect("the run");
    assert_eq!(
        (&run.run.summary["create"], &run.run.summary["update"]),
        (&2_980.into(), &20.into()),
        "{:?}",
        run.run.summary
    );
    let (mut ended, mut lived) = (0, 0);
    for mut server in servers {
        match server.id() == pid {
            true => ended += 1,
            false => lived += usize::from(server.get("/-/health/ready/").0.starts_with("HTTP/1.1 204 ")),
        }
        server.kill();
    }
    assert_eq!((ended, lived), (1, 1));
    assert!(store.verify_audit().await.expect("the log").fault.is_none());
}
