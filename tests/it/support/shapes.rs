//! What the forge on loopback answers with: accounts, comments and statuses as whole as the real ones.

use serde_json::{Value, json};

use super::forge::{Comment, Kind, ME};

const WEB: &str = "https://forge.invalid";
const PULL: &str = "https://forge.invalid/acme/identity/pulls/12";
const TIME: &str = "2024-05-01T10:00:00Z";

/// The account of the token, to itself.
pub fn myself(kind: Kind) -> Value {
    let mut account = account(kind, ME);
    if kind == Kind::Github {
        for (name, value) in [
            ("user_view_type", json!("public")),
            ("name", json!("Me")),
            ("company", Value::Null),
            ("blog", json!("")),
            ("location", Value::Null),
            ("email", Value::Null),
            ("hireable", Value::Null),
            ("bio", Value::Null),
            ("public_repos", json!(2)),
            ("public_gists", json!(0)),
            ("followers", json!(0)),
            ("following", json!(0)),
            ("created_at", json!(TIME)),
            ("updated_at", json!(TIME)),
        ] {
            account[name] = value;
        }
    }
    account
}

fn account(kind: Kind, id: i64) -> Value {
    match kind {
        Kind::Github => {
            let login = if id == ME { "me[bot]" } else { "x" };
            let url = |rest: &str| format!("{WEB}/api/users/{id}{rest}");
            json!({
                "login": login,
                "id": id,
                "node_id": format!("U_{id}"),
                "avatar_url": format!("{WEB}/avatars/{id}"),
                "gravatar_id": "",
                "url": url(""),
                "html_url": format!("{WEB}/users/{id}"),
                "followers_url": url("/followers"),
                "following_url": url("/following{/other_user}"),
                "gists_url": url("/gists{/gist_id}"),
                "starred_url": url("/starred{/owner}{/repo}"),
                "subscriptions_url": url("/subscriptions"),
                "organizations_url": url("/orgs"),
                "repos_url": url("/repos"),
                "events_url": url("/events{/privacy}"),
                "received_events_url": url("/received_events"),
                "type": if id == ME { "Bot" } else { "User" },
                "site_admin": false,
            })
        }
        Kind::Gitlab => json!({
            "id": id,
            "username": "x",
            "name": "X",
            "state": "active",
            "avatar_url": null,
            "web_url": format!("{WEB}/x"),
        }),
        Kind::Gitea => {
            let login = if id == ME { "forgejo-actions" } else { "x" };
            json!({
                "id": id,
                "login": login,
                "login_name": "",
                "source_id": 0,
                "full_name": "",
                "email": format!("{login}@noreply.forge.invalid"),
                "avatar_url": format!("{WEB}/avatars/{id}"),
                "html_url": format!("{WEB}/{login}"),
                "language": "",
                "is_admin": false,
                "last_login": TIME,
                "created": TIME,
                "restricted": false,
                "active": true,
                "prohibit_login": false,
                "location": "",
                "website": "",
                "description": "",
                "visibility": "public",
                "followers_count": 0,
                "following_count": 0,
                "starred_repos_count": 0,
            })
        }
    }
}

/// A comment of the pull request.
pub fn comment(kind: Kind, (id, author, body): &Comment) -> Value {
    let author = account(kind, *author);
    match kind {
        Kind::Github => json!({
            "id": id,
            "node_id": format!("IC_{id}"),
            "url": format!("{WEB}/api/repos/acme/identity/issues/comments/{id}"),
            "html_url": format!("{PULL}#issuecomment-{id}"),
            "issue_url": format!("{WEB}/api/repos/acme/identity/issues/12"),
            "body": body,
            "user": author,
            "author_association": "CONTRIBUTOR",
            "created_at": TIME,
            "updated_at": TIME,
        }),
        Kind::Gitlab => json!({
            "id": id,
            "type": null,
            "body": body,
            "author": author,
            "created_at": TIME,
            "updated_at": TIME,
            "system": false,
            "noteable_type": "MergeRequest",
            "noteable_iid": 12,
        }),
        Kind::Gitea => json!({
            "id": id,
            "html_url": format!("{PULL}#issuecomment-{id}"),
            "pull_request_url": PULL,
            "issue_url": "",
            "user": author,
            "original_author": "",
            "original_author_id": 0,
            "body": body,
            "assets": [],
            "created_at": TIME,
            "updated_at": TIME,
        }),
    }
}

/// A commit's status, as it was asked for.
pub fn status(kind: Kind, id: usize, asked: &Value) -> Value {
    let creator = account(kind, ME);
    let mut status = json!({
        "id": id,
        "description": asked["description"],
        "target_url": asked["target_url"],
        "created_at": TIME,
    });
    let more = match kind {
        Kind::Github => json!({
            "node_id": format!("SC_{id}"),
            "url": format!("{WEB}/api/statuses/{id}"),
            "avatar_url": creator["avatar_url"],
            "state": asked["state"],
            "context": asked["context"],
            "creator": creator,
            "updated_at": TIME,
        }),
        Kind::Gitlab => json!({"status": asked["state"], "name": asked["name"], "author": creator}),
        Kind::Gitea => json!({
            "url": format!("{WEB}/api/statuses/{id}"),
            "status": asked["state"],
            "context": asked["context"],
            "creator": creator,
            "updated_at": TIME,
        }),
    };
    for (name, value) in more.as_object().into_iter().flatten() {
        status[name] = value.clone();
    }
    if kind == Kind::Gitea && status["target_url"].is_null() {
        status["target_url"] = json!("");
    }
    status
}
