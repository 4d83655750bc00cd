//! The kind `authentik_stages_captcha.captchastage`: tells people from programs.

use std::time::Duration;

use async_trait::async_trait;
use reqwest::{Method, Url};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::base::egress::Redirects;
use crate::expression::{Map, Value};
use crate::flows::{
    challenge::{Answer, Challenge, Errors},
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};
use crate::model::{Family, Key, Kind, Report, SecretText};

/// Threshold that switches its side of the score check off.
const OFF: f64 = -1.0;

/// Shows a captcha (reCAPTCHA, hCaptcha, Turnstile or a compatible service) and verifies the answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CaptchaStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Site key of the captcha service; it is part of the page.
    #[schemars(length(min = 1))]
    pub public_key: String,
    /// Secret key of the captcha service, sent when an answer is verified.
    #[schemars(length(min = 1))]
    pub private_key: SecretText,
    /// Shows the captcha for the user to act on, for services that do not decide unseen (after 2024.6).
    pub interactive: bool,
    /// URL of the script that draws the captcha.
    #[schemars(length(min = 1))]
    pub js_url: String,
    /// URL that answers are verified at; it receives the secret key.
    #[schemars(length(min = 1))]
    pub api_url: String,
    /// Lowest score that passes, for services that give one; −1 sets no lower bound.
    pub score_min_threshold: f64,
    /// Highest score that passes, for services that give one; −1 sets no upper bound.
    pub score_max_threshold: f64,
    /// Refuses answers that the service rejects or whose score is out of bounds. When off, the flow goes on and
    /// policies judge the reply, which they find as `captcha` in the flow's context.
    pub error_on_invalid_score: bool,
}

impl Default for CaptchaStage {
    fn default() -> Self {
        CaptchaStage {
            name: String::new(),
            public_key: String::new(),
            private_key: SecretText::default(),
            interactive: false,
            js_url: "https://www.recaptcha.net/recaptcha/api.js".to_owned(),
            api_url: "https://www.recaptcha.net/recaptcha/api/siteverify".to_owned(),
            score_min_threshold: 0.5,
            score_max_threshold: 1.0,
            error_on_invalid_score: true,
        }
    }
}

impl Kind for CaptchaStage {
    const NAME: &'static str = "authentik_stages_captcha.captchastage";
    const TITLE: &'static str = "Captcha stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "public_key", "private_key"];

    fn check(&self, report: &mut Report) {
        let bounded = self.score_min_threshold != OFF && self.score_max_threshold != OFF;
        if bounded && self.score_min_threshold > self.score_max_threshold {
            report.warn(
                "score_min_threshold",
                "exceeds `score_max_threshold`, so no score passes; swap the two, or set one to -1",
            );
        }
        if !self.api_url.starts_with("https://") {
            report.warn("api_url", "is no https address, so the secret key would travel in clear or not at all");
        }
    }
}

/// Shows the captcha, and has the service judge the answer.
pub(super) struct Behaviour;

/// How long the service may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most that is read of its reply, in bytes.
const LONGEST: usize = 64 * 1024;
const FAILED: &str = "Failed to validate token";

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        let declared: CaptchaStage = at.declared()?;
        Ok(Next::Ask(page(&declared)))
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let declared: CaptchaStage = at.declared()?;
        let mut errors = Errors::default();
        let Some(token) = answer.text("token", &mut errors) else { return Ok(Next::Wrong(page(&declared), errors)) };
        let reply = match ask(at, &declared, &token).await {
            Ok(reply) => reply,
            Err(why) => {
                tracing::warn!(stage = at.name(), why, "the captcha service cannot be asked");
                return Ok(Next::Wrong(page(&declared), Errors::of("token", FAILED)));
            }
        };
        if declared.error_on_invalid_score
            && let Err(text) = declared.judge(&reply)
        {
            return Ok(Next::Wrong(page(&declared), Errors::of("token", text)));
        }
        let stage = at.stage.map(|stage| stage.id.to_string()).unwrap_or_default();
        let reply = Value::from_json(reply).unwrap_or_default();
        let known = Map::from_iter([("response".to_owned(), reply), ("stage".to_owned(), stage.into())]);
        at.plan.context.insert("captcha".to_owned(), known.into());
        Ok(Next::Passed(at.prove(Evidence::Captcha)))
    }
}

fn page(declared: &CaptchaStage) -> Challenge {
    let fields = json!({ "site_key": declared.public_key, "js_url": declared.js_url });
    Challenge::new("ak-stage-captcha", fields)
}

/// The service's reply, or why there is none.
async fn ask(at: &StageContext<'_>, declared: &CaptchaStage, token: &str) -> Result<Json, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let secret = at.secret("private_key").await.map_err(|error| text(&error))?;
    let secret = secret.ok_or_else(|| "the stage has no private key".to_owned())?;
    let remote = at.visit.client.to_string();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("secret", &secret)
        .append_pair("response", token)
        .append_pair("remoteip", &remote)
        .finish();
    let url: Url = declared.api_url.parse().map_err(|error| text(&error))?;
    // The secret goes to the address that was declared and nowhere else.
    let client = at.world.means().egress.client(Redirects::Never, |builder| builder.timeout(PATIENCE));
    let client = client.map_err(|error| text(&error))?;
    let request = client.request(Method::POST, url).map_err(|error| text(&error))?;
    let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
    let mut response = request.send().await.map_err(|error| text(&error.without_url()))?;
    if !response.status().is_success() {
        return Err(format!("it answers with status {}", response.status()));
    }
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| text(&error.without_url()))? {
        body.extend_from_slice(&part);
        if body.len() > LONGEST {
            return Err("its reply is too long".to_owned());
        }
    }
    let reply: Json = serde_json::from_slice(&body).map_err(|error| text(&error))?;
    if reply.is_object() { Ok(reply) } else { Err("its reply is no object".to_owned()) }
}

impl CaptchaStage {
    /// Whether a reply lets somebody pass; if not, what is said.
    fn judge(&self, reply: &Json) -> Result<(), String> {
        if reply.get("success") != Some(&Json::Bool(true)) {
            let codes = reply.get("error-codes").and_then(Json::as_array).into_iter().flatten();
            let codes: Vec<&str> = codes.filter_map(Json::as_str).collect();
            return Err(format!("{FAILED}: {}", codes.join(", ")));
        }
        let Some(score) = reply.get("score").and_then(Json::as_f64) else { return Ok(()) };
        let above = self.score_max_threshold != OFF && score > self.score_max_threshold;
        let below = self.score_min_threshold != OFF && score < self.score_min_threshold;
        if above || below { Err("Invalid captcha response".to_owned()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::judge;

    #[test]
    fn some_score_can_pass() {
        let stage = |min, max| judge::<CaptchaStage>(json!({ "score_min_threshold": min, "score_max_threshold": max }));
        assert!(stage(0.5, 1.0).is_empty());
        assert!(stage(0.5, -1.0).is_empty());
        assert_eq!(stage(0.9, 0.1), ["?score_min_threshold"]);
        assert_eq!(judge::<CaptchaStage>(json!({ "api_url": "http://captcha.example.com" })), ["?api_url"]);
    }

    #[test]
    fn a_reply_says_yes_and_with_enough_points() {
        let judge = |min: f64, max: f64, reply: Json| {
            let stage = CaptchaStage { score_min_threshold: min, score_max_threshold: max, ..CaptchaStage::default() };
            stage.judge(&reply).err().unwrap_or_default()
        };
        let invalid = "Invalid captcha response";
        for (min, max, reply, expected) in [
            (0.5, 1.0, json!({ "success": true }), ""),
            (0.5, 1.0, json!({ "success": true, "score": 0.7 }), ""),
            (0.5, 1.0, json!({ "success": true, "score": 0.4 }), invalid),
            (-1.0, 0.3, json!({ "success": true, "score": 0.4 }), invalid),
            (-1.0, -1.0, json!({ "success": true, "score": 0.0 }), ""),
            (0.5, 1.0, json!({ "success": "true" }), "Failed to validate token: "),
            (0.5, 1.0, json!({}), "Failed to validate token: "),
            (
                0.5,
                1.0,
                json!({ "success": false, "error-codes": ["timeout-or-duplicate", "x"] }),
                "Failed to validate token: timeout-or-duplicate, x",
            ),
        ] {
            assert_eq!(judge(min, max, reply.clone()), expected, "{reply}");
        }
    }
}
