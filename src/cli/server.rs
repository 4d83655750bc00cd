//! Asking a live server for a plan.

use std::{fmt, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context, bail};
use reqwest::{StatusCode, Url, header, redirect::Policy};
use zeroize::Zeroizing;

use super::{
    Session,
    output::{self, FindingFormat, PlanFormat},
};
use crate::{
    base::{
        diagnostic::{Code, Diagnostic},
        text::shorten,
    },
    blueprint::{
        load::Loaded,
        plan::Plan,
        render::{self, visible},
    },
    model::{Model, Registry},
    reconcile::pull_request::live::{Answer, Form, MAX_REQUEST, Request, Show, VERSION},
};

/// The variable that holds the token.
const TOKEN: &str = "GATEWRIGHT_TOKEN";

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer may take: longer than the server takes at most.
const ANSWER: Duration = Duration::from_secs(180);

/// Largest answer, in bytes.
const LARGEST: usize = 256 << 20;

/// Longest words of a server in an error, in characters.
const LONGEST_REASON: usize = 300;

/// A live server to plan against.
#[derive(Debug, clap::Args)]
pub struct ServerArgs {
    /// Plan against the live server at this address, such as <https://id.example>; the server writes nothing. The
    /// blueprints go there, with the variables and files that they name, as far as this command may read them
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The key of an API token of a superuser; rather put it into GATEWRIGHT_TOKEN, since others may see command lines
    #[arg(long, value_name = "KEY", requires = "server", value_parser = token)]
    token: Option<Token>,
    /// Let the token and the blueprints travel unencrypted to a server at http:// that is not on this machine
    #[arg(long, requires = "server")]
    allow_http: bool,
}

/// A secret that a server accepts as proof of who asks. Does not print.
#[derive(Clone)]
struct Token(Zeroizing<String>);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

fn token(text: &str) -> Result<Token, std::convert::Infallible> {
    Ok(Token(Zeroizing::new(text.trim().to_owned())))
}

/// A server that can be asked.
pub struct Server {
    http: reqwest::Client,
    /// Where plans are asked for.
    url: Url,
    token: Token,
}

impl ServerArgs {
    /// The server, if one is named.
    pub fn server(&self, session: &Session) -> anyhow::Result<Option<Server>> {
        let Some(address) = &self.server else { return Ok(None) };
        let named = session.environment.get(TOKEN).and_then(|text| token(text).ok());
        let token = self.token.clone().or(named).filter(|token| !token.0.is_empty());
        let token = token.with_context(|| format!("{TOKEN} holds no token; set it to the key of an API token"))?;
        if !token.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            bail!("the token holds characters that no header can have");
        }
        Server::new(address, token, self.allow_http).map(Some)
    }
}

impl Server {
    fn new(address: &str, token: Token, allow_http: bool) -> anyhow::Result<Server> {
        let url = Url::parse(&format!("{}/-/plan", address.trim_end_matches('/'))).ok();
        let plain = |url: &Url| url.username().is_empty() && url.password().is_none();
        let url = url.filter(|url| url.has_host() && plain(url) && url.query().is_none() && url.fragment().is_none());
        let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https")) else {
            bail!("--server takes an address such as https://id.example, and no more");
        };
        let near = is_near(&url);
        if url.scheme() == "http" && !near && !allow_http {
            bail!(
                "{address} is not encrypted, so the token and the blueprints would be readable on the way; use https, or say \
                 --allow-http"
            );
        }
        // The HTTP client looks for the process-wide provider; whoever was first has set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the blueprints to wherever it leads.
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(ANSWER);
        // A proxy that is set for http:// is elsewhere, and would see everything.
        let http = if near { http.no_proxy() } else { http };
        let http = http.build().context("no HTTPS connection can be prepared")?;
        Ok(Server { http, url, token })
    }

    /// Where it is, as told to people.
    pub fn name(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.url.host_str().unwrap_or_default())
    }

    /// The plan of a request.
    pub async fn plan(&self, request: &Request) -> anyhow::Result<Answer> {
        let body = serde_json::to_vec(request).context("the blueprints cannot be packed")?;
        let name = self.name();
        if body.len() > MAX_REQUEST {
            bail!(
                "the blueprints are too large for a plan by a server: packed they have {} bytes, and {MAX_REQUEST} are the \
                 most; name fewer of them",
                body.len()
            );
        }
        let request = self.http.post(self.url.clone()).bearer_auth(self.token.0.as_str());
        let sent = request.header(header::CONTENT_TYPE, "application/json").body(body).send().await;
        let mut response = sent.map_err(|error| unreachable(&name, error))?;
        let status = response.status();
        let mut bytes = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| unreachable(&name, error))? {
            if bytes.len() + part.len() > LARGEST {
                bail!("{name}: the answer is larger than {} MiB", LARGEST >> 20);
            }
            bytes.extend_from_slice(&part);
        }
        if status != StatusCode::OK {
            bail!("{}", self.refusal(status, &bytes));
        }
        let answer = serde_json::from_slice::<serde_json::Value>(&bytes).ok();
        let version = answer.as_ref().and_then(|answer| answer["version"].as_u64());
        match (answer, version) {
            (Some(answer), Some(version)) if version == u64::from(VERSION) => serde_json::from_value(answer)
                .with_context(|| format!("{name}: the answer is not what a server of this version gives")),
            (_, Some(version)) => bail!(
                "{name} answers in version {version} of the plan's form, and this program reads version {VERSION}; use \
                 programs of the same release"
            ),
            _ => bail!("{name}: the answer is no plan; is {} the address of a Gatewright server?", self.address()),
        }
    }

    fn address(&self) -> &str {
        self.url.as_str().trim_end_matches("/-/plan")
    }

    /// What an answer that is no plan means.
    fn refusal(&self, status: StatusCode, body: &[u8]) -> String {
        let name = self.name();
        let problem: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
        let detail = problem["detail"].as_str().map(|text| visible(&shorten(text, LONGEST_REASON)));
        let said = detail.map(|text| format!(": {text}")).unwrap_or_default();
        match status {
            StatusCode::UNAUTHORIZED => format!("{name} does not accept the token{said}"),
            StatusCode::FORBIDDEN => format!("{name} refuses{said}"),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => format!(
                "{name} has no plans to give ({status}): it is no Gatewright server, or one of an older release, or {} is \
                 not its address",
                self.address()
            ),
            StatusCode::PAYLOAD_TOO_LARGE => format!("the blueprints are too large for {name}{said}"),
            _ if status.is_redirection() => {
                format!(
                    "{name} redirects elsewhere ({status}), where the token is not sent; give the address it leads to"
                )
            }
            _ => format!("{name} answers {status}{said}"),
        }
    }
}

/// Whether an address is on this machine.
fn is_near(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn unreachable(name: &str, error: reqwest::Error) -> anyhow::Error {
    let what = if error.is_timeout() { "does not answer in time" } else { "cannot be reached" };
    // What the client says in between is how it is built.
    let error = anyhow::Error::new(error.without_url());
    let cause = error.root_cause().to_string();
    anyhow::anyhow!(cause).context(format!("{name} {what}"))
}

/// How a plan of a server is to be shown here.
pub fn show(session: &Session, format: PlanFormat, verbose: bool, people: Option<usize>) -> Show {
    let form = match format {
        PlanFormat::Json => Form::Json,
        PlanFormat::Text => Form::Text,
        PlanFormat::Markdown => Form::Markdown,
    };
    Show {
        form,
        colour: session.terminal.stdout_colour,
        colour_findings: session.terminal.stderr_colour,
        width: session.terminal.width,
        verbose,
        quiet: session.global.quiet,
        people,
        origin: None,
        notes: Vec::new(),
    }
}

/// Prints what a server has answered, and nothing in it that would steer the terminal. `notes` says whether its notes are
/// printed as well.
pub fn print(session: &Session, show: &Show, answer: &Answer, notes: bool) -> anyhow::Result<()> {
    if show.form == Form::Json {
        return Ok(output::print(&format!("{:#}\n", answer.plan))?);
    }
    eprint!("{}", harmless(&answer.findings, show.colour_findings));
    if notes && !session.global.quiet {
        for note in &answer.notes {
            eprintln!("note: {}", visible(note));
        }
    }
    Ok(output::print(&harmless(&answer.report, show.colour && show.form == Form::Text))?)
}

/// How a command ends that a server has answered.
pub fn code(answer: &Answer, detailed: bool) -> ExitCode {
    if answer.refused {
        return ExitCode::FAILURE;
    }
    if detailed && answer.changes { ExitCode::from(2) } else { ExitCode::SUCCESS }
}

/// Findings about files that only who asks can mend.
const UNSENDABLE: [Code; 4] = [Code::SOPS_NO_KEY, Code::SOPS_WRONG_KEY, Code::SOPS_CHANGED, Code::SOPS_MALFORMED];

/// Shows why documents cannot be sent, if so: files that cannot be read, or not be decrypted. Whatever else is wrong with
/// them is for the server to find, together with everything else.
pub fn refuse_unsendable(
    session: &Session,
    format: PlanFormat,
    loaded: &mut Loaded,
    registry: &Arc<Registry>,
) -> anyhow::Result<Option<ExitCode>> {
    let is_unsendable =
        |finding: &Diagnostic| finding.is_error() && (finding.path.is_some() || UNSENDABLE.contains(&finding.code));
    if !loaded.found.iter().any(is_unsendable) {
        return Ok(None);
    }
    loaded.arrange(&Model::empty(registry.clone()), false);
    let found = output::sorted(&loaded.sources, std::mem::take(&mut loaded.found), session.global.quiet);
    let findings = |format, colour| output::findings(format, &loaded.sources, &found, colour);
    if format == PlanFormat::Json {
        let mut plan: serde_json::Value = serde_json::from_str(&render::json(&Plan::default(), registry))?;
        let mut found: serde_json::Value = serde_json::from_str(&findings(FindingFormat::Json, false))?;
        plan["refused"] = serde_json::json!(true);
        plan["diagnostics"] = found["diagnostics"].take();
        output::print(&format!("{plan:#}\n"))?;
        return Ok(Some(ExitCode::FAILURE));
    }
    eprint!("{}", findings(FindingFormat::Text, session.terminal.stderr_colour));
    eprintln!("{}", output::closing_line(&found));
    if format == PlanFormat::Markdown {
        output::print(&output::refusal_markdown(&loaded.sources, &found))?;
    }
    Ok(Some(ExitCode::FAILURE))
}

/// A text without control characters, but for line breaks, tabs and, on wish, colours.
fn harmless(text: &str, colour: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, letter) in text.char_indices() {
        let stays = match letter {
            '\n' | '\t' => true,
            '\u{1b}' => colour && is_colour(&text[at + 1..]),
            _ => !letter.is_control(),
        };
        out.push(if stays { letter } else { char::REPLACEMENT_CHARACTER });
    }
    out
}

/// Whether what follows an escape character makes it a colour: `[1;31m`.
fn is_colour(rest: &str) -> bool {
    let Some(rest) = rest.strip_prefix('[') else { return false };
    let end = rest.find(|letter: char| !letter.is_ascii_digit() && letter != ';');
    end.is_some_and(|end| rest[end..].starts_with('m'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_travel_encrypted_or_not_far() {
        let token = || Token(Zeroizing::new("tok".to_owned()));
        for (address, allow, fine) in [
            ("https://id.example", false, true),
            ("https://id.example:8443/base/", false, true),
            ("http://127.0.0.1:9000", false, true),
            ("http://127.9.9.9:9000", false, true),
            ("http://[::1]:9000", false, true),
            ("http://localhost:9000", false, true),
            ("http://id.example", false, false),
            ("http://id.example", true, true),
            ("http://localhost.example", false, false),
            ("http://127.0.0.1.example", false, false),
            ("http://10.0.0.1", false, false),
            ("https://user:password@id.example", false, false),
            ("https://id.example?x=y", false, false),
            ("ftp://id.example", true, false),
            ("id.example", false, false),
            ("", false, false),
        ] {
            assert_eq!(Server::new(address, token(), allow).is_ok(), fine, "{address} {allow}");
        }
        let server = Server::new("https://id.example:8443/base/", token(), false).expect("an address");
        assert_eq!((server.url.path(), server.name().as_str()), ("/base/-/plan", "id.example:8443"));
    }

    #[test]
    fn a_server_does_not_steer_the_terminal() {
        let text = "a\u{1b}[1;31mred\u{1b}[0m\n\tb\u{1b}]0;title\u{7}\u{1b}[2J\r\u{9b}";
        assert_eq!(
            harmless(text, true),
            "a\u{1b}[1;31mred\u{1b}[0m\n\tb\u{fffd}]0;title\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}"
        );
        assert!(!harmless(text, false).contains('\u{1b}'));
    }
}
