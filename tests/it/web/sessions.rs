//! Sessions as browsers and other programs see them: cookies, who may change what, and how sessions end.

use std::{net::IpAddr, time::Duration};

use gatewright::identity::{
    sessions::{self, SignIn},
    visit::{Seat, Visit},
};
use serde_json::{Value, json};

use super::lab::{Got, Lab};

const PASSWORD: &str = "correct-horse-battery";
const ME: &str = "/api/v3/core/users/me/";
const HOUR: u64 = 3600;

fn visit(client: IpAddr) -> Visit {
    Visit {
        id: uuid::Uuid::new_v4(),
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        host: "id.example.org".to_owned(),
        secure: false,
        headers: vec![("user-agent".to_owned(), "lab".to_owned())],
        client,
        outpost: None,
        brand: None,
    }
}

/// The session of the client's cookie.
async fn seat(lab: &Lab) -> Seat {
    let cookie = lab.jar.lock().expect("the jar").get("authentik_session").cloned();
    sessions::open(&lab.world, cookie.as_deref(), lab.peer.ip(), "lab").await.expect("it opens").seat
}

/// Signs the client in as the login stage does, for so many seconds.
pub async fn sign_in(lab: &Lab, username: &str, seconds: i64) {
    sign_in_as(lab, username, SignIn { lasts: seconds * 1_000_000, ..SignIn::default() }).await;
}

async fn sign_in_as(lab: &Lab, username: &str, how: SignIn) {
    let mut seat = seat(lab).await;
    let person = lab.world.person_named(username).await.expect("the store works").expect("the user");
    let visit = visit(lab.peer.ip());
    assert!(sessions::sign_in(&lab.world, &visit, &mut seat, person, how).await.expect("it works"));
    sessions::keep(&lab.world, &mut seat).await.expect("it is kept");
    let mut jar = lab.jar.lock().expect("the jar");
    jar.insert("authentik_session".to_owned(), seat.token.expect("a new cookie"));
    jar.insert("authentik_csrf".to_owned(), seat.data.csrf);
}

fn name(got: &Got) -> &str {
    got.body["user"]["username"].as_str().unwrap_or_default()
}

async fn lab() -> Lab {
    let lab = Lab::new().await;
    lab.user("ada", PASSWORD).await;
    lab.superuser("root", PASSWORD).await;
    lab
}

#[tokio::test]
async fn a_session_has_a_cookie_once_there_is_something_in_it() {
    let lab = lab().await;
    let got = lab.get("/api/v3/root/config/").await;
    assert!(got.cookie("authentik_session").is_none());
    lab.apply(super::flows::ONE_DUMMY).await;
    let path = "/api/v3/flows/executor/one/?query=";
    let plain = lab.get(path).await.cookie("authentik_session").expect("a cookie");
    assert!(plain.ends_with("; HttpOnly; Path=/; SameSite=Lax"), "{plain}");
    let tls = lab.client().send("GET", path, &[("x-forwarded-proto", "https")], None).await;
    let secure = tls.cookie("authentik_session").expect("a cookie");
    assert!(secure.ends_with("; HttpOnly; Path=/; SameSite=Lax; Secure"), "{secure}");
    assert_eq!(tls.header("strict-transport-security"), "max-age=31536000");
    let mut stranger = lab.client();
    stranger.peer = ([192, 0, 2, 1], 1).into();
    let got = stranger.send("GET", path, &[("x-forwarded-proto", "https")], None).await;
    assert!(!got.cookie("authentik_session").expect("a cookie").contains("Secure"));
    assert!(lab.get(path).await.cookie("authentik_session").is_none(), "it is said once");
}

#[tokio::test]
async fn signing_in_rotates_the_cookie_and_signing_out_ends_the_session() {
    let lab = lab().await;
    lab.apply(super::flows::ONE_DUMMY).await;
    lab.get("/api/v3/flows/executor/one/?query=").await;
    let before = lab.client();
    before.share(&lab);
    sign_in(&lab, "ada", 0).await;
    assert_eq!(name(&lab.get(ME).await), "ada");
    let fixed = before.get(ME).await;
    assert_eq!(fixed.status, 403, "whoever knew the cookie before is not signed in");
    assert_eq!(fixed.body, json!({ "detail": "Authentication credentials were not provided." }));

    let person = lab.world.person_named("ada").await.expect("the store works").expect("the user");
    let (last_login, _) = lab.store.person_state(person.id()).await.expect("the store works");
    assert_eq!(last_login, Some(lab.world.now()));

    let mut seat = seat(&lab).await;
    let gone = sessions::sign_out(&lab.world, &mut seat).await.expect("it works").expect("somebody");
    assert_eq!(gone.username(), "ada");
    assert_eq!(lab.get(ME).await.status, 403);
}

#[tokio::test]
async fn a_write_that_comes_late_neither_revives_nor_overwrites_a_session() {
    let lab = lab().await;
    sign_in(&lab, "ada", 0).await;
    // A request that is under way while the session ends.
    let mut late = seat(&lab).await;
    lab.store.end_session(late.session.id).await.expect("it ends");
    late.message("info", "too late");
    late.token = Some(sessions::secret_text().expect("randomness"));
    sessions::keep(&lab.world, &mut late).await.expect("it works");
    assert!(!late.stored && late.token.is_none());
    assert_eq!(lab.get(ME).await.status, 403);
    // One that began before somebody signed in.
    lab.apply(super::flows::ONE_DUMMY).await;
    lab.get("/api/v3/flows/executor/one/?query=").await;
    let mut early = seat(&lab).await;
    sign_in(&lab, "ada", 0).await;
    early.message("info", "too early");
    sessions::keep(&lab.world, &mut early).await.expect("it works");
    assert_eq!(name(&lab.get(ME).await), "ada");
}

#[tokio::test]
async fn what_ends_a_session_ends_it_at_the_next_request() {
    let lab = lab().await;
    let fresh = || lab.client();
    // Left alone: a session that ends with the browser after two hours, one with a duration not before that.
    let (idle, lasting) = (fresh(), fresh());
    sign_in(&idle, "ada", 0).await;
    sign_in(&lasting, "ada", 24 * 3600).await;
    lab.pass(Duration::from_secs(HOUR));
    assert_eq!(idle.get(ME).await.status, 200);
    lab.pass(Duration::from_secs(2 * HOUR + 1));
    assert_eq!(idle.get(ME).await.status, 403);
    assert_eq!(lasting.get(ME).await.status, 200);
    lab.pass(Duration::from_secs(21 * HOUR));
    assert_eq!(lasting.get(ME).await.status, 403);
    // Used without a pause: after twelve hours all the same.
    let busy = fresh();
    sign_in(&busy, "ada", 0).await;
    for _ in 0..11 {
        lab.pass(Duration::from_secs(HOUR));
        assert_eq!(busy.get(ME).await.status, 200);
    }
    lab.pass(Duration::from_secs(HOUR));
    assert_eq!(busy.get(ME).await.status, 403);
    // Another process ends the others.
    let (one, two) = (fresh(), fresh());
    sign_in(&one, "ada", 0).await;
    sign_in_as(&two, "ada", SignIn { end_others: true, ..SignIn::default() }).await;
    assert_eq!((one.get(ME).await.status.as_u16(), two.get(ME).await.status.as_u16()), (403, 200));
    // The person is not active any more, as every process sees.
    let elsewhere = two.process();
    assert_eq!(elsewhere.get(ME).await.status, 200);
    let text = "version: 1\nmetadata: {name: disable}\nentries:\n  - model: authentik_core.user\n    \
                identifiers: {username: ada}\n    attrs: {name: ada, is_active: false}\n";
    lab.apply(text).await;
    assert_eq!((two.get(ME).await.status.as_u16(), elsewhere.get(ME).await.status.as_u16()), (403, 403));
    lab.apply(&text.replace("false", "true")).await;
    assert_eq!(two.get(ME).await.status, 200);
    lab.apply(
        "version: 1\nmetadata: {name: gone}\nentries:\n  - model: authentik_core.user\n    \
         identifiers: {username: ada}\n    state: absent\n",
    )
    .await;
    assert_eq!(two.get(ME).await.status, 403);
}

#[tokio::test]
async fn a_bound_session_does_not_move() {
    for (network, place, moves) in [
        ("no_binding", "no_binding", true),
        ("bind_asn", "no_binding", false),
        ("bind_asn_network_ip", "no_binding", false),
        ("no_binding", "bind_continent", false),
    ] {
        let mut lab = lab().await;
        let how = SignIn { network_binding: network.to_owned(), geoip_binding: place.to_owned(), ..SignIn::default() };
        sign_in_as(&lab, "ada", how).await;
        assert_eq!(lab.get(ME).await.status, 200);
        lab.peer = ([192, 0, 2, 1], 1).into();
        let expected = if moves { 200 } else { 403 };
        assert_eq!(lab.get(ME).await.status, expected, "{network} {place}");
        lab.peer = ([127, 0, 0, 1], 1).into();
        assert_eq!(lab.get(ME).await.status, expected, "it does not come back either");
    }
}

#[tokio::test]
async fn only_own_pages_and_who_knows_the_secret_change_something() {
    let lab = lab().await;
    lab.apply(super::flows::ONE_DUMMY).await;
    let path = "/api/v3/flows/executor/one/?query=";
    let json_type = ("content-type", "application/json");
    let post = async |headers: &[(&str, &str)]| {
        let headers: Vec<(&str, &str)> = [json_type].iter().chain(headers).copied().collect();
        lab.send("POST", path, &headers, Some("{}".to_owned())).await
    };
    lab.get(path).await;
    assert_eq!(post(&[("sec-fetch-site", "cross-site")]).await.status, 200, "nobody is signed in");
    sign_in(&lab, "ada", 0).await;
    let secret = lab.jar.lock().expect("the jar")["authentik_csrf"].clone();
    lab.get(path).await;
    let got = post(&[]).await;
    assert_eq!((got.status.as_u16(), got.body), (403, json!({ "detail": "CSRF Failed: CSRF token missing." })));
    assert_eq!(post(&[("sec-fetch-site", "cross-site")]).await.status, 403);
    assert_eq!(post(&[("origin", "http://evil.example")]).await.status, 403);
    assert_eq!(post(&[("x-authentik-csrf", "guess")]).await.status, 403);
    assert_eq!(lab.get(path).await.component(), "ak-stage-dummy", "the flow stands where it stood");
    for good in [("sec-fetch-site", "same-origin"), ("origin", "http://id.example.org"), ("x-authentik-csrf", &secret)]
    {
        lab.get(path).await;
        assert_eq!(post(&[good]).await.status, 200, "{good:?}");
    }
}

#[tokio::test]
async fn people_see_and_end_their_sessions() {
    let lab = lab().await;
    let other = lab.client();
    sign_in(&lab, "ada", 0).await;
    lab.pass(Duration::from_secs(1));
    sign_in(&other, "ada", 3600).await;
    let stranger = lab.client();
    sign_in(&stranger, "root", 0).await;
    let path = "/api/v3/core/authenticated_sessions/";
    let got = lab.get(path).await;
    assert_eq!(
        got.body["pagination"],
        json!({
            "next": 0, "previous": 0, "count": 2, "current": 1, "total_pages": 1, "start_index": 1, "end_index": 2,
        })
    );
    let current: Vec<bool> = sessions_of(&got).iter().map(|session| session["current"] == true).collect();
    assert_eq!(current, [false, true], "newest first");
    let of_other = sessions_of(&got)[0].clone();
    assert_eq!(of_other["last_ip"], "127.0.0.1");
    assert_eq!(of_other["user_agent"]["string"], "lab");
    let keys: Vec<&String> = of_other.as_object().expect("a mapping").keys().collect();
    let expected = [
        "uuid",
        "current",
        "user_agent",
        "geo_ip",
        "asn",
        "user",
        "last_ip",
        "last_user_agent",
        "last_used",
        "expires",
    ];
    assert_eq!(keys, expected);

    let one = format!("{path}{}/", of_other["uuid"].as_str().expect("an id"));
    let origin = [("sec-fetch-site", "same-origin")];
    assert_eq!(stranger.send("DELETE", &one, &origin, None).await.status, 404);
    assert_eq!(lab.send("DELETE", &one, &[], None).await.status, 403);
    assert_eq!(other.get(ME).await.status, 200);
    assert_eq!(lab.send("DELETE", &one, &origin, None).await.status, 204);
    assert_eq!(other.get(ME).await.status, 403);
    let own = format!("{path}{}/", sessions_of(&lab.get(path).await)[0]["uuid"].as_str().expect("an id"));
    let got = lab.send("DELETE", &own, &origin, None).await;
    assert_eq!(got.status, 204);
    assert!(got.cookie("authentik_session").expect("a cookie").contains("Max-Age=0"));
    assert_eq!(lab.get(ME).await.status, 403);
}

fn sessions_of(got: &Got) -> &[Value] {
    got.body["results"].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[tokio::test]
async fn superusers_act_as_others_and_as_themselves_again() {
    let lab = lab().await;
    let origin = [("sec-fetch-site", "same-origin")];
    let path = |lab: &Got| format!("/api/v3/core/users/{}/impersonate/", lab.body["user"]["pk"]);
    let (ada, root) = (lab.client(), lab.client());
    sign_in(&ada, "ada", 0).await;
    sign_in(&root, "root", 0).await;
    let (as_ada, as_root) = (ada.get(ME).await, root.get(ME).await);
    assert_eq!(ada.send("POST", &path(&as_root), &origin, None).await.status, 401);
    assert_eq!(root.send("POST", &path(&as_root), &origin, None).await.status, 401, "not oneself");
    assert_eq!(root.send("POST", "/api/v3/core/users/999999/impersonate/", &origin, None).await.status, 404);
    let before = lab.client();
    before.share(&root);
    let got = root.send("POST", &path(&as_ada), &origin, None).await;
    assert_eq!(got.status, 201);
    assert!(got.cookie("authentik_session").is_some() && got.cookie("authentik_csrf").is_some());
    assert_eq!(before.get(ME).await.status, 403, "the cookie is rotated");
    let got = root.get(ME).await;
    assert_eq!((name(&got), &got.body["original"]["username"]), ("ada", &json!("root")));
    assert_eq!(got.body["user"]["is_superuser"], false);
    assert_eq!(root.get("/api/v3/core/users/impersonate_end/").await.status, 204);
    let got = root.get(ME).await;
    assert_eq!((name(&got), got.body.get("original")), ("root", None));
    // The session is the superuser's: it goes with the superuser's rights.
    root.send("POST", &path(&as_ada), &origin, None).await;
    assert_eq!(name(&root.get(ME).await), "ada");
    lab.apply(
        "version: 1\nmetadata: {name: demote}\nentries:\n  - model: authentik_core.group\n    \
         identifiers: {name: admins}\n    attrs: {is_superuser: false}\n",
    )
    .await;
    assert_eq!(root.get(ME).await.status, 403);
}
