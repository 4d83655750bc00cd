//! A real server that follows a real repository over https, told by its hook and by the clock.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{Desk, serve::Server};
use crate::support::git::{Authority, Https, Lab, programs};

fn group(name: &str, note: &str) -> String {
    format!(
        "version: 1\nentries:\n  - model: authentik_core.group\n    identifiers: {{name: {name}}}\n    attrs:\n      attributes: {{note: {note}}}\n"
    )
}

/// The body of a push and its signature, as GitHub sends them.
fn push(server: &Server, secret: &str, commit: &str) -> String {
    use hmac::{KeyInit, Mac};
    let body = format!("{{\"ref\":\"refs/heads/main\",\"after\":\"{commit}\"}}");
    let mut mac = hmac::Hmac::<sha2::Sha256>::new_from_slice(secret.as_bytes()).expect("a key");
    mac.update(body.as_bytes());
    let signature: String = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let mut stream = TcpStream::connect(server.address()).expect("the server accepts");
    write!(
        stream,
        "POST /hooks/hooked HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nX-GitHub-Event: push\r\n\
         X-Hub-Signature-256: sha256={signature}\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer.lines().next().unwrap_or_default().to_owned()
}

fn source(desk: &Desk, name: &str) -> Value {
    desk.run(&["sources", name, "--json"]).json()["sources"][0].clone()
}

/// Waits until the source is at a commit, and says how long that took.
fn until(desk: &Desk, name: &str, what: impl Fn(&Value) -> bool) -> (Value, Duration) {
    let started = Instant::now();
    loop {
        let source = source(desk, name);
        if what(&source) {
            return (source, started.elapsed());
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{source:#}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_at(commit: &str) -> impl Fn(&Value) -> bool {
    let name = format!("main@{commit}");
    move |source| source["status"] == "ready" && source["applied"]["revision"]["name"] == name.as_str()
}

#[test]
fn a_commit_becomes_the_running_state() {
    if !programs(&["git", "openssl"]) {
        return;
    }
    let lab = Lab::new();
    lab.git(&["rm", "--quiet", "app.yaml"]);
    lab.write("a/one.yaml", &group("one", "first"));
    lab.write("b/two.yaml", &group("two", "first"));
    let first = lab.commit("two groups");
    let authority = Authority::new(&lab, "authority");
    let https = Https::start(&lab, &authority, Some("robot:a-long-password"), &[]);
    let mut desk = Desk::new();
    desk.set("GIT_PASSWORD", "a-long-password");
    desk.set("HOOK_SECRET", "the-secret-of-the-hook");
    desk.write("authority.pem", &authority.root());
    let declare = |name: &str, path: &str, more: &str| {
        let certificate = desk.path("authority.pem").display().to_string();
        format!(
            "[sources.{name}]\ntype = \"git\"\nurl = \"https://127.0.0.1:{}/remote.git\"\nbranch = \"main\"\npath = \"{path}\"\n\
             username = \"robot\"\npassword = {{ env = \"GIT_PASSWORD\" }}\nca_certificate = {{ file = \"{certificate}\" }}\n\
             force_push = \"refuse\"\n{more}\n",
            https.port
        )
    };
    let hooked =
        declare("hooked", "a", "interval = \"hours=1\"\nhook_secret = { env = \"HOOK_SECRET\" }\nprune = true\n");
    let timed = declare("timed", "b", "interval = \"seconds=1\"\n");
    desk.write("gatewright.toml", &format!("{hooked}{timed}"));
    let server = Server::start(&desk, &["--no-shipped"]);
    until(&desk, "hooked", is_at(&first));
    until(&desk, "timed", is_at(&first));

    // A commit that touches both folders: one source is told, the other looks by itself.
    lab.write("a/one.yaml", &group("one", "second"));
    lab.write("b/two.yaml", &group("two", "second"));
    let second = lab.commit("notes changed");
    assert_eq!(push(&server, "a-wrong-secret", &second), "HTTP/1.1 403 Forbidden");
    assert_eq!(source(&desk, "hooked")["applied"]["revision"]["name"], format!("main@{first}"));
    assert_eq!(push(&server, "the-secret-of-the-hook", &second), "HTTP/1.1 202 Accepted");
    let (hooked, took) = until(&desk, "hooked", is_at(&second));
    println!("applied {took:?} after the hook");
    let commit = &hooked["applied"]["revision"]["commit"];
    assert_eq!((&commit["id"], &commit["subject"]), (&second.as_str().into(), &"notes changed".into()));
    until(&desk, "timed", is_at(&second));

    // What breaks changes nothing, and says where it is broken; the fix is applied.
    lab.write("a/one.yaml", &group("one", "third").replace("attributes", "atributes"));
    let broken = lab.commit("a typing error");
    push(&server, "the-secret-of-the-hook", &broken);
    let (stalled, _) = until(&desk, "hooked", |source| source["status"] == "stalled");
    let message = stalled["conditions"].to_string();
    assert!(message.contains("a/one.yaml:6: GW0302: "), "{message}");
    assert_eq!(stalled["applied"]["revision"]["name"], format!("main@{second}"));
    let export = || desk.expect(0, &["export"]).out;
    assert!(export().contains("note: second") && !export().contains("third"), "{}", export());
    lab.write("a/one.yaml", &group("one", "fourth"));
    let fixed = lab.commit("fixed");
    push(&server, "the-secret-of-the-hook", &fixed);
    until(&desk, "hooked", is_at(&fixed));
    assert!(export().contains("note: fourth"), "{}", export());

    // A rewritten branch is refused; a branch that goes on from what was applied is taken.
    lab.git(&["reset", "--quiet", "--hard", &first]);
    lab.write("a/one.yaml", &group("one", "rewritten"));
    let rewritten = lab.commit("history rewritten");
    push(&server, "the-secret-of-the-hook", &rewritten);
    let reason = |wanted: &'static str| {
        move |source: &Value| {
            source["conditions"].as_array().is_some_and(|all| all.iter().any(|one| one["reason"] == wanted))
        }
    };
    let (refused, _) = until(&desk, "hooked", reason("HistoryRewritten"));
    assert_eq!(refused["applied"]["revision"]["name"], format!("main@{fixed}"));
    lab.git(&["reset", "--quiet", "--hard", &fixed]);
    lab.write("a/three.yaml", &group("three", "first"));
    let after = lab.commit("goes on");
    push(&server, "the-secret-of-the-hook", &after);
    until(&desk, "hooked", is_at(&after));

    // A removed file goes with its object, a deleted branch and a gone repository with nothing.
    lab.git(&["rm", "--quiet", "a/three.yaml"]);
    let removed = lab.commit("three is not needed");
    push(&server, "the-secret-of-the-hook", &removed);
    until(&desk, "hooked", is_at(&removed));
    assert!(!export().contains("three"), "{}", export());
    lab.remote_git(&["symbolic-ref", "HEAD", "refs/heads/other"]);
    lab.git(&["push", "--quiet", "origin", "main:other", ":main"]);
    push(&server, "the-secret-of-the-hook", &removed);
    until(&desk, "hooked", reason("RevisionGone"));
    std::fs::rename(lab.remote(), lab.path("elsewhere.git")).expect("moved");
    push(&server, "the-secret-of-the-hook", &removed);
    until(&desk, "hooked", reason("SourceGone"));
    assert!(export().contains("note: fourth"), "{}", export());
    std::fs::rename(lab.path("elsewhere.git"), lab.remote()).expect("moved back");
    lab.git(&["push", "--quiet", "origin", "main"]);
    push(&server, "the-secret-of-the-hook", &removed);
    until(&desk, "hooked", is_at(&removed));

    // Somebody changes a declared object by hand: it shows with its place and its author, and goes into the repository
    // as a patch, after which there is no drift.
    desk.write("by-hand.yaml", &group("one", "by-hand"));
    desk.expect(0, &["apply", "--yes", "by-hand.yaml"]);
    let shown = desk.expect(2, &["drift", "hooked"]).out;
    assert!(shown.contains(&format!("a/one.yaml:6@{}", &removed[..10])) && shown.contains("cli:alice"), "{shown}");
    desk.expect(0, &["drift", "hooked", "--adopt", "--patch", "adopted.patch"]);
    lab.git(&["apply", &desk.path("adopted.patch").display().to_string()]);
    let adopted = lab.commit("as it is now");
    push(&server, "the-secret-of-the-hook", &adopted);
    until(&desk, "hooked", is_at(&adopted));
    desk.expect(0, &["drift", "hooked"]);
    assert!(export().contains("note: by-hand"), "{}", export());

    let (code, log) = server.stop(nix::sys::signal::Signal::SIGTERM);
    assert_eq!(code, Some(0), "{log:#?}");
    let shown = format!("{}{}", log.concat(), desk.run(&["sources", "--json"]).out);
    for secret in ["a-long-password", "the-secret-of-the-hook"] {
        assert!(!shown.contains(secret), "{secret} is shown");
    }
}
