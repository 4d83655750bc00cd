//! The pipelines of docs/guides/pull-requests.md, run line by line from its text, against forges on loopback. Only what the
//! forge's own runner does (`uses:`, images, rules) is done by the test.

use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{Desk, comment::check};
use crate::support::forge::{FakeForge, Kind, TOKEN};

const GUIDE: &str = include_str!("../../../docs/guides/pull-requests.md");

/// The first fenced block of a section.
fn block(section: &str, language: &str) -> String {
    let (_, rest) = GUIDE.split_once(&format!("\n## {section}\n")).expect("the section");
    let (_, rest) = rest.split_once(&format!("```{language}\n")).expect("a block");
    rest.split("```").next().unwrap_or("").to_owned()
}

fn pipeline(section: &str) -> Value {
    let yaml: serde_yaml::Value = serde_yaml::from_str(&block(section, "yaml")).expect("YAML");
    serde_json::to_value(yaml).expect("plain YAML")
}

/// One part that a runner hands to a shell, with its own variables.
struct Step {
    script: String,
    variables: BTreeMap<String, String>,
}

/// The steps of a job of GitHub and its likes, of whose actions the test does what `checkout` would.
fn steps(job: &Value) -> Vec<Step> {
    let mut found = Vec::new();
    for step in job["steps"].as_array().expect("steps") {
        if let Some(uses) = step["uses"].as_str() {
            assert_eq!(uses, "actions/checkout@v4");
            continue;
        }
        let variables = step["env"].as_object().cloned().unwrap_or_default();
        let variables = variables.into_iter().map(|(name, value)| {
            assert_eq!(value, "${{ github.token }}", "the test knows no other expression");
            (name, TOKEN.to_owned())
        });
        let script = step["run"].as_str().expect("a script").to_owned();
        assert!(!script.contains("${{"), "a runner would put text into the script: {script}");
        found.push(Step { script, variables: variables.collect() });
    }
    found
}

/// A repository as a pipeline finds it: the branch's commit, with the history of the target.
fn checkout() -> (Desk, Desk) {
    let origin = Desk::new();
    origin.write("blueprints/app.yaml", "version: 1\nentries:\n- model: authentik_core.application\n  identifiers: {slug: wiki}\n  attrs: {name: Wiki}\n");
    origin.commit("main");
    origin.git(&["switch", "--quiet", "--create", "topic"]);
    origin.edit("blueprints/app.yaml", "name: Wiki", "name: The wiki");
    origin.commit("topic");
    let work = Desk::new();
    let from = origin.path("").display().to_string();
    work.git(&["clone", "--quiet", "--branch", "topic", &from, "."]);
    (origin, work)
}

/// Runs one step as the runner does; gives its code and what it printed.
fn run(desk: &Desk, step: &Step, variables: &BTreeMap<String, String>) -> (i32, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_gatewright")).parent().expect("a folder").display().to_string();
    let output = Command::new("bash")
        .args(["-e", "-o", "pipefail", "-c", &step.script])
        .current_dir(desk.path(""))
        .env_clear()
        .env("PATH", format!("{program}:/usr/local/bin:/usr/bin:/bin"))
        .env("HOME", desk.path(""))
        .envs(variables)
        .envs(&step.variables)
        .stdin(Stdio::null())
        .output()
        .expect("bash");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.code().expect("an end"), text)
}

/// Runs a job to its end or its first failure; steps hand variables on through a file.
fn job(desk: &Desk, steps: &[Step], mut variables: BTreeMap<String, String>) -> (i32, String) {
    let file = desk.path("env.txt");
    std::fs::write(&file, "").expect("a file");
    variables.insert("GITHUB_ENV".to_owned(), file.display().to_string());
    let mut all = String::new();
    for step in steps {
        let (code, text) = run(desk, step, &variables);
        all.push_str(&text);
        if code != 0 {
            return (code, all);
        }
        let handed_on = std::fs::read_to_string(&file).expect("the file");
        let pairs = handed_on.lines().filter_map(|line| line.split_once('='));
        variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    (0, all)
}

/// What every pipeline comes to: a comment and a status; another push edits it; a mistake is told and fails.
fn story(kind: Kind, steps: &[Step], variables: impl Fn(&FakeForge, &Desk) -> BTreeMap<String, String>) {
    let (_origin, work) = checkout();
    let forge = FakeForge::start(kind);
    let (code, text) = job(&work, steps, variables(&forge, &work));
    assert_eq!(code, 0, "{kind:?}: {text}");
    let head = work.git(&["rev-parse", "HEAD"]);
    forge.with(|inner| {
        assert_eq!(inner.comments.len(), 1, "{text}");
        assert!(inner.comments[0].2.contains("1 to update"), "{}", inner.comments[0].2);
        assert_eq!(inner.statuses[0]["state"], "success");
    });
    let calls = forge.calls();
    assert!(calls.iter().any(|call| call.path.ends_with(&head)), "the status is the branch's");
    calls.iter().for_each(|call| check(call, kind));

    work.edit("blueprints/app.yaml", "name:", "nmae:");
    work.commit("a slip");
    let (code, text) = job(&work, steps, variables(&forge, &work));
    assert_ne!(code, 0, "{kind:?}: {text}");
    forge.with(|inner| {
        assert_eq!(inner.comments.len(), 1);
        assert!(inner.comments[0].2.contains("refused, 1 error"), "{}", inner.comments[0].2);
        let failed = if kind == Kind::Gitlab { "failed" } else { "failure" };
        assert_eq!(inner.statuses.last().map(|status| &status["state"]), Some(&json!(failed)));
    });
    assert!(!text.contains(TOKEN), "{text}");
}

/// Variables of the runners of GitHub and those who follow it.
fn actions(forge: &FakeForge, work: &Desk, more: &[(&str, &str)]) -> BTreeMap<String, String> {
    let event = json!({"pull_request": {"number": 12, "head": {"sha": work.git(&["rev-parse", "HEAD"])}}});
    work.write(".git/event.json", &event.to_string());
    let path = work.path(".git/event.json").display().to_string();
    let usual = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/identity"),
        ("GITHUB_SERVER_URL", "https://forge.example"),
        ("GITHUB_API_URL", forge.api.as_str()),
        ("GITHUB_EVENT_PATH", path.as_str()),
        ("GITHUB_BASE_REF", "main"),
        ("GITHUB_RUN_ID", "900"),
        ("GITHUB_RUN_NUMBER", "9"),
    ];
    usual.iter().chain(more).map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn the_pipeline_for_github_does_what_it_says() {
    let pipeline = pipeline("GitHub Actions");
    for right in ["pull-requests", "statuses"] {
        assert_eq!(pipeline["permissions"][right], "write");
    }
    story(Kind::Github, &steps(&pipeline["jobs"]["plan"]), |forge, work| actions(forge, work, &[]));
}

#[test]
fn the_pipeline_for_forgejo_does_what_it_says() {
    let pipeline = pipeline("Forgejo Actions");
    let own = [("FORGEJO_ACTIONS", "true")];
    story(Kind::Gitea, &steps(&pipeline["jobs"]["plan"]), |forge, work| actions(forge, work, &own));
}

#[test]
fn the_pipeline_for_gitlab_does_what_it_says() {
    let pipeline = pipeline("GitLab CI");
    // One shell runs all lines.
    let lines: Vec<&str> =
        pipeline["plan"]["script"].as_array().expect("lines").iter().filter_map(Value::as_str).collect();
    assert_eq!(lines.len(), 5);
    let step =
        Step { script: lines.join("\n"), variables: BTreeMap::from([("GITLAB_TOKEN".to_owned(), TOKEN.to_owned())]) };
    story(Kind::Gitlab, &[step], |forge, work| {
        let head = work.git(&["rev-parse", "HEAD"]);
        let pairs = [
            ("GITLAB_CI", "true"),
            ("CI_API_V4_URL", forge.api.as_str()),
            ("CI_PROJECT_ID", "42"),
            ("CI_MERGE_REQUEST_IID", "12"),
            ("CI_MERGE_REQUEST_TARGET_BRANCH_NAME", "main"),
            ("CI_COMMIT_SHA", head.as_str()),
            ("CI_PIPELINE_URL", "https://gitlab.example/p/1"),
        ];
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
    });
}

#[test]
fn the_command_for_elsewhere_works_as_written() {
    let (_origin, work) = checkout();
    let forge = FakeForge::start(Kind::Gitea);
    let script = block("Elsewhere", "sh");
    assert!(script.contains("https://forge.example/api/v1"));
    let script = script.replace("https://forge.example/api/v1", &forge.api);
    work.write("report.md", "<!-- gatewright:plan -->\n## Gatewright plan: no changes\n");
    let step = Step { script, variables: BTreeMap::from([("FORGEJO_TOKEN".to_owned(), TOKEN.to_owned())]) };
    let (code, text) = run(&work, &step, &BTreeMap::new());
    assert_eq!(code, 0, "{text}");
    forge.with(|inner| assert_eq!((inner.comments.len(), inner.statuses.len()), (1, 1)));
}
