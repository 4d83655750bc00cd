//! A report becomes one comment on each kind of forge, against servers on loopback that speak their APIs. Every request,
//! and every answer of those servers, is held against what the forge publishes about its API; GitLab's description is in
//! no package of npm or PyPI, so its requests are held against the table here only.

use serde_json::{Value, json};

use super::{Desk, Ran};
use crate::support::{
    forge::{Call, FakeForge, Kind, ME, TOKEN},
    published,
};

const REPORT: &str =
    "<!-- gatewright:plan -->\n## Gatewright plan: 1 to create, 2 unchanged\n\n```\n/merge\n```\nall of it\n";

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What the command needs of an operation, for where the published descriptions are not installed, and for GitLab, which
/// has none to install: method, path, query parameters, body fields. A field is text unless values are listed; one with
/// `?` may be left out.
type Operation =
    (&'static str, &'static str, &'static [&'static str], &'static [(&'static str, &'static [&'static str])]);

const STATES: &[&str] = &["error", "failure", "pending", "success"];

const GITHUB: &[Operation] = &[
    ("GET", "/user", &[], &[]),
    ("GET", "/repos/{owner}/{repo}/issues/{issue_number}/comments", &["since", "per_page", "page"], &[]),
    ("POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments", &[], &[("body", &[])]),
    ("PATCH", "/repos/{owner}/{repo}/issues/comments/{comment_id}", &[], &[("body", &[])]),
    (
        "POST",
        "/repos/{owner}/{repo}/statuses/{sha}",
        &[],
        &[("state", STATES), ("target_url?", &[]), ("description?", &[]), ("context?", &[])],
    ),
];

const GITLAB: &[Operation] = &[
    ("GET", "/user", &[], &[]),
    ("GET", "/projects/{id}/merge_requests/{iid}/notes", &["sort", "order_by", "per_page", "page"], &[]),
    ("POST", "/projects/{id}/merge_requests/{iid}/notes", &[], &[("body", &[])]),
    ("PUT", "/projects/{id}/merge_requests/{iid}/notes/{note_id}", &[], &[("body", &[])]),
    (
        "POST",
        "/projects/{id}/statuses/{sha}",
        &[],
        &[
            ("state", &["pending", "running", "success", "failed", "canceled", "skipped"]),
            ("name?", &[]),
            ("target_url?", &[]),
            ("description?", &[]),
        ],
    ),
];

const GITEA: &[Operation] = &[
    ("GET", "/user", &[], &[]),
    ("GET", "/repos/{owner}/{repo}/issues/{index}/comments", &["since", "before"], &[]),
    ("POST", "/repos/{owner}/{repo}/issues/{index}/comments", &[], &[("body", &[])]),
    ("PATCH", "/repos/{owner}/{repo}/issues/comments/{id}", &[], &[("body", &[])]),
    (
        "POST",
        "/repos/{owner}/{repo}/statuses/{sha}",
        &[],
        &[("state", STATES), ("target_url?", &[]), ("description?", &[]), ("context?", &[])],
    ),
];

/// A forge with how it is named, the variable of its token, a repository and its operations.
const FORGES: [(Kind, &str, &str, &str, &[Operation]); 3] = [
    (Kind::Github, "github", "GITHUB_TOKEN", "acme/identity", GITHUB),
    (Kind::Gitlab, "gitlab", "GITLAB_TOKEN", "acme/sub/identity", GITLAB),
    (Kind::Gitea, "forgejo", "FORGEJO_TOKEN", "acme/identity", GITEA),
];

/// Fails unless a request is one of the described operations, and its answer one that the forge could give.
pub fn check(call: &Call, kind: Kind) {
    if let Some(description) = published::description(kind)
        && let Err(deviation) = description.check(call)
    {
        panic!("{kind:?}: {deviation}");
    }
    let (.., operations) = FORGES.iter().find(|forge| forge.0 == kind).expect("a forge");
    let found =
        operations.iter().find(|operation| operation.0 == call.method && published::fits(operation.1, &call.path));
    let Some((_, _, query, fields)) = found else { panic!("{kind:?} has no {} {}", call.method, call.path) };
    for name in call.query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty()) {
        assert!(query.contains(&name), "{} takes no parameter {name}", call.path);
    }
    let body = call.body.as_object().cloned().unwrap_or_default();
    for (name, values) in *fields {
        match body.get(name.trim_end_matches('?')) {
            Some(Value::String(value)) => {
                assert!(values.is_empty() || values.contains(&value.as_str()), "{name}: {value}")
            }
            Some(other) => panic!("{name} is text, not {other}"),
            None => assert!(name.ends_with('?'), "{} needs {name}", call.path),
        }
    }
    for name in body.keys() {
        assert!(fields.iter().any(|(known, _)| known.trim_end_matches('?') == name), "{} takes no {name}", call.path);
    }
    assert!(call.headers["user-agent"].starts_with("gatewright/"), "GitHub answers nobody without a name");
    if !body.is_empty() {
        assert_eq!(call.headers["content-type"], "application/json");
    }
    if kind == Kind::Github {
        assert_eq!(call.headers["accept"], "application/vnd.github+json");
        assert_eq!(call.headers["x-github-api-version"], "2022-11-28");
    }
}

fn post(desk: &Desk, forge: &FakeForge, name: &str, repository: &str, more: &[&str]) -> Ran {
    let line = [
        "comment",
        "--forge",
        name,
        "--api",
        &forge.api,
        "--repository",
        repository,
        "--pull",
        "12",
        "--report",
        "report.md",
    ];
    desk.run(&[&line[..], more].concat())
}

#[test]
fn a_report_is_one_comment_on_each_forge() {
    for (kind, name, variable, repository, _) in FORGES {
        let forge = FakeForge::start(kind);
        let mut desk = Desk::new();
        desk.set(variable, TOKEN);
        desk.write("report.md", REPORT);
        // Enough comments for three pages, one of a stranger that looks like ours among them.
        forge.with(|inner| {
            inner.page = 2;
            inner.comments = (0..5).map(|at| (at, 99, format!("comment {at}"))).collect();
            inner.comments[1].2 = REPORT.to_owned();
        });
        let status = [
            "--commit",
            COMMIT,
            "--status-context",
            "gatewright",
            "--state",
            "failure",
            "--url",
            "https://ci.example/1",
        ];
        let first = post(&desk, &forge, name, repository, &status);
        assert_eq!(first.code, 0, "{}", first.page());
        assert_eq!(
            first.out,
            format!("{repository} #12: comment 1005 is new.\n{repository} {COMMIT}: status gatewright is set.\n")
        );
        let state = if kind == Kind::Gitlab { "failed" } else { "failure" };
        forge.with(|inner| {
            assert_eq!(inner.comments.len(), 6);
            assert!(
                inner.comments[5].2.starts_with(REPORT.split("\n/").next().expect("a part")),
                "{:?}",
                inner.comments[5]
            );
            assert_eq!(inner.comments[5].2.contains("\n/merge"), kind != Kind::Gitlab, "GitLab would run the command");
            assert_eq!(inner.statuses.len(), 1);
            assert_eq!(inner.statuses[0]["state"], state);
            assert_eq!(inner.statuses[0]["description"], "1 to create, 2 unchanged");
            assert_eq!(inner.statuses[0]["target_url"], "https://ci.example/1");
        });

        // Again: nothing new to say. GitLab refuses a status that is there already.
        let again = post(&desk, &forge, name, repository, &status);
        assert_eq!(again.code, 0, "{}", again.page());
        assert!(again.out.contains("comment 1005 says this already."), "{}", again.page());

        desk.edit("report.md", "1 to create", "9 to create");
        let edited = post(&desk, &forge, name, repository, &[]);
        assert!(edited.out.contains("comment 1005 was edited."), "{}", edited.page());
        forge.with(|inner| {
            assert_eq!(inner.comments.len(), 6);
            assert!(inner.comments[5].2.contains("9 to create"));
            assert!(inner.comments[1].2.contains("1 to create"), "a stranger's comment is left alone");
        });
        let calls = forge.calls();
        assert!(calls.len() >= 10, "{}", calls.len());
        calls.iter().for_each(|call| check(call, kind));
    }
}

#[test]
fn the_token_of_a_pipeline_may_not_know_whose_it_is() {
    for (kind, name, variable, repository, _) in FORGES {
        let forge = FakeForge::start(kind);
        forge.with(|inner| {
            inner.knows_itself = false;
            inner.comments = vec![(1, 99, REPORT.to_owned()), (2, ME, REPORT.replace("1 to", "3 to"))];
        });
        let mut desk = Desk::new();
        desk.set(variable, TOKEN);
        desk.write("report.md", REPORT);
        let ran = post(&desk, &forge, name, repository, &[]);
        if kind == Kind::Gitlab {
            assert_eq!(ran.code, 1, "{}", ran.page());
            assert!(ran.err.contains("GET ") && ran.err.contains("the answer is 403"), "{}", ran.err);
        } else {
            assert_eq!(ran.out, format!("{repository} #12: comment 2 was edited.\n"), "{}", ran.page());
        }
        forge.calls().iter().for_each(|call| check(call, kind));
    }
}

#[test]
fn trouble_passes_without_a_second_comment() {
    for (kind, name, variable, repository, _) in FORGES {
        let forge = FakeForge::start(kind);
        // The second try is written although its answer is lost, so the third finds the comment.
        forge.with(|inner| inner.troubles = [(429, Some(0), false), (502, Some(0), true)].into());
        let mut desk = Desk::new();
        desk.set(variable, TOKEN);
        desk.write("report.md", REPORT);
        let ran = post(&desk, &forge, name, repository, &["--quiet"]);
        assert_eq!(ran.code, 0, "{}", ran.page());
        assert!(ran.out.contains("comment 1000 says this already."), "{}", ran.page());
        forge.with(|inner| assert_eq!(inner.comments.len(), 1));
        forge.calls().iter().for_each(|call| check(call, kind));
    }
}

#[test]
fn what_a_forge_does_not_publish_is_noticed() {
    // Deviations of a request or an answer, each with what is said of it.
    type Slip = (&'static str, fn(&mut Call));
    let github: &[Slip] = &[
        ("is never answered", |call| call.answer.status = 302),
        ("takes no limit", |call| call.query = "limit=100".to_owned()),
        ("takes no body", |call| call.body = json!({})),
        ("issue_number", |call| call.path = call.path.replace("12", "twelve")),
        ("there is no", |call| call.path.push_str("/all")),
        ("there is no", |call| call.method = "PUT".to_owned()),
        ("node_id", |call| drop(call.answer.body[0].as_object_mut().expect("a comment").remove("node_id"))),
        ("created_at", |call| call.answer.body[0]["created_at"] = json!("today")),
        ("autor", |call| call.answer.body[0]["autor"] = json!("x")),
    ];
    let gitea: &[Slip] = &[
        ("takes no limit", |call| call.query = "limit=100".to_owned()),
        ("index", |call| call.path = call.path.replace("12", "twelve")),
        ("since", |call| call.query = "since=today".to_owned()),
        ("login", |call| call.answer.body[0]["user"]["login"] = json!(7)),
        ("created_at", |call| call.answer.body[0]["created_at"] = json!("today")),
        ("autor", |call| call.answer.body[0]["autor"] = json!("x")),
    ];
    let statuses: &[Slip] = &[
        ("its body", |call| call.body = Value::Null),
        ("its body", |call| call.body["colour"] = json!("red")),
        ("its body", |call| call.body["state"] = json!(1)),
        ("the answer 201", |call| call.answer.body["id"] = json!("1")),
    ];
    for (kind, name, variable, repository, _) in FORGES {
        let Some(description) = published::description(kind) else { continue };
        let forge = FakeForge::start(kind);
        forge.with(|inner| inner.comments = vec![(1, 99, "hello".to_owned())]);
        let mut desk = Desk::new();
        desk.set(variable, TOKEN);
        desk.write("report.md", REPORT);
        let ran = post(
            &desk,
            &forge,
            name,
            repository,
            &["--commit", COMMIT, "--status-context", "gatewright", "--state", "success"],
        );
        assert_eq!(ran.code, 0, "{}", ran.page());
        let calls = forge.calls();
        let sent = |method: &str, part: &str| {
            calls.iter().find(|call| call.method == method && call.path.contains(part)).expect("it was asked").clone()
        };
        let listed = if kind == Kind::Github { github } else { gitea };
        for (call, slips) in [(sent("GET", "/comments"), listed), (sent("POST", "/statuses/"), statuses)] {
            assert_eq!(description.check(&call), Ok(()));
            for (said, slip) in slips {
                let mut call = call.clone();
                slip(&mut call);
                let deviation = description.check(&call).expect_err(said);
                assert!(deviation.contains(said), "{deviation}");
            }
        }
    }
}

#[test]
fn errors_say_what_to_do_and_never_the_token() {
    let forge = FakeForge::start(Kind::Github);
    let mut desk = Desk::new();
    desk.write("report.md", REPORT);
    let without = post(&desk, &forge, "github", "acme/identity", &[]);
    assert_eq!(
        without.err,
        "error: the variable GITHUB_TOKEN holds no token; set it, or name another one by --token-env\n"
    );
    desk.set("WRONG", "wrong-9dK2");
    desk.set("MULTI", "one\ntwo");
    let wrong = post(&desk, &forge, "github", "acme/identity", &["--token-env", "WRONG"]);
    assert_eq!(wrong.code, 1);
    assert!(
        wrong.err.contains("the answer is 401: Bad credentials: Bearer (secret); the token is wrong"),
        "{}",
        wrong.err
    );
    let multi = post(&desk, &forge, "github", "acme/identity", &["--token-env", "MULTI"]);
    assert_eq!(multi.err, "error: the token holds characters that no token has\n");
    let unencrypted = desk.run(&[
        "comment",
        "--forge",
        "gitea",
        "--api",
        "http://forge.example/api/v1",
        "--repository",
        "a/b",
        "--pull",
        "1",
        "--report",
        "report.md",
        "--token-env",
        "WRONG",
    ]);
    assert!(unencrypted.err.contains("use https, or say --allow-http"), "{}", unencrypted.err);
    let climbs = post(&desk, &forge, "github", "acme/..", &["--token-env", "WRONG"]);
    assert_eq!(climbs.err, "error: \"acme/..\" is no repository; write it as OWNER/NAME\n");
    desk.write("report.md", "## no marker\n");
    let unmarked = post(&desk, &forge, "github", "acme/identity", &["--token-env", "WRONG"]);
    assert!(unmarked.err.contains("does not begin with the hidden line"), "{}", unmarked.err);
    desk.write("report.md", &format!("{REPORT}{}", "x".repeat(65_536)));
    let long = post(&desk, &forge, "github", "acme/identity", &["--token-env", "WRONG"]);
    assert!(long.err.contains("at most 65536"), "{}", long.err);
    assert_eq!(
        desk.run(&["comment", "--report", "report.md"]).err,
        "error: this is no pipeline of a known forge; name it by --forge\n"
    );
    for ran in [wrong, unencrypted, climbs, unmarked, long] {
        assert!(!ran.page().contains("wrong-9dK2"), "{}", ran.page());
    }
}
