//! The API for people about themselves.

use serde_json::{Value, json};

use super::{lab::Lab, sessions::sign_in};

const PASSWORD: &str = "correct-horse-battery";

const OBJECTS: &str = "
version: 1
metadata: {name: objects}
entries:
  - model: authentik_core.token
    identifiers: {identifier: of-ada}
    attrs:
      user: !Find [authentik_core.user, [username, ada]]
      intent: api
      key: key-of-ada
      expiring: false
  - model: authentik_core.token
    identifiers: {identifier: of-root}
    attrs:
      user: !Find [authentik_core.user, [username, root]]
      intent: api
      key: key-of-root
      expiring: false
  - model: authentik_core.token
    identifiers: {identifier: app-of-ada}
    attrs:
      user: !Find [authentik_core.user, [username, ada]]
      intent: app_password
      key: app-key-of-ada
      expiring: false
  - model: authentik_flows.flow
    id: setup
    identifiers: {slug: totp-setup}
    attrs: {name: setup, title: setup, designation: stage_configuration}
  - model: authentik_stages_authenticator_totp.authenticatortotpstage
    identifiers: {name: totp}
    attrs: {digits: '6', friendly_name: An app, configure_flow: !KeyOf setup}
  - model: authentik_stages_password.passwordstage
    identifiers: {name: password}
    attrs: {backends: [authentik.core.auth.InbuiltBackend]}
  - model: authentik_stages_dummy.dummystage
    id: dummy
    identifiers: {name: dummy}
  - model: authentik_flows.flowstagebinding
    identifiers: {target: !KeyOf setup, stage: !KeyOf dummy, order: 0}
";

async fn lab() -> Lab {
    let lab = Lab::new().await;
    lab.user("ada", PASSWORD).await;
    lab.superuser("root", PASSWORD).await;
    lab.apply(OBJECTS).await;
    lab
}

#[tokio::test]
async fn tokens_and_sessions_say_who_asks() {
    let lab = lab().await;
    let me = "/api/v3/core/users/me/";
    let detail = |text: &str| json!({ "detail": text });
    let table: &[(&str, u16, Value)] = &[
        ("Bearer nonsense", 403, detail("Token invalid/expired")),
        ("Bearer ", 403, detail("Token invalid/expired")),
        ("Bearer app-key-of-ada", 403, detail("Token invalid/expired")),
        ("Basic YTpi", 403, detail("Unsupported authentication type")),
        ("nonsense", 403, detail("Unsupported authentication type")),
    ];
    for (header, status, body) in table {
        let got = lab.send("GET", me, &[("authorization", header)], None).await;
        assert_eq!((got.status.as_u16(), &got.body), (*status, body), "{header}");
    }
    let got = lab.send("GET", me, &[("authorization", "Bearer key-of-root")], None).await;
    assert_eq!(got.body["user"]["is_superuser"], true);
    assert_eq!(got.body["user"]["groups"][0]["name"], "admins");
    assert_eq!(got.body["user"]["system_permissions"].as_array().map(Vec::len), Some(10));
    let keys: Vec<&String> = got.body["user"].as_object().expect("a mapping").keys().collect();
    assert_eq!(
        keys,
        [
            "pk",
            "username",
            "name",
            "is_active",
            "is_superuser",
            "groups",
            "email",
            "avatar",
            "uid",
            "settings",
            "type",
            "system_permissions",
        ]
    );
    assert!(got.cookie("authentik_session").is_none());
    // A token counts instead of the session, also when it is wrong.
    sign_in(&lab, "ada", 0).await;
    assert_eq!(lab.get(me).await.body["user"]["username"], "ada");
    let got = lab.send("GET", me, &[("authorization", "Bearer key-of-root")], None).await;
    assert_eq!(got.body["user"]["username"], "root");
    assert_eq!(lab.send("GET", me, &[("authorization", "Bearer x")], None).await.status, 403);
}

#[tokio::test]
async fn people_see_what_is_theirs() {
    let lab = lab().await;
    for path in [
        "core/tokens/",
        "core/user_consent/",
        "core/authenticated_sessions/",
        "authenticators/all/",
        "stages/all/user_settings/",
    ] {
        let got = lab.get(&format!("/api/v3/{path}")).await;
        assert_eq!(got.status, 403, "{path}");
        assert_eq!(got.header("cache-control"), "no-store", "{path}");
    }
    sign_in(&lab, "ada", 0).await;
    let got = lab.get("/api/v3/core/tokens/?page_size=1").await;
    assert_eq!(got.body["pagination"]["count"], 2);
    assert_eq!(got.body["results"][0]["identifier"], "app-of-ada");
    assert_eq!(got.body["results"][0]["user_obj"]["username"], "ada");
    assert!(!got.body.to_string().contains("key-of"), "keys are not shown");
    assert_eq!(lab.get("/api/v3/core/tokens/?page=7").await.body, json!({ "detail": "Invalid page." }));
    assert_eq!(lab.get("/api/v3/core/user_consent/").await.body["results"], json!([]));
    assert_eq!(lab.get("/api/v3/core/user_consent/1/").await.status, 404);
    assert_eq!(lab.get("/api/v3/authenticators/all/").await.body, json!([]));

    let got = lab.get("/api/v3/stages/all/user_settings/").await.body;
    assert_eq!(got.as_array().map(Vec::len), Some(1), "the password stage has no flow: {got}");
    assert_eq!(
        (&got[0]["component"], &got[0]["title"]),
        (&json!("ak-user-settings-authenticator-totp"), &json!("An app"))
    );
    let address = got[0]["configure_url"].as_str().expect("an address");
    let got = lab.get(address).await;
    assert_eq!((got.status.as_u16(), got.header("location")), (302, "/if/flow/totp-setup/"));
    assert_eq!(lab.flow("totp-setup").look().await["component"], "ak-stage-dummy");
}

#[tokio::test]
async fn anybody_may_know_what_the_server_is() {
    let lab = Lab::new().await;
    let got = lab.get("/api/v3/core/brands/current/").await;
    assert_eq!(
        got.body,
        json!({
            "matched_domain": "fallback",
            "branding_title": "authentik",
            "branding_logo": "/static/dist/assets/icons/icon_left_brand.svg",
            "branding_favicon": "/static/dist/assets/icons/icon.png",
            "ui_footer_links": [],
            "ui_theme": "automatic",
            "default_locale": "",
        })
    );
    let got = lab.get("/api/v3/root/config/").await;
    assert_eq!(got.body["error_reporting"]["enabled"], false);
    assert_eq!(got.body["capabilities"], json!(["can_impersonate"]));
}
