//! The kind `authentik_stages_captcha.captchastage`: tells people from programs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use serde_json::json;

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
}
