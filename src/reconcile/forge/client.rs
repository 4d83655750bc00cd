//! Asks a forge, patiently, and without ever repeating the token.

use std::time::Duration;

use reqwest::{Method, StatusCode, Url, redirect::Policy};
use serde_json::Value;

use super::{
    Forge, Status, Target, Token,
    protocol::{self, Call, Comment, Me},
};
use crate::base::text::shorten;

/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);

/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Largest answer. A page of 100 comments of 65,536 characters of four bytes each stays below.
const LARGEST: usize = 32 << 20;

/// How often something is tried.
const TRIES: u32 = 5;

/// Longest wait before another try, whatever the forge asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Pages of comments that are looked through.
const PAGES: u64 = 100;

/// Longest text of a forge in an error.
const LONGEST_REASON: usize = 300;

/// What went wrong. Never holds the token.
#[derive(Debug, thiserror::Error)]
pub enum ForgeError {
    /// The address of the API is none.
    #[error("{0:?} is no address of an API; write it as https://host/path")]
    Address(String),
    /// There can be no such repository.
    #[error("{0:?} is no repository; write it as OWNER/NAME")]
    Repository(String),
    /// There can be no such commit.
    #[error("{0:?} is no commit; give its full id")]
    Commit(String),
    /// The token would be sent in the clear.
    #[error("{0} is not encrypted, so the token would be readable on the way; use https, or say --allow-http")]
    Unencrypted(String),
    /// The token cannot be a header.
    #[error("the token holds characters that no token has")]
    Token,
    /// The report is too long for a comment.
    #[error("the report has {length} characters; a comment on {forge} has at most {limit}")]
    TooLong {
        /// Characters of the report.
        length: usize,
        /// Most characters.
        limit: usize,
        /// The forge.
        forge: &'static str,
    },
    /// No HTTPS is to be had.
    #[error("no HTTPS connection can be prepared: {0}")]
    Unprepared(String),
    /// No answer.
    #[error("{what}: no answer: {why}")]
    Unreachable {
        /// Method and path.
        what: String,
        /// Why.
        why: String,
    },
    /// An answer that is no consent.
    #[error("{what}: the answer is {status}{reason}{hint}")]
    Refused {
        /// Method and path.
        what: String,
        /// Status code.
        status: u16,
        /// The forge's words, after a colon.
        reason: String,
        /// What to do.
        hint: String,
        /// What the forge asks to wait, when trying again may help.
        again: Option<Option<Duration>>,
    },
    /// An answer that cannot be read.
    #[error("{what}: the answer is not what the API of this forge gives; is {api} the address of its API?")]
    Unreadable {
        /// Method and path.
        what: String,
        /// Address of the API.
        api: String,
    },
}

impl ForgeError {
    /// How long to wait before trying again makes sense; nothing when it makes none.
    fn wait(&self, round: u32) -> Option<Duration> {
        let usual = Duration::from_millis(500) * 2_u32.pow(round.min(6));
        match self {
            ForgeError::Unreachable { .. } => Some(usual),
            ForgeError::Refused { again: Some(asked), .. } => Some(asked.unwrap_or(usual).min(LONGEST_WAIT)),
            _ => None,
        }
    }
}

/// What became of a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// It is new.
    Created(i64),
    /// It was there and says something else now.
    Edited(i64),
    /// It was there and says the same.
    Unchanged(i64),
}

/// One who talks to a forge.
pub struct Client {
    http: reqwest::Client,
    target: Target,
    token: Token,
}

impl Client {
    /// Prepares talking to a forge. `allow_http` lets the token travel unencrypted to other machines.
    ///
    /// # Errors
    /// When the address or the token cannot be used.
    pub fn new(target: Target, token: Token, allow_http: bool) -> Result<Client, ForgeError> {
        let api = target.api.trim_end_matches('/').to_owned();
        let url = Url::parse(&api).ok().filter(|url| url.has_host() && url.query().is_none());
        let Some(url) = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.password().is_none()) else {
            return Err(ForgeError::Address(api));
        };
        let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if url.scheme() == "http" && !local && !allow_http {
            return Err(ForgeError::Unencrypted(api));
        }
        if token.is_empty() || !token.expose().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(ForgeError::Token);
        }
        // Such a segment would lead elsewhere, however it is encoded.
        let odd = |part: &str| part.is_empty() || part == "." || part == "..";
        let parts = target.repository.split('/').count();
        if target.repository.split('/').any(odd) || (target.forge != Forge::Gitlab && parts != 2) {
            return Err(ForgeError::Repository(target.repository));
        }
        // The HTTP client looks for the process-wide provider; whoever was first has set the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .user_agent(concat!("gatewright/", env!("CARGO_PKG_VERSION")))
            // A redirect would carry the token to wherever it leads.
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .build()
            .map_err(|error| ForgeError::Unprepared(error.to_string()))?;
        Ok(Client { http, target: Target { api, ..target }, token })
    }

    /// Makes a report the one comment of a pull request that begins with `marker`: edits it where it is there, writes it
    /// where it is not. Comments of other people are left alone.
    ///
    /// # Errors
    /// When the forge does not take it.
    pub async fn comment(&self, pull: u64, marker: &str, report: &str) -> Result<Posted, ForgeError> {
        let length = protocol::worded(self.target.forge, report).chars().count();
        let limit = self.target.forge.longest_comment();
        if length > limit {
            return Err(ForgeError::TooLong { length, limit, forge: self.target.forge.title() });
        }
        // Each try looks for the comment anew: one of which no answer came may have been written all the same.
        let mut round = 0;
        loop {
            let error = match self.comment_once(pull, marker, report).await {
                Ok(posted) => return Ok(posted),
                Err(error) => error,
            };
            self.pause(error, &mut round).await?;
        }
    }

    /// Sets the status of a commit.
    ///
    /// # Errors
    /// When the forge does not take it.
    pub async fn status(&self, commit: &str, status: &Status) -> Result<(), ForgeError> {
        if commit.is_empty() || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(ForgeError::Commit(commit.to_owned()));
        }
        let call = protocol::status(&self.target, commit, status);
        let mut round = 0;
        loop {
            let error = match self.ask(&call).await {
                Ok(_) => return Ok(()),
                Err(error) => error,
            };
            if let ForgeError::Refused { status, reason, .. } = &error
                && protocol::is_unchanged_status(self.target.forge, *status, reason)
            {
                return Ok(());
            }
            self.pause(error, &mut round).await?;
        }
    }

    async fn pause(&self, error: ForgeError, round: &mut u32) -> Result<(), ForgeError> {
        *round += 1;
        match error.wait(*round - 1) {
            Some(wait) if *round < TRIES => {
                tracing::warn!(%error, "trying again in {} s", wait.as_secs_f32());
                tokio::time::sleep(wait).await;
                Ok(())
            }
            _ => Err(error),
        }
    }

    async fn comment_once(&self, pull: u64, marker: &str, report: &str) -> Result<Posted, ForgeError> {
        let me = self.me().await?;
        match self.find(pull, &me, marker).await? {
            Some(comment) if comment.body == protocol::worded(self.target.forge, report) => {
                Ok(Posted::Unchanged(comment.id))
            }
            Some(comment) => {
                self.ask(&protocol::edit(&self.target, pull, comment.id, report)).await?;
                Ok(Posted::Edited(comment.id))
            }
            None => {
                let call = protocol::create(&self.target, pull, report);
                let (answer, _) = self.ask(&call).await?;
                let id = answer.get("id").and_then(Value::as_i64);
                id.map(Posted::Created).ok_or_else(|| self.unreadable(&call))
            }
        }
    }

    async fn me(&self) -> Result<Me, ForgeError> {
        let call = protocol::who_am_i();
        match self.ask(&call).await {
            Ok((answer, _)) => protocol::me(&answer).ok_or_else(|| self.unreadable(&call)),
            // The token of a pipeline has no right to know, except on GitLab, where it could not comment either.
            Err(ForgeError::Refused { status: 403 | 404, again: None, .. }) if self.target.forge != Forge::Gitlab => {
                Ok(Me::Pipeline)
            }
            Err(error) => Err(error),
        }
    }

    /// The first own comment that begins with the marker.
    async fn find(&self, pull: u64, me: &Me, marker: &str) -> Result<Option<Comment>, ForgeError> {
        let mut page = 1;
        loop {
            let call = protocol::comments(&self.target, pull, page);
            let (answer, link) = self.ask(&call).await?;
            if !answer.is_array() {
                return Err(self.unreadable(&call));
            }
            let comments = protocol::read_comments(self.target.forge, me, &answer);
            let found = comments.into_iter().find(|comment| {
                comment.is_own && comment.body.trim_start().lines().next().is_some_and(|line| line.trim_end() == marker)
            });
            match link.as_deref().and_then(protocol::next_page) {
                Some(next) if found.is_none() && next > page && page < PAGES => page = next,
                _ => return Ok(found),
            }
        }
    }

    /// Asks; gives the answer with its `Link` header.
    async fn ask(&self, call: &Call) -> Result<(Value, Option<String>), ForgeError> {
        let what = self.what(call);
        let mut url = Url::parse(&format!("{}{}", self.target.api, call.path))
            .map_err(|_| ForgeError::Address(self.target.api.clone()))?;
        if !call.query.is_empty() {
            url.query_pairs_mut().extend_pairs(call.query.iter().map(|(name, value)| (*name, value.as_str())));
        }
        let mut request = self.http.request(call.method.clone(), url);
        for (name, value) in protocol::headers(self.target.forge, self.token.expose()) {
            request = request.header(name, value);
        }
        if let Some(body) = &call.body {
            request = request.json(body);
        }
        let unreachable =
            |error: reqwest::Error| ForgeError::Unreachable { what: what.clone(), why: self.cause(error) };
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (link, after, left) = (header("link"), header("retry-after"), header("x-ratelimit-remaining"));
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() > LARGEST {
                return Err(self.unreadable(call));
            }
        }
        let answer = serde_json::from_slice::<Value>(&bytes);
        if status.is_success() {
            return match answer {
                Ok(answer) => Ok((answer, link)),
                Err(_) if call.method != Method::GET && bytes.is_empty() => Ok((Value::Null, link)),
                Err(_) => Err(self.unreadable(call)),
            };
        }
        let reason = answer.map(|answer| protocol::reason(&answer)).unwrap_or_default();
        let limited = status == StatusCode::FORBIDDEN && (after.is_some() || left.as_deref() == Some("0"));
        let again = limited || status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
        let seconds = after.and_then(|after| after.trim().parse().ok()).map(Duration::from_secs);
        Err(ForgeError::Refused {
            hint: hint(status),
            what,
            status: status.as_u16(),
            reason: if reason.is_empty() { reason } else { format!(": {}", self.clean(&reason)) },
            again: again.then_some(seconds),
        })
    }

    fn what(&self, call: &Call) -> String {
        format!("{} {}{}", call.method, self.target.api, call.path)
    }

    fn unreadable(&self, call: &Call) -> ForgeError {
        ForgeError::Unreadable { what: self.what(call), api: self.target.api.clone() }
    }

    /// A foreign text for an error: short, on one line, without the token.
    fn clean(&self, text: &str) -> String {
        let text = text.replace(self.token.expose(), "(secret)");
        let words: Vec<&str> = text.split_whitespace().collect();
        crate::blueprint::render::escape::visible(&shorten(&words.join(" "), LONGEST_REASON))
    }

    fn cause(&self, error: reqwest::Error) -> String {
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        self.clean(&cause.to_string())
    }
}

/// What to do about a refusal.
fn hint(status: StatusCode) -> String {
    let hint = match status.as_u16() {
        300..=399 => "the repository or the API has moved; give its new name or address",
        401 => "the token is wrong or has expired",
        403 => "the token may not do this; it needs the right to write comments and statuses",
        404 => "there is no such repository or pull request, or the token may not see it",
        _ => return String::new(),
    };
    format!("; {hint}")
}
