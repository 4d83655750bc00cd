//! The kind `authentik_stages_email.emailstage`: sends a link that proves possession of a mail address.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::mail;
use crate::model::{Change, Family, Key, Kind, Report, SecretText};

/// Sends the pending user a mail with a link, and goes on when the link is opened.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EmailStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Sends by the server's own mail settings, sender included; the connection fields below have no effect then.
    pub use_global_settings: bool,
    /// Host name of the mail server.
    #[schemars(length(min = 1))]
    pub host: String,
    /// Port of the mail server: 25 plain, 587 with STARTTLS, 465 with TLS from the start.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// User name at the mail server; empty sends without authentication.
    pub username: String,
    /// Password at the mail server.
    pub password: SecretText,
    /// Encrypts with STARTTLS after connecting.
    pub use_tls: bool,
    /// Encrypts from the start of the connection. Excludes `use_tls`.
    pub use_ssl: bool,
    /// Seconds to wait for the mail server.
    #[schemars(range(min = 0, max = 2147483647))]
    pub timeout: i32,
    /// Sender address.
    #[schemars(email, length(min = 1, max = 254))]
    pub from_address: String,
    /// Minutes for which the link is valid.
    #[schemars(range(min = 0, max = 2147483647))]
    pub token_expiry: i32,
    /// Subject of the mail.
    #[schemars(length(min = 1))]
    pub subject: String,
    /// Template of the mail: one that comes with the server, or a `.html` file below the configured template folder
    /// by its relative path. A `.txt` file of the same name becomes the plain-text part.
    #[schemars(length(min = 1))]
    pub template: String,
    /// Activates the user when the link is opened; for enrolment with inactive new users.
    pub activate_user_on_success: bool,
    /// Mails that one address gets within `recovery_cache_timeout` before further ones are refused (2025.8).
    #[schemars(range(min = 1, max = 2147483647))]
    pub recovery_max_attempts: i32,
    /// Time window in which mails to one address are counted, such as `minutes=5` (2025.8).
    #[schemars(length(min = 1))]
    pub recovery_cache_timeout: String,
}

impl Default for EmailStage {
    fn default() -> Self {
        EmailStage {
            name: String::new(),
            use_global_settings: false,
            host: "localhost".to_owned(),
            port: 25,
            username: String::new(),
            password: SecretText::default(),
            use_tls: false,
            use_ssl: false,
            timeout: 10,
            from_address: "system@authentik.local".to_owned(),
            token_expiry: 30,
            subject: "authentik".to_owned(),
            template: "email/password_reset.html".to_owned(),
            activate_user_on_success: false,
            recovery_max_attempts: 5,
            recovery_cache_timeout: "minutes=5".to_owned(),
        }
    }
}

impl Kind for EmailStage {
    const NAME: &'static str = "authentik_stages_email.emailstage";
    const TITLE: &'static str = "Email stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const CHANGES: &'static [Change] = &[Change::Converted {
        field: "token_expiry",
        release: "2025.8",
        convert: minutes_of_duration,
        shape: || json!({ "type": "string", "pattern": "=" }),
    }];

    fn check(&self, report: &mut Report) {
        mail::check_template(&self.template, report);
        mail::check_encryption(self.use_global_settings, self.use_tls, self.use_ssl, report);
    }
}

/// Later releases write the expiry as a duration (`hours=1;minutes=30`); part of a minute counts as a whole one.
fn minutes_of_duration(value: &Value) -> Option<Value> {
    let mut seconds: i64 = 0;
    for part in value.as_str()?.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let (unit, amount) = part.split_once('=')?;
        let length = match unit.trim() {
            "seconds" => 1,
            "minutes" => 60,
            "hours" => 60 * 60,
            "days" => 24 * 60 * 60,
            "weeks" => 7 * 24 * 60 * 60,
            _ => return None,
        };
        let amount: i64 = amount.trim().parse().ok()?;
        seconds = seconds.checked_add(amount.checked_mul(length)?)?;
    }
    Some(Value::from(seconds.checked_add(59)?.div_euclid(60)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stages::judge;

    #[test]
    fn a_template_is_shipped_or_an_html_file_inside_the_folder() {
        for (template, found) in [
            ("email/password_reset.html", vec![]),
            ("email/account_confirmation.html", vec![]),
            ("acme/welcome.html", vec![]),
            ("email/password.html", vec![]),
            ("email/pasword_reset.html", vec!["?template"]),
            ("email/password_reset", vec!["!template"]),
            ("../secret.html", vec!["!template"]),
            ("a\\..\\..\\secret.html", vec!["!template"]),
            ("/etc/motd.html", vec!["!template"]),
        ] {
            assert_eq!(judge::<EmailStage>(json!({ "template": template })), found, "{template}");
        }
    }

    #[test]
    fn one_way_to_encrypt_unless_the_server_decides() {
        let both = json!({ "use_tls": true, "use_ssl": true });
        assert_eq!(judge::<EmailStage>(both), ["?use_ssl"]);
        let global = json!({ "use_global_settings": true, "use_tls": true, "use_ssl": true });
        assert!(judge::<EmailStage>(global).is_empty());
    }

    #[test]
    fn an_expiry_of_a_later_release_becomes_minutes() {
        for (written, minutes) in [
            (json!("minutes=30"), json!(30)),
            (json!("hours=1;minutes=2"), json!(62)),
            (json!("days=1; seconds=1;"), json!(1441)),
        ] {
            assert_eq!(minutes_of_duration(&written), Some(minutes), "{written}");
        }
        for other in [json!(30), json!("soon"), json!("fortnights=1"), json!("weeks=9223372036854775807")] {
            assert_eq!(minutes_of_duration(&other), None, "{other}");
        }
    }
}
