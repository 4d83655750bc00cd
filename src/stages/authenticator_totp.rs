//! The kind `authentik_stages_authenticator_totp.authenticatortotpstage`: enrols an authenticator app.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::model::{Change, Family, Key, Kind, Ref, Reference};

/// Enrols an authenticator app that computes time-based one-time codes (SHA-1, 30 seconds).
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorTotpStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user enrols an app; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Digits of a code. Many apps compute 6 whatever they are told; a change concerns devices enrolled afterwards.
    pub digits: Digits,
}

impl Kind for AuthenticatorTotpStage {
    const NAME: &'static str = "authentik_stages_authenticator_totp.authenticatortotpstage";
    const TITLE: &'static str = "TOTP setup stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "digits"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];
    const CHANGES: &'static [Change] = &[Change::Converted {
        field: "digits",
        release: "2023.3",
        convert: digits_of_number,
        shape: || json!({ "enum": [6, 8] }),
    }];
}

/// Digits of a one-time code, as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Digits {
    /// Six digits, which every app computes.
    #[default]
    #[serde(rename = "6")]
    Six,
    /// Eight digits.
    #[serde(rename = "8")]
    Eight,
}

/// Files write the digits as a number as often as in quotes.
fn digits_of_number(value: &Value) -> Option<Value> {
    value.as_i64().map(|digits| Value::String(digits.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_text_and_numbers_become_text() {
        for (written, read) in [(json!(6), Some(Digits::Six)), (json!(8), Some(Digits::Eight)), (json!(7), None)] {
            let text = digits_of_number(&written).expect("a number is converted");
            assert_eq!(serde_json::from_value(text).ok(), read);
        }
        assert_eq!(digits_of_number(&json!("6")), None);
        assert_eq!(digits_of_number(&json!(6.0)), None);
    }
}
