//! What a pipeline runs for, by the variables that the forges set in theirs.

use serde_json::Value;

use super::Forge;

/// What the variables tell; nothing where they are silent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Kind of forge.
    pub forge: Option<Forge>,
    /// Address of its API.
    pub api: Option<String>,
    /// The repository.
    pub repository: Option<String>,
    /// Number of the pull request.
    pub pull: Option<u64>,
    /// The newest commit of the branch, not the one that merges it for trial.
    pub commit: Option<String>,
    /// The pipeline's page.
    pub url: Option<String>,
}

/// Reads the variables. `file` reads the file in which GitHub and its likes describe what happened.
///
/// `chosen` is the forge that a person named; the variables of another one then say nothing.
pub fn defaults(
    chosen: Option<Forge>,
    variable: &dyn Fn(&str) -> Option<String>,
    file: &dyn Fn(&str) -> Option<String>,
) -> Defaults {
    let get = |name: &str| variable(name).filter(|value| !value.is_empty());
    let is_set = |name: &str| get(name).as_deref() == Some("true");
    // The runners of Gitea and Forgejo set GitHub's variables as well as their own.
    let forge = if is_set("GITLAB_CI") {
        Some(Forge::Gitlab)
    } else if is_set("GITEA_ACTIONS") || is_set("FORGEJO_ACTIONS") {
        Some(Forge::Gitea)
    } else if is_set("GITHUB_ACTIONS") {
        Some(Forge::Github)
    } else {
        None
    };
    let Some(forge) = forge.filter(|forge| chosen.is_none_or(|chosen| chosen == *forge)) else {
        return Defaults { forge: chosen, api: chosen.and_then(public_api), ..Defaults::default() };
    };
    let found = if forge == Forge::Gitlab { gitlab(&get) } else { actions(forge, &get, file) };
    Defaults { forge: Some(forge), api: found.api.or_else(|| public_api(forge)), ..found }
}

/// The API of the forge that everybody means when nothing else is said.
fn public_api(forge: Forge) -> Option<String> {
    match forge {
        Forge::Github => Some("https://api.github.com".to_owned()),
        Forge::Gitlab => Some("https://gitlab.com/api/v4".to_owned()),
        Forge::Gitea => None,
    }
}

fn gitlab(get: &dyn Fn(&str) -> Option<String>) -> Defaults {
    Defaults {
        forge: None,
        api: get("CI_API_V4_URL"),
        repository: get("CI_PROJECT_ID").or_else(|| get("CI_PROJECT_PATH")),
        pull: get("CI_MERGE_REQUEST_IID").and_then(|number| number.parse().ok()),
        commit: get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA").or_else(|| get("CI_COMMIT_SHA")),
        url: get("CI_PIPELINE_URL"),
    }
}

fn actions(forge: Forge, get: &dyn Fn(&str) -> Option<String>, file: &dyn Fn(&str) -> Option<String>) -> Defaults {
    let event = get("GITHUB_EVENT_PATH").and_then(|path| file(&path));
    let event: Value = event.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    let pull = &event["pull_request"];
    let server = get("GITHUB_SERVER_URL").map(|server| server.trim_end_matches('/').to_owned());
    let repository = get("GITHUB_REPOSITORY");
    // refs/pull/NUMBER/merge
    let from_ref = || get("GITHUB_REF")?.strip_prefix("refs/pull/")?.split('/').next()?.parse().ok();
    let api = get("GITHUB_API_URL").or_else(|| match forge {
        Forge::Gitea => server.as_ref().map(|server| format!("{server}/api/v1")),
        _ => None,
    });
    let url = match (&server, &repository, get("GITHUB_RUN_ID"), get("GITHUB_RUN_NUMBER")) {
        (Some(server), Some(repository), Some(run), _) if forge == Forge::Github => {
            Some(format!("{server}/{repository}/actions/runs/{run}"))
        }
        // Gitea and Forgejo count the runs of a repository in their addresses.
        (Some(server), Some(repository), _, Some(run)) => Some(format!("{server}/{repository}/actions/runs/{run}")),
        _ => None,
    };
    Defaults {
        forge: None,
        api,
        repository,
        pull: pull["number"].as_u64().or_else(from_ref),
        commit: pull["head"]["sha"].as_str().map(str::to_owned).or_else(|| get("GITHUB_SHA")),
        url,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(chosen: Option<Forge>, variables: &[(&str, &str)], event: Option<&str>) -> Defaults {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        defaults(chosen, &variable, &|_| event.map(str::to_owned))
    }

    const EVENT: &str = r#"{"pull_request": {"number": 12, "head": {"sha": "abc"}}}"#;

    const ACTIONS: [(&str, &str); 7] = [
        ("GITHUB_ACTIONS", "true"),
        ("GITHUB_REPOSITORY", "acme/identity"),
        ("GITHUB_SERVER_URL", "https://forge.example"),
        ("GITHUB_EVENT_PATH", "/event.json"),
        ("GITHUB_SHA", "merge"),
        ("GITHUB_RUN_ID", "900"),
        ("GITHUB_RUN_NUMBER", "9"),
    ];

    #[test]
    fn the_variables_of_each_forge_are_understood() {
        let github = found(None, &ACTIONS, Some(EVENT));
        let expected = Defaults {
            forge: Some(Forge::Github),
            api: Some("https://api.github.com".to_owned()),
            repository: Some("acme/identity".to_owned()),
            pull: Some(12),
            commit: Some("abc".to_owned()),
            url: Some("https://forge.example/acme/identity/actions/runs/900".to_owned()),
        };
        assert_eq!(github, expected);

        let gitea = found(None, &[&ACTIONS[..], &[("FORGEJO_ACTIONS", "true")]].concat(), Some(EVENT));
        let expected = Defaults {
            forge: Some(Forge::Gitea),
            api: Some("https://forge.example/api/v1".to_owned()),
            url: Some("https://forge.example/acme/identity/actions/runs/9".to_owned()),
            ..expected
        };
        assert_eq!(gitea, expected);

        let without_event = [&ACTIONS[..3], &[("GITHUB_REF", "refs/pull/7/merge"), ("GITHUB_SHA", "merge")]].concat();
        let by_ref = found(None, &without_event, None);
        assert_eq!((by_ref.pull, by_ref.commit.as_deref()), (Some(7), Some("merge")));

        let gitlab = found(
            None,
            &[
                ("GITLAB_CI", "true"),
                ("CI_API_V4_URL", "https://gitlab.example/api/v4"),
                ("CI_PROJECT_ID", "42"),
                ("CI_MERGE_REQUEST_IID", "3"),
                ("CI_COMMIT_SHA", "def"),
                ("CI_PIPELINE_URL", "https://gitlab.example/p/1"),
            ],
            None,
        );
        let expected = Defaults {
            forge: Some(Forge::Gitlab),
            api: Some("https://gitlab.example/api/v4".to_owned()),
            repository: Some("42".to_owned()),
            pull: Some(3),
            commit: Some("def".to_owned()),
            url: Some("https://gitlab.example/p/1".to_owned()),
        };
        assert_eq!(gitlab, expected);
    }

    #[test]
    fn variables_of_another_forge_than_the_chosen_one_say_nothing() {
        let other = found(Some(Forge::Gitlab), &ACTIONS, Some(EVENT));
        let api = Some("https://gitlab.com/api/v4".to_owned());
        assert_eq!(other, Defaults { forge: Some(Forge::Gitlab), api, ..Defaults::default() });
        assert_eq!(found(None, &[], None), Defaults::default());
    }
}
