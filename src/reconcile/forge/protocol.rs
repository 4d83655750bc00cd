//! What each forge is asked, and how its answers are read. Knows no network.

use reqwest::{Method, Url};
use serde_json::{Map, Value, json};

use super::{Forge, State, Status, Target};
use crate::base::text::shorten;

/// Most characters of a status's description; GitHub takes no more.
const DESCRIPTION: usize = 140;

/// Comments asked for at once; no forge gives more.
const PAGE: &str = "100";

/// Accounts under which the pipelines of Gitea and Forgejo write.
const PIPELINE_ACCOUNTS: [&str; 2] = ["gitea-actions", "forgejo-actions"];

/// Something to ask a forge.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    /// HTTP method.
    pub method: Method,
    /// Below the API's address, with a leading slash, every segment encoded.
    pub path: String,
    /// Query parameters.
    pub query: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Option<Value>,
}

impl Call {
    fn get(path: String) -> Call {
        Call { method: Method::GET, path, query: Vec::new(), body: None }
    }

    fn with(method: Method, path: String, body: Value) -> Call {
        Call { method, path, query: Vec::new(), body: Some(body) }
    }
}

/// Who wrote a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Me {
    /// The account with this number.
    Account(i64),
    /// The account of a pipeline, which may not ask who it is.
    Pipeline,
}

/// A comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Comment {
    pub id: i64,
    pub body: String,
    pub is_own: bool,
}

/// Headers of every call.
pub(super) fn headers(forge: Forge, token: &str) -> Vec<(&'static str, String)> {
    match forge {
        Forge::Github => vec![
            ("authorization", format!("Bearer {token}")),
            ("accept", "application/vnd.github+json".to_owned()),
            ("x-github-api-version", "2022-11-28".to_owned()),
        ],
        Forge::Gitlab => vec![("private-token", token.to_owned()), ("accept", "application/json".to_owned())],
        Forge::Gitea => {
            vec![("authorization", format!("token {token}")), ("accept", "application/json".to_owned())]
        }
    }
}

/// Asks who the token belongs to.
pub(super) fn who_am_i() -> Call {
    Call::get("/user".to_owned())
}

pub(super) fn me(answer: &Value) -> Option<Me> {
    answer.get("id").and_then(Value::as_i64).map(Me::Account)
}

/// Asks for a page of comments, from 1.
pub(super) fn comments(target: &Target, pull: u64, page: u64) -> Call {
    let mut call = Call::get(comments_path(target, pull));
    match target.forge {
        Forge::Github => call.query.push(("per_page", PAGE.to_owned())),
        Forge::Gitlab => {
            call.query.push(("per_page", PAGE.to_owned()));
            call.query.push(("sort", "asc".to_owned()));
            call.query.push(("order_by", "created_at".to_owned()));
        }
        // They give all comments at once and know no pages here; a later version that names a next one is followed.
        Forge::Gitea if page == 1 => return call,
        Forge::Gitea => {}
    }
    call.query.push(("page", page.to_string()));
    call
}

/// The comments of a page that people or programs wrote.
pub(super) fn read_comments(forge: Forge, me: &Me, answer: &Value) -> Vec<Comment> {
    let items = answer.as_array().map_or(&[][..], Vec::as_slice);
    let comment = |item: &Value| {
        // GitLab counts what the forge itself noted ("changed the title") among the comments.
        if item.get("system").and_then(Value::as_bool) == Some(true) {
            return None;
        }
        let author = item.get(if forge == Forge::Gitlab { "author" } else { "user" });
        Some(Comment {
            id: item.get("id").and_then(Value::as_i64)?,
            body: item.get("body").and_then(Value::as_str)?.to_owned(),
            is_own: author.is_some_and(|author| is_me(forge, me, author)),
        })
    };
    items.iter().filter_map(comment).collect()
}

/// Whether an author is who asks. Whoever can write a comment could put the marker into it, and change it after us.
fn is_me(forge: Forge, me: &Me, author: &Value) -> bool {
    let text = |field: &str| author.get(field).and_then(Value::as_str).unwrap_or_default();
    let id = author.get("id").and_then(Value::as_i64);
    match (me, forge) {
        (Me::Account(own), _) => id == Some(*own),
        (Me::Pipeline, Forge::Github) => text("type") == "Bot",
        (Me::Pipeline, Forge::Gitea) => id.is_some_and(|id| id < 0) || PIPELINE_ACCOUNTS.contains(&text("login")),
        (Me::Pipeline, Forge::Gitlab) => false,
    }
}

/// The page behind the present one, by the `Link` header. Only its number is taken, so that nobody else is asked.
pub(super) fn next_page(link: &str) -> Option<u64> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let url = next.split_once('<')?.1.split_once('>')?.0;
    let url = Url::parse(url).or_else(|_| Url::parse("http://forge.invalid")?.join(url)).ok()?;
    url.query_pairs().find(|(name, _)| name == "page")?.1.parse().ok()
}

pub(super) fn create(target: &Target, pull: u64, body: &str) -> Call {
    Call::with(Method::POST, comments_path(target, pull), json!({ "body": worded(target.forge, body) }))
}

pub(super) fn edit(target: &Target, pull: u64, id: i64, body: &str) -> Call {
    let body = json!({ "body": worded(target.forge, body) });
    match target.forge {
        Forge::Gitlab => Call::with(Method::PUT, format!("{}/{id}", comments_path(target, pull)), body),
        Forge::Github | Forge::Gitea => {
            Call::with(Method::PATCH, format!("{}/issues/comments/{id}", repository(target)), body)
        }
    }
}

pub(super) fn status(target: &Target, commit: &str, status: &Status) -> Call {
    let state = match (status.state, target.forge) {
        (State::Success, _) => "success",
        (State::Pending, _) => "pending",
        (State::Failure, Forge::Gitlab) => "failed",
        (State::Failure, _) => "failure",
    };
    let mut body = Map::new();
    body.insert("state".to_owned(), json!(state));
    let name = if target.forge == Forge::Gitlab { "name" } else { "context" };
    body.insert(name.to_owned(), json!(status.context));
    body.insert("description".to_owned(), json!(shorten(&status.description, DESCRIPTION)));
    if let Some(url) = &status.url {
        body.insert("target_url".to_owned(), json!(url));
    }
    let commit = encoded(commit);
    Call::with(Method::POST, format!("{}/statuses/{commit}", repository(target)), Value::Object(body))
}

/// The comment as it is sent.
pub(super) fn worded(forge: Forge, body: &str) -> String {
    if forge != Forge::Gitlab {
        return body.to_owned();
    }
    // GitLab takes a line that begins with a slash for a command, such as `/merge`, in our name.
    let lines = body.split('\n').map(|line| match line.trim_start().starts_with('/') {
        true => line.replacen('/', "\u{200b}/", 1),
        false => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What a refusal says, in the forge's words.
pub(super) fn reason(answer: &Value) -> String {
    let said = ["message", "error_description", "error"].iter().find_map(|field| answer.get(*field));
    match said {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

/// Whether GitLab refused a status only because the commit has it already.
pub(super) fn is_unchanged_status(forge: Forge, code: u16, reason: &str) -> bool {
    forge == Forge::Gitlab && code == 400 && reason.contains("Cannot transition status")
}

fn comments_path(target: &Target, pull: u64) -> String {
    match target.forge {
        Forge::Gitlab => format!("{}/merge_requests/{pull}/notes", repository(target)),
        Forge::Github | Forge::Gitea => format!("{}/issues/{pull}/comments", repository(target)),
    }
}

fn repository(target: &Target) -> String {
    match target.forge {
        Forge::Gitlab => format!("/projects/{}", encoded(&target.repository)),
        Forge::Github | Forge::Gitea => {
            let parts: Vec<String> = target.repository.split('/').map(encoded).collect();
            format!("/repos/{}", parts.join("/"))
        }
    }
}

/// A text as one segment of a path.
fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_read_from_the_link_header() {
        for (link, page) in [
            (
                r#"<https://api.github.com/repositories/1/issues/2/comments?per_page=100&page=2>; rel="next", <https://api.github.com/x?page=9>; rel="last""#,
                Some(2),
            ),
            (r#"<http://wrong.example/api?page=3>; rel="prev", </api/v1/x?page=5&limit=9>; rel="next""#, Some(5)),
            (r#"<https://a.example/x?page=1>; rel="first""#, None),
            ("", None),
            ("nonsense; rel=\"next\"", None),
        ] {
            assert_eq!(next_page(link), page, "{link}");
        }
    }

    #[test]
    fn nobody_else_s_comment_is_taken_for_ours() {
        let bot = json!({"id": 41898282, "login": "github-actions[bot]", "type": "Bot"});
        let person = json!({"id": 7, "login": "mallory", "type": "User"});
        let runner = json!({"id": -2, "login": "gitea-actions"});
        for (forge, me, author, own) in [
            (Forge::Github, Me::Account(7), &person, true),
            (Forge::Github, Me::Account(8), &person, false),
            (Forge::Github, Me::Pipeline, &person, false),
            (Forge::Github, Me::Pipeline, &bot, true),
            (Forge::Gitea, Me::Pipeline, &runner, true),
            (Forge::Gitea, Me::Pipeline, &person, false),
            (Forge::Gitlab, Me::Account(7), &person, true),
            (Forge::Gitlab, Me::Pipeline, &bot, false),
        ] {
            assert_eq!(is_me(forge, &me, author), own, "{forge:?} {me:?} {author}");
        }
    }

    #[test]
    fn a_report_gives_gitlab_no_command() {
        let report = "a\n/merge\n  /approve\nb /x\n";
        assert_eq!(worded(Forge::Gitlab, report), "a\n\u{200b}/merge\n  \u{200b}/approve\nb /x\n");
        assert_eq!(worded(Forge::Github, report), report);
    }

    #[test]
    fn a_name_stays_one_segment_of_the_path() {
        let target = |repository: &str, forge| Target { forge, api: String::new(), repository: repository.to_owned() };
        for (repository, forge, path) in [
            ("group/sub/project", Forge::Gitlab, "/projects/group%2Fsub%2Fproject"),
            ("42", Forge::Gitlab, "/projects/42"),
            ("owner/na me", Forge::Gitea, "/repos/owner/na%20me"),
            ("owner/a?b#c", Forge::Github, "/repos/owner/a%3Fb%23c"),
        ] {
            assert_eq!(super::repository(&target(repository, forge)), path);
        }
    }
}
