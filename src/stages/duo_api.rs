//! Duo's Auth API, version 2: <https://duo.com/docs/authapi>.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};
use reqwest::{Method, Url};
use serde_json::{Value as Json, json};
use sha2::Sha512;
use zeroize::Zeroizing;

use super::authenticator_duo::AuthenticatorDuoStage;
use crate::{
    base::egress::{Client, Redirects},
    flows::plan::{Plan, StageRef},
    identity::{visit::Seat, world::World},
    model::Object,
    store::StoreError,
};

/// How long Duo may take: it waits for the person to react.
const PATIENCE: Duration = Duration::from_secs(75);
/// What a step remembers: the enrolment that was begun.
pub(super) const BEGUN: &str = "duo";

/// An account at Duo.
pub(super) struct Duo {
    client: Client,
    base: Url,
    integration: String,
    secret: Zeroizing<String>,
    now: i64,
}

/// Why Duo did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum DuoError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Duo cannot be reached, or answers that something is wrong.
    #[error("Duo: {0}")]
    Refused(String),
}

fn refused(problem: impl ToString) -> DuoError {
    DuoError::Refused(problem.to_string())
}

impl Duo {
    /// The account of a stage.
    ///
    /// # Errors
    /// When the database fails or the stage names no host.
    pub(super) async fn of(world: &World, stage: &Object) -> Result<Duo, DuoError> {
        let declared: AuthenticatorDuoStage =
            serde_json::from_value(Json::Object(stage.attrs.clone())).map_err(refused)?;
        let secret = world.store().reveal(stage.id, "client_secret").await?.unwrap_or_default();
        // Files that give an address instead of a host mean the same.
        let host = declared.api_hostname.trim_start_matches("https://").trim_end_matches('/');
        let base = Url::parse(&format!("https://{host}/")).map_err(refused)?;
        let client = world.means().egress.client(Redirects::Never, |client| client.timeout(PATIENCE));
        let client = client.map_err(refused)?;
        Ok(Duo { client, base, integration: declared.client_id, secret, now: world.now() })
    }

    /// Begins to enrol a user: `activation_barcode`, `activation_code`, `user_id`.
    ///
    /// # Errors
    /// [`DuoError`].
    pub(super) async fn enroll(&self, username: &str) -> Result<Json, DuoError> {
        self.call("/auth/v2/enroll", &[("username", username)]).await
    }

    /// How an enrolment stands: `success`, `waiting`, `invalid`.
    ///
    /// # Errors
    /// [`DuoError`].
    pub(super) async fn enroll_status(&self, user: &str, code: &str) -> Result<String, DuoError> {
        let answer = self.call("/auth/v2/enroll_status", &[("activation_code", code), ("user_id", user)]).await?;
        Ok(answer.as_str().unwrap_or("invalid").to_owned())
    }

    /// Has a user asked on the phone. Gives whether the answer is yes.
    ///
    /// # Errors
    /// [`DuoError`].
    pub(super) async fn ask(&self, user: &str, address: &str, domain: &str) -> Result<bool, DuoError> {
        let about = form_urlencoded::Serializer::new(String::new()).append_pair("Domain", domain).finish();
        let parameters =
            [("device", "auto"), ("factor", "auto"), ("ipaddr", address), ("pushinfo", &about), ("user_id", user)];
        let answer = self.call("/auth/v2/auth", &parameters).await?;
        Ok(answer["result"] == "allow")
    }

    async fn call(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Json, DuoError> {
        let mut url = self.base.clone();
        url.set_path(path);
        let body = encode(parameters);
        let date = date(self.now).map_err(refused)?;
        let authority = self.base.host_str().unwrap_or_default();
        let signature = sign(&self.secret, &date, "POST", authority, path, &body);
        let credentials = STANDARD.encode(format!("{}:{signature}", self.integration));
        let request = self.client.request(Method::POST, url).map_err(refused)?;
        let request = request
            .header("date", date)
            .header("authorization", format!("Basic {credentials}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body);
        let answer = request.send().await.map_err(|error| refused(error.without_url()))?;
        let text = answer.text().await.map_err(|error| refused(error.without_url()))?;
        let mut answer: Json = serde_json::from_str(&text).map_err(|_| refused("the answer is no JSON"))?;
        if answer["stat"] != "OK" {
            let message = answer["message"].as_str().unwrap_or("no reason was given");
            return Err(refused(crate::base::text::shorten(message, 200)));
        }
        Ok(answer["response"].take())
    }
}

/// The date as Duo signs it: `Tue, 21 Aug 2012 17:29:18 -0000`.
fn date(now: i64) -> Result<String, jiff::Error> {
    let moment = Timestamp::from_microsecond(now)?.to_zoned(TimeZone::UTC);
    rfc2822::to_string(&moment)
}

/// Parameters in order of their names, as they are signed and sent.
fn encode(parameters: &[(&str, &str)]) -> String {
    let mut parameters = parameters.to_vec();
    parameters.sort_unstable();
    let pairs = parameters.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value)));
    pairs.collect::<Vec<_>>().join("&")
}

/// As RFC 3986 has it: all but letters, digits and `-._~`.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

/// HMAC-SHA-512 of the canonical request.
fn sign(secret: &str, date: &str, method: &str, host: &str, path: &str, parameters: &str) -> String {
    let canonical = [date, method, &host.to_lowercase(), path, parameters].join("\n");
    match Hmac::<Sha512>::new_from_slice(secret.as_bytes()) {
        Ok(signer) => data_encoding::HEXLOWER.encode(&signer.chain_update(canonical).finalize().into_bytes()),
        Err(_) => String::new(),
    }
}

/// How the enrolment stands that is in progress in a session at a stage; none when there is none there.
///
/// # Errors
/// When the database fails. That Duo fails counts as `waiting`.
pub async fn enrolment_status(world: &World, seat: &Seat, stage: uuid::Uuid) -> Result<Option<String>, StoreError> {
    let Some(execution) = world.store().execution(seat.session.id).await? else { return Ok(None) };
    let Ok(plan) = serde_json::from_value::<Plan>(execution.state) else { return Ok(None) };
    let here = plan.steps.front().filter(|step| step.stage == StageRef::Stored(stage));
    let Some(begun) = here.and_then(|step| step.memory.get(BEGUN)) else { return Ok(None) };
    let Some(stage) = world.model().await?.known(stage).cloned() else { return Ok(None) };
    let text = |field: &str| begun[field].as_str().unwrap_or_default();
    let status = match Duo::of(world, &stage).await {
        Ok(duo) => duo.enroll_status(text("user_id"), text("activation_code")).await,
        Err(error) => Err(error),
    };
    match status {
        Ok(status) => Ok(Some(status)),
        Err(DuoError::Store(error)) => Err(error),
        Err(DuoError::Refused(problem)) => {
            tracing::warn!(problem, "Duo does not say how an enrolment stands");
            Ok(Some("waiting".to_owned()))
        }
    }
}

/// What clients see of an enrolment.
pub(super) fn shown(begun: &Json, stage: uuid::Uuid) -> Json {
    json!({
        "activation_barcode": begun["activation_barcode"],
        "activation_code": begun["activation_code"],
        "stage_uuid": stage,
    })
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;
    use crate::base::egress::Egress;

    /// Duo, for one request: refuses what is not signed.
    async fn answer_once(listener: TcpListener, answer: &str) -> String {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let mut request = String::new();
        let mut part = [0; 4096];
        loop {
            let read = connection.read(&mut part).await.expect("a request");
            request.push_str(std::str::from_utf8(&part[..read]).expect("text"));
            let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if length.is_none_or(|length| body.len() >= length.parse().expect("a length")) {
                break;
            }
        }
        let (head, body) = request.split_once("\r\n\r\n").expect("a body");
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned();
        let path = head.split(' ').nth(1).expect("a path");
        let signature = sign("s3cret", &header("date: "), "POST", "127.0.0.1", path, body);
        let wanted = format!("Basic {}", STANDARD.encode(format!("DIKEY:{signature}")));
        let (status, answer) = match header("authorization: ") == wanted {
            true => ("200 OK", answer),
            false => ("401 Unauthorized", r#"{"stat": "FAIL", "message": "Invalid signature in request credentials"}"#),
        };
        let length = answer.len();
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{answer}");
        connection.write_all(answer.as_bytes()).await.expect("it is sent");
        format!("{path} {body}")
    }

    async fn duo(secret: &str) -> (Duo, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}/", listener.local_addr().expect("an address"));
        let egress = Egress::new(&["127.0.0.1"], false).expect("a rule");
        let client = egress.client(Redirects::Never, |client| client).expect("a client");
        let (base, secret) = (Url::parse(&base).expect("an address"), Zeroizing::new(secret.to_owned()));
        (Duo { client, base, integration: "DIKEY".to_owned(), secret, now: 1_345_570_158_000_000 }, listener)
    }

    #[tokio::test]
    async fn people_are_asked_on_the_phone_and_only_yes_is_yes() {
        for (answer, yes) in [
            (r#"{"stat": "OK", "response": {"result": "allow", "status": "allow", "status_msg": "Success"}}"#, true),
            (r#"{"stat": "OK", "response": {"result": "deny", "status": "deny", "status_msg": "No"}}"#, false),
            (r#"{"stat": "OK", "response": {}}"#, false),
        ] {
            let (duo, listener) = duo("s3cret").await;
            let (asked, answered) = tokio::join!(answer_once(listener, answer), duo.ask("DU1", "192.0.2.1", "id.test"));
            assert_eq!(answered.expect("an answer"), yes, "{answer}");
            let body = "device=auto&factor=auto&ipaddr=192.0.2.1&pushinfo=Domain%3Did.test&user_id=DU1";
            assert_eq!(asked, format!("/auth/v2/auth {body}"));
        }
    }

    #[tokio::test]
    async fn a_wrong_secret_and_a_broken_answer_are_told() {
        let (with_wrong_secret, listener) = duo("other").await;
        let (_, answered) = tokio::join!(answer_once(listener, "{}"), with_wrong_secret.enroll("ada"));
        let told = answered.expect_err("it is refused").to_string();
        assert_eq!(told, "Duo: Invalid signature in request credentials");
        let (duo, listener) = duo("s3cret").await;
        let (_, answered) = tokio::join!(answer_once(listener, "<html>"), duo.enroll_status("DU1", "code"));
        assert!(answered.is_err());
    }

    #[test]
    fn requests_are_signed_in_canonical_form() {
        let body = encode(&[("username", "root"), ("realname", "First Last")]);
        assert_eq!(body, "realname=First%20Last&username=root");
        assert_eq!(date(1_345_570_158_000_000).expect("a date"), "Tue, 21 Aug 2012 17:29:18 +0000");
        let signature = sign("key", "Tue, 21 Aug 2012 17:29:18 -0000", "POST", "API.example.com", "/p", &body);
        let same = sign("key", "Tue, 21 Aug 2012 17:29:18 -0000", "POST", "api.example.com", "/p", &body);
        assert_eq!(signature, same);
        // Computed by another implementation.
        assert!(
            signature.starts_with("fd680c56c55779931c4483ff0874bc506cbd4bc3c7df02146ef0846c22588128"),
            "{signature}"
        );
    }
}
