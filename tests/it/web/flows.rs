//! The executor, the inspector and the addresses that lead into flows, in the shapes that were recorded.

use std::time::Duration;

use gatewright::identity::write;
use serde_json::{Value, json};

use super::lab::{Got, Lab};

/// A flow of dummy stages.
fn dummies(slug: &str, stages: &[&str]) -> String {
    let mut text = format!(
        "version: 1\nmetadata: {{name: {slug}}}\nentries:\n  - model: authentik_flows.flow\n    id: flow\n    \
         identifiers: {{slug: {slug}}}\n    attrs: {{name: {slug}, title: {slug}, designation: authentication}}\n"
    );
    for (order, stage) in stages.iter().enumerate() {
        text.push_str(&format!(
            "  - model: authentik_stages_dummy.dummystage\n    id: {stage}\n    identifiers: {{name: {stage}}}\n  \
             - model: authentik_flows.flowstagebinding\n    identifiers: {{target: !KeyOf flow, stage: !KeyOf {stage}, \
             order: {order}}}\n"
        ));
    }
    text
}

/// A flow of one dummy stage, `one`.
pub const ONE_DUMMY: &str = "
version: 1
metadata: {name: one}
entries:
  - model: authentik_flows.flow
    id: flow
    identifiers: {slug: one}
    attrs: {name: one, title: one, designation: authentication}
  - model: authentik_stages_dummy.dummystage
    id: stage
    identifiers: {name: one}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf flow, stage: !KeyOf stage, order: 0}
";

const OTHERS: &str = "
version: 1
metadata: {name: others}
entries:
  - model: authentik_flows.flow
    id: deny
    identifiers: {slug: cap-deny}
    attrs: {name: cap-deny, title: cap-deny, designation: authentication}
  - model: authentik_stages_deny.denystage
    id: deny-stage
    identifiers: {name: cap-deny}
    attrs: {deny_message: Not today}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf deny, stage: !KeyOf deny-stage, order: 0}
  - model: authentik_flows.flow
    identifiers: {slug: cap-empty}
    attrs: {name: cap-empty, title: cap-empty, designation: authentication}
  - model: authentik_flows.flow
    id: err
    identifiers: {slug: cap-err}
    attrs: {name: cap-err, title: cap-err, designation: authentication}
  - model: authentik_stages_dummy.dummystage
    id: err-stage
    identifiers: {name: cap-err}
    attrs: {throw_error: true}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf err, stage: !KeyOf err-stage, order: 0}
  - model: authentik_flows.flow
    identifiers: {slug: default-user-settings-flow}
    attrs:
      name: settings
      title: Update your info
      designation: stage_configuration
      authentication: require_authenticated
  - model: authentik_brands.brand
    identifiers: {domain: authentik-default}
    attrs: {default: true, branding_title: authentik}
";

async fn lab() -> Lab {
    let lab = Lab::new().await;
    lab.apply(&dummies("cap-dummy", &["cap-dummy"])).await;
    lab.apply(OTHERS).await;
    lab
}

fn executor(slug: &str) -> String {
    format!("/api/v3/flows/executor/{slug}/?query=next%3D%2Fif%2Fuser%2F")
}

/// What was recorded, where the recordings are at hand.
fn recorded(name: &str) -> Option<Value> {
    let data = crate::engine::reference_data()?;
    let text = std::fs::read_to_string(data.join(format!("peer-responses/{name}.json"))).ok()?;
    Some(serde_json::from_str(&text).expect("JSON"))
}

/// A body without what differs from run to run and from server to server.
fn comparable(mut body: Value) -> Value {
    for field in ["pending_user_avatar", "request_id"] {
        if body.get(field).is_some() {
            body[field] = json!("…");
        }
    }
    body
}

#[tokio::test]
async fn challenges_are_those_that_were_recorded() {
    let lab = lab().await;
    let table = [
        (
            "cap-dummy",
            "challenge-dummy",
            json!({
                "type": "native",
                "flow_info": {
                    "title": "cap-dummy",
                    "background": "/static/dist/assets/images/flow_background.jpg",
                    "cancel_url": "/flows/-/cancel/",
                    "layout": "stacked",
                },
                "component": "ak-stage-dummy",
                "name": "cap-dummy",
            }),
        ),
        (
            "cap-deny",
            "challenge-access-denied",
            json!({
                "type": "native",
                "flow_info": {
                    "title": "cap-deny",
                    "background": "/static/dist/assets/images/flow_background.jpg",
                    "cancel_url": "/flows/-/cancel/",
                    "layout": "stacked",
                },
                "component": "ak-stage-access-denied",
                "pending_user": "",
                "pending_user_avatar": "…",
                "error_message": "Not today",
            }),
        ),
        (
            "cap-empty",
            "challenge-empty-flow",
            json!({
                "type": "redirect",
                "component": "xak-flow-redirect",
                "to": "/if/user/",
            }),
        ),
        (
            "cap-err",
            "challenge-flow-error-get",
            json!({
                "type": "native",
                "component": "ak-stage-flow-error",
                "request_id": "…",
            }),
        ),
    ];
    for (slug, name, expected) in table {
        let got = lab.get(&executor(slug)).await;
        assert_eq!(got.status, 200, "{slug}");
        assert_eq!(comparable(got.body.clone()), expected, "{slug}");
        if let Some(recorded) = recorded(name) {
            assert_eq!(comparable(got.body.clone()), comparable(recorded["body"].clone()), "{name}");
            for header in ["content-type", "x-content-type-options", "vary"] {
                assert_eq!(got.header(header), recorded["headers"][header], "{name}: {header}");
            }
        }
        if slug == "cap-err" {
            assert_eq!(got.body["request_id"], got.header("x-authentik-id"), "one name for the request everywhere");
        }
    }
    let denied = lab.get("/api/v3/flows/executor/default-user-settings-flow/?query=").await;
    assert_eq!(denied.status, 200);
    assert_eq!(denied.component(), "ak-stage-access-denied");
    assert_eq!(denied.body["error_message"], "Flow does not apply to current user.");
}

#[tokio::test]
async fn what_the_executor_answers_beside_challenges() {
    let lab = lab().await;
    let missing = lab.get(&executor("no-such-flow")).await;
    assert_eq!((missing.status.as_u16(), &missing.body), (404, &json!({ "detail": "Not found." })));

    let path = executor("cap-dummy");
    let asked = lab.get(&path).await;
    for (name, value) in [
        ("allow", "GET, POST, HEAD, OPTIONS"),
        ("cache-control", "no-store"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("vary", "Cookie"),
    ] {
        assert_eq!(asked.header(name), value, "{name}");
    }
    assert_eq!(asked.header("x-authentik-id").len(), 32);

    // Two stages: the first answer leads to the same address, the second to the end.
    lab.apply(&dummies("two", &["first", "second"])).await;
    let path = executor("two");
    assert_eq!(lab.get(&path).await.body["name"], "first");
    let again = lab.post(&path, json!({})).await;
    assert_eq!((again.status.as_u16(), again.header("location")), (302, path.as_str()));
    assert_eq!(lab.get(&path).await.body["name"], "second");
    let end = lab.post(&path, json!({})).await;
    assert_eq!(end.status, 200);
    assert_eq!(end.body, json!({ "type": "redirect", "component": "xak-flow-redirect", "to": "/if/user/" }));
    assert_eq!(lab.get(&path).await.body["name"], "first", "a flow that is over begins anew");
}

#[tokio::test]
async fn malformed_bodies_are_refused_and_change_nothing() {
    let lab = lab().await;
    let path = executor("cap-dummy");
    lab.get(&path).await;
    let json_type = "application/json";
    let table: &[(&str, &str, u16, &str)] = &[
        (json_type, "{", 400, "detail"),
        (json_type, r#"{"a": 1, "a": 2}"#, 400, "detail"),
        (json_type, r#"{"a": {"b": 1, "b": 1}}"#, 400, "detail"),
        (json_type, "[1, 2]", 400, "non_field_errors"),
        (json_type, "null", 400, "non_field_errors"),
        ("text/plain", "hello", 415, "detail"),
        ("multipart/form-data; boundary=x", "--x--", 415, "detail"),
        ("", "{}", 415, "detail"),
        ("application/x-www-form-urlencoded", "a=1&a=2", 400, "detail"),
    ];
    for (kind, body, status, field) in table {
        let headers = [("content-type", *kind)];
        let headers = if kind.is_empty() { &[][..] } else { &headers };
        let got = lab.send("POST", &path, headers, Some((*body).to_owned())).await;
        assert_eq!(got.status, *status, "{kind} {body}");
        assert!(got.body.get(*field).is_some(), "{kind} {body}: {}", got.body);
    }
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(3 << 20));
    let got = lab.send("POST", &path, &[("content-type", json_type)], Some(large)).await;
    assert_eq!(got.status, 413);
    let put = lab.send("PUT", &path, &[], None).await;
    assert_eq!((put.status.as_u16(), &put.body), (405, &json!({ "detail": "Method \"PUT\" not allowed." })));
    assert_eq!(lab.get(&path).await.component(), "ak-stage-dummy", "the flow stands where it stood");
    // A form is as good as JSON.
    let kind = [("content-type", "application/x-www-form-urlencoded")];
    let got = lab.send("POST", &path, &kind, Some("component=ak-stage-dummy".to_owned())).await;
    assert_eq!(got.component(), "xak-flow-redirect");
}

#[tokio::test]
async fn a_client_in_the_middle_of_a_flow_finishes_the_old_one() {
    let lab = lab().await;
    lab.apply(&dummies("hot", &["one", "two"])).await;
    let (early, late) = (lab.client(), lab.client());
    assert_eq!(early.flow("hot").look().await["name"], "one");
    // The second stage goes, another comes.
    lab.apply(
        "version: 1\nmetadata: {name: change}\nentries:\n  - model: authentik_stages_dummy.dummystage\n    \
         identifiers: {name: two}\n    state: absent\n",
    )
    .await;
    lab.apply(&dummies("hot", &["one", "three"])).await;
    let walk = early.flow("hot").with_query("next=%2Fapps%3Fa%3Db");
    assert_eq!(walk.answer(json!({})).await["name"], "two");
    assert_eq!(walk.answer(json!({})).await["to"], "/apps?a=b");
    let walk = late.flow("hot");
    assert_eq!(walk.look().await["name"], "one");
    assert_eq!(walk.answer(json!({})).await["name"], "three");
}

#[tokio::test]
async fn two_processes_take_turns_in_one_flow() {
    let lab = lab().await;
    lab.apply(&dummies("turns", &["a", "b", "c", "d"])).await;
    let other = lab.process();
    assert_eq!(lab.flow("turns").look().await["name"], "a");
    for (at, expected) in ["b", "c", "d"].iter().enumerate() {
        let (here, there) = if at % 2 == 0 { (&other, &lab) } else { (&lab, &other) };
        here.share(there);
        assert_eq!(here.flow("turns").answer(json!({})).await["name"], *expected);
    }
    assert_eq!(other.flow("turns").look().await["name"], "d", "each sees what the other did");
}

#[tokio::test]
async fn of_two_answers_at_once_one_counts() {
    let lab = lab().await;
    lab.apply(&dummies("race", &["r1", "r2", "r3"])).await;
    let other = lab.process();
    lab.flow("race").look().await;
    other.share(&lab);
    let path = executor("race");
    let (one, two) = tokio::join!(lab.post(&path, json!({})), other.post(&path, json!({})));
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (302, 302));
    let name = lab.get(&path).await.body["name"].clone();
    assert!(name == "r2" || name == "r3", "no answer counts twice: {name}");
}

fn place(got: &Got) -> (u16, &str) {
    (got.status.as_u16(), got.header("location"))
}

#[tokio::test]
async fn addresses_lead_into_the_flows_of_the_brand() {
    let lab = lab().await;
    // None is set: the first by slug.
    let got = lab.get("/flows/-/default/authentication/?next=%2Fapps").await;
    assert_eq!(place(&got), (302, "/if/flow/cap-deny/?next=%2Fapps"));
    assert_eq!(lab.get("/flows/-/default/invalidation/").await.status, 404);
    assert_eq!(lab.get("/flows/-/default/recovery/").await.status, 404);
    assert_eq!(lab.get("/flows/-/default/nonsense/").await.status, 404);
    lab.apply(
        "version: 1\nmetadata: {name: brand}\nentries:\n  - model: authentik_brands.brand\n    \
         identifiers: {domain: authentik-default}\n    attrs:\n      default: true\n      \
         flow_authentication: !Find [authentik_flows.flow, [slug, cap-dummy]]\n  - model: authentik_brands.brand\n    \
         identifiers: {domain: example.org}\n    attrs:\n      branding_title: Example\n      \
         flow_authentication: !Find [authentik_flows.flow, [slug, cap-empty]]\n",
    )
    .await;
    let got = lab.get("/flows/-/default/authentication/").await;
    assert_eq!(place(&got), (302, "/if/flow/cap-empty/"));
    for (host, title) in [
        ("id.example.org", "Example"),
        ("EXAMPLE.org:8443", "Example"),
        ("notexample.org", "authentik"),
        ("example.org.evil.example", "authentik"),
    ] {
        let got = lab.send("GET", "/api/v3/core/brands/current/", &[("host", host)], None).await;
        assert_eq!(got.body["branding_title"], title, "{host}");
    }
    let got = lab.send("GET", "/flows/-/cancel/", &[("host", "a b")], None).await;
    assert_eq!(got.status, 400);

    lab.get(&executor("cap-dummy")).await;
    let got = lab.get("/flows/-/cancel/").await;
    assert_eq!(place(&got), (302, "/flows/-/default/invalidation/"));
    let got = lab.get("/flows/-/configure/00000000-0000-4000-8000-000000000000/").await;
    let login =
        "/flows/-/default/authentication/?next=%2Fflows%2F-%2Fconfigure%2F00000000-0000-4000-8000-000000000000%2F";
    assert_eq!(place(&got), (302, login));
}

#[tokio::test]
async fn the_inspector_is_for_those_who_may_see_inside() {
    let lab = lab().await;
    lab.superuser("root", "correct-horse-battery").await;
    lab.user("ada", "correct-horse-battery").await;
    lab.apply(&dummies("seen", &["s1", "s2"])).await;
    assert_eq!(lab.get("/api/v3/flows/inspector/seen/").await.status, 404);
    super::sessions::sign_in(&lab, "ada", 0).await;
    assert_eq!(lab.get("/api/v3/flows/inspector/seen/").await.status, 404);
    let lab = lab.client();
    super::sessions::sign_in(&lab, "root", 0).await;
    assert_eq!(lab.get("/api/v3/flows/inspector/seen/").await.status, 400, "nothing to be seen yet");
    let walk = lab.flow("seen");
    walk.look().await;
    let got = lab.get("/api/v3/flows/inspector/seen/").await;
    assert_eq!(got.body["is_completed"], false);
    assert_eq!(got.body["plans"], json!([]));
    assert_eq!(got.body["current_plan"]["current_stage"]["stage_obj"]["name"], "s1");
    assert_eq!(got.body["current_plan"]["next_planned_stage"]["stage_obj"]["name"], "s2");
    walk.answer(json!({})).await;
    walk.answer(json!({})).await;
    lab.pass(Duration::from_secs(1));
    let got = lab.get("/api/v3/flows/inspector/seen/").await;
    assert_eq!(got.body["is_completed"], true);
    assert_eq!(got.body["plans"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn an_outpost_asks_for_its_clients_and_nobody_else_does() {
    let lab = lab().await;
    lab.user("outpost", "correct-horse-battery").await;
    lab.apply(
        "version: 1\nmetadata: {name: outpost}\nentries:\n  - model: authentik_core.token\n    \
         identifiers: {identifier: outpost}\n    attrs:\n      user: !Find [authentik_core.user, [username, outpost]]\n      \
         intent: api\n      key: outpost-key\n      expiring: false\n  - model: authentik_flows.flow\n    \
         identifiers: {slug: cap-dummy}\n    attrs: {authentication: require_outpost}\n",
    )
    .await;
    let path = "/api/v3/flows/executor/cap-dummy/?query=";
    let ask = async |lab: &Lab, key: &str, ip: &str| {
        let headers = [("x-authentik-remote-ip", ip), ("x-authentik-outpost-token", key)];
        lab.client().send("GET", path, &headers, None).await.component().to_owned()
    };
    assert_eq!(ask(&lab, "outpost-key", "203.0.113.9").await, "ak-stage-access-denied", "not an outpost's account yet");
    let person = lab.world.person_named("outpost").await.expect("the store works").expect("the user");
    let before = person.object.clone();
    let mut after = (*before).clone();
    after.attrs.insert("type".to_owned(), json!("internal_service_account"));
    let author = write::Author { actor: "server".to_owned(), origin: "outposts".to_owned() };
    let edit = write::Edit::Update { before, after, secrets: std::collections::BTreeMap::new() };
    write::commit(&lab.world, &author, vec![edit]).await.expect("it is written");
    assert_eq!(ask(&lab, "outpost-key", "203.0.113.9").await, "ak-stage-dummy");
    assert_eq!(ask(&lab, "another-key", "203.0.113.9").await, "ak-stage-access-denied");
    assert_eq!(ask(&lab, "outpost-key", "here").await, "ak-stage-access-denied");
    assert_eq!(lab.get(path).await.component(), "ak-stage-access-denied");
}
