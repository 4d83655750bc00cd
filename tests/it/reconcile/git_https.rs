//! Git over https: certificates, accounts, redirects, and servers that misbehave.

use std::time::{Duration, Instant};

use gatewright::reconcile::{
    content::{Budget, FetchReason},
    git::Origin,
};

use crate::support::git::{Authority, Https, Lab, paths, programs};

#[test]
fn the_server_and_the_account_must_be_right() {
    if !programs(&["git", "openssl"]) {
        return;
    }
    let lab = Lab::new();
    let (authority, other) = (Authority::new(&lab, "authority"), Authority::new(&lab, "other"));
    let https = Https::start(&lab, &authority, Some("robot:pass:word"), &[]);
    let origin = |username: &str, password: &str| {
        let mut origin = https.origin(&authority);
        username.clone_into(&mut origin.credentials.username);
        origin.credentials.password = (!password.is_empty()).then(|| password.to_owned().into());
        origin
    };
    let content = lab.fetch(&origin("robot", "pass:word"), None).expect("content");
    assert_eq!(paths(&content), ["app.yaml"]);
    for (username, password) in [("robot", "hunter22"), ("stranger", "pass:word"), ("", "")] {
        let message = lab.fails(&origin(username, password), None, FetchReason::Unauthorized);
        assert!(!message.contains("hunter22") && !message.contains("pass:word"), "{message}");
    }
    let echo = Origin { url: format!("https://127.0.0.1:{}/echo", https.port), ..origin("robot", "pass:word") };
    let message = lab.fails(&echo, None, FetchReason::Corrupt);
    assert!(message.contains("you are Basic (secret)"), "{message}");
    https.requests();
    let untrusting = Origin { ca_certificate: other.root(), ..origin("robot", "pass:word") };
    let message = lab.fails(&untrusting, None, FetchReason::Untrusted);
    assert!(message.contains("ca_certificate"), "{message}");
    lab.fails(&Origin { ca_certificate: String::new(), ..origin("robot", "pass:word") }, None, FetchReason::Untrusted);
    lab.fails(&Origin { ca_certificate: "nonsense".to_owned(), ..origin("", "") }, None, FetchReason::Misconfigured);
    assert!(https.requests().is_empty(), "nothing is asked of a server that is not trusted");
}

#[test]
fn redirects_stay_on_the_server() {
    if !programs(&["git", "openssl"]) {
        return;
    }
    let lab = Lab::new();
    let authority = Authority::new(&lab, "authority");
    let thief = Https::start(&lab, &authority, None, &[]);
    let https = Https::start(
        &lab,
        &authority,
        Some("robot:secret"),
        &[
            ("/renamed", "/remote.git".to_owned()),
            ("/moved", format!("https://127.0.0.1:{}/remote.git", thief.port)),
            ("/named", format!("https://localhost:{}/remote.git", thief.port)),
            ("/plain", "http://127.0.0.1:1/remote.git".to_owned()),
            ("/circle", "/circle".to_owned()),
            ("/private/info/refs", "/users/sign_in".to_owned()),
        ],
    );
    let at = |path: &str| {
        let mut origin = https.origin(&authority);
        origin.url = format!("https://127.0.0.1:{}/{path}", https.port);
        "robot".clone_into(&mut origin.credentials.username);
        origin.credentials.password = Some("secret".to_owned().into());
        origin
    };
    assert_eq!(paths(&lab.fetch(&at("renamed"), None).expect("content")), ["app.yaml"]);
    for path in ["moved", "named", "plain"] {
        lab.fails(&at(path), None, FetchReason::Untrusted);
    }
    assert!(thief.seen.lock().expect("the list").is_empty(), "no one else was asked");
    lab.fails(&at("circle"), None, FetchReason::SourceGone);
    lab.fails(&at("private"), None, FetchReason::Unauthorized);
    lab.fails(&at("page"), None, FetchReason::SourceGone);
}

#[test]
fn servers_that_hang_or_never_end_are_left() {
    if !programs(&["git", "openssl"]) {
        return;
    }
    let lab = Lab::new();
    let authority = Authority::new(&lab, "authority");
    let https = Https::start(&lab, &authority, None, &[]);
    let budget = Budget { time: Duration::from_secs(2), received: 4 << 20, ..Budget::default() };
    for (path, reason) in [("hang", FetchReason::TimedOut), ("flood", FetchReason::TooLarge)] {
        let origin = Origin { url: format!("https://127.0.0.1:{}/{path}", https.port), ..https.origin(&authority) };
        let begun = Instant::now();
        let error = lab.fetch_within(&origin, &budget, None).expect_err(path);
        assert_eq!(error.reason, reason, "{path}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(6), "{path}: {:?}", begun.elapsed());
    }
}
