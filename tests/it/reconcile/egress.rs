//! Sources that blueprints declare reach nothing but the internet, unless the operator says so.

use std::{net::TcpListener, time::Duration};

use gatewright::{base::egress::Egress, reconcile::attempt::Attempted};
use serde_json::json;

use super::lab::Lab;
use crate::support::database::Database;

/// Whether somebody has come to the door since the last time.
fn visited(door: &TcpListener) -> bool {
    std::iter::from_fn(|| door.accept().ok()).count() > 0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_declared_source_does_not_reach_this_machine() {
    let door = TcpListener::bind("127.0.0.1:0").expect("a port");
    door.set_nonblocking(true).expect("a mode");
    let port = door.local_addr().expect("an address").port();
    // Kept: its folder goes with it.
    let database = Database::sqlite();
    let mut lab = Lab::new(database.store().await);
    lab.around.budget.time = Duration::from_millis(500);
    let url = format!("http://0x7f.1:{port}/a.git");
    let places = [
        ("git", "plain", "url", url.clone()),
        ("git", "https", "url", format!("https://localhost:{port}/a.git")),
        ("git", "daemon", "url", format!("git://127.0.0.1:{port}/a.git")),
        ("git", "ssh", "url", format!("ssh://git@[::ffff:127.0.0.1]:{port}/a.git")),
        ("oci", "artifact", "reference", format!("oci://127.0.0.1:{port}/a/b:main")),
    ];
    for (kind, name, field, place) in &places {
        lab.declare(kind, name, json!({ *field: place })).await;
        lab.around.egress = Egress::default();
        assert_eq!(lab.attempt(name).await, Attempted::Failed(false), "{name}");
        let condition = lab.condition(name, "Ready").await;
        assert!(condition.starts_with("false Forbidden: "), "{condition}");
        assert!(condition.contains("loopback") && condition.contains("GATEWRIGHT_EGRESS_ALLOW"), "{condition}");
        assert!(!visited(&door), "{name}");

        // The same, allowed: somebody comes, who is not answered.
        lab.around.egress = Egress::new(&["127.0.0.0/8", "::1"], true).expect("networks");
        lab.attempt(name).await;
        assert!(!lab.condition(name, "Ready").await.contains("Forbidden"), "{name}");
        assert!(visited(&door), "{name}");
    }

    // What the operator wrote for the source is reached as well, but only as long as that is where it is.
    lab.around.egress = Egress::default();
    lab.around.trusted.insert("plain".to_owned(), url);
    lab.attempt("plain").await;
    assert!(visited(&door));
    lab.declare("git", "plain", json!({ "url": format!("http://127.0.0.1:{port}/b.git") })).await;
    lab.attempt("plain").await;
    assert!(lab.condition("plain", "Ready").await.starts_with("false Forbidden: "));
    assert!(!visited(&door));
}
