//! `gatewright comment`: puts a report on a pull request.

use std::{io::Read, path::PathBuf, process::ExitCode};

use anyhow::Context;
use clap::ValueEnum;

use super::{Session, output};
use crate::reconcile::forge::{self, Client, Forge, Posted, State, Status, Target, Token, ci};

/// Put a report on a pull request
///
/// Writes the report as one comment, and edits that comment when it is there already. What is not said is taken from the
/// variables that the pipelines of GitHub, GitLab, Gitea and Forgejo set. The token comes from a variable of the
/// environment and is never printed.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The report, as `gatewright diff --format markdown` writes it; - for standard input
    #[arg(long, value_name = "FILE")]
    report: PathBuf,
    /// Kind of forge
    #[arg(long, value_name = "FORGE")]
    forge: Option<ForgeName>,
    /// The repository; on GitLab also the number of the project
    #[arg(long, value_name = "OWNER/NAME")]
    repository: Option<String>,
    /// Number of the pull request
    #[arg(long, value_name = "NUMBER")]
    pull: Option<u64>,
    /// The commit that gets the status
    #[arg(long, value_name = "SHA")]
    commit: Option<String>,
    /// Address of the forge's API, such as <https://gitlab.example/api/v4>
    #[arg(long, value_name = "URL")]
    api: Option<String>,
    /// Let the token travel unencrypted to an API at http://
    #[arg(long)]
    allow_http: bool,
    /// The variable that holds the token [default: GITHUB_TOKEN, GITLAB_TOKEN, GITEA_TOKEN or FORGEJO_TOKEN]
    #[arg(long, value_name = "NAME")]
    token_env: Option<String>,
    /// Set this status of the commit as well
    #[arg(long, value_name = "NAME", requires = "state")]
    status_context: Option<String>,
    /// What the status says: success, failure or pending
    #[arg(long, value_name = "STATE", requires = "status_context")]
    state: Option<State>,
    /// Where the status leads to [default: the pipeline]
    #[arg(long, value_name = "LINK")]
    url: Option<String>,
}

/// A forge as it is named on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ForgeName {
    Github,
    Gitlab,
    Gitea,
    Forgejo,
}

impl ForgeName {
    fn forge(self) -> Forge {
        match self {
            ForgeName::Github => Forge::Github,
            ForgeName::Gitlab => Forge::Gitlab,
            ForgeName::Gitea | ForgeName::Forgejo => Forge::Gitea,
        }
    }
}

/// Largest report that is read at all.
const LARGEST: u64 = 8 << 20;

/// Runs the command.
pub fn run(session: &Session, args: Args) -> anyhow::Result<ExitCode> {
    let config = session.config(&[])?;
    session.start_quiet_log(&config)?;
    let variable = |name: &str| session.environment.get(name).map(str::to_owned);
    let file = |path: &str| std::fs::read_to_string(path).ok();
    let found = ci::defaults(args.forge.map(ForgeName::forge), &variable, &file);
    let forge = found.forge.context("this is no pipeline of a known forge; name it by --forge")?;
    let api = args.api.or(found.api).context("name the forge's API by --api, such as https://forge.example/api/v1")?;
    let repository = args.repository.or(found.repository).context("name the repository by --repository OWNER/NAME")?;
    let pull = args.pull.or(found.pull).context("this pipeline belongs to no pull request; name one by --pull")?;
    let report = read(&args.report)?;
    let marker = forge::marker(&report).context(
        "the report does not begin with the hidden line that `gatewright diff --format markdown` writes, by which a later \
         run finds the comment",
    )?;
    let token = token(session, forge, args.token_env.as_deref())?;
    let status = match (args.status_context, args.state) {
        (Some(context), Some(state)) => {
            let commit = args.commit.or(found.commit).context("name the commit that gets the status by --commit")?;
            let description = forge::headline(&report).to_owned();
            Some((commit, Status { context, state, description, url: args.url.or(found.url) }))
        }
        _ => None,
    };
    let client = Client::new(Target { forge, api, repository: repository.clone() }, token, args.allow_http)?;
    super::runtime()?.block_on(async {
        let posted = client.comment(pull, marker, &report).await?;
        let (what, id) = match posted {
            Posted::Created(id) => ("is new", id),
            Posted::Edited(id) => ("was edited", id),
            Posted::Unchanged(id) => ("says this already", id),
        };
        output::print(&format!("{repository} #{pull}: comment {id} {what}.\n"))?;
        if let Some((commit, status)) = &status {
            client.status(commit, status).await?;
            output::print(&format!("{repository} {commit}: status {} is set.\n", status.context))?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

fn read(path: &PathBuf) -> anyhow::Result<String> {
    let mut text = String::new();
    if path.as_os_str() == "-" {
        std::io::stdin().take(LARGEST).read_to_string(&mut text).context("cannot read the report")?;
    } else {
        let file = std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        file.take(LARGEST).read_to_string(&mut text).with_context(|| format!("cannot read {}", path.display()))?;
    }
    Ok(text)
}

fn token(session: &Session, forge: Forge, named: Option<&str>) -> anyhow::Result<Token> {
    let names: Vec<&str> = match (named, forge) {
        (Some(name), _) => vec![name],
        (None, Forge::Github) => vec!["GITHUB_TOKEN"],
        (None, Forge::Gitlab) => vec!["GITLAB_TOKEN"],
        (None, Forge::Gitea) => vec!["GITEA_TOKEN", "FORGEJO_TOKEN"],
    };
    let found = names.iter().filter_map(|name| session.environment.get(name)).map(Token::new);
    found.into_iter().find(|token| !token.is_empty()).with_context(|| {
        format!("the variable {} holds no token; set it, or name another one by --token-env", names.join(" or "))
    })
}
