//! The kind `authentik_stages_authenticator_static.authenticatorstaticstage`: hands out recovery codes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Report};

/// Length that a recovery code can have at most, in characters.
const LONGEST_CODE: u32 = 16;

/// Generates a set of recovery codes and shows them once.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorStaticStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user gets codes; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Number of codes in a set. Each is good for one sign-in.
    #[schemars(range(min = 0, max = 2147483647))]
    pub token_count: u32,
    /// Characters of each code, at most 16.
    #[schemars(range(min = 0, max = 2147483647))]
    pub token_length: u32,
}

impl Default for AuthenticatorStaticStage {
    fn default() -> Self {
        AuthenticatorStaticStage {
            name: String::new(),
            configure_flow: None,
            friendly_name: None,
            token_count: 6,
            token_length: 12,
        }
    }
}

impl Kind for AuthenticatorStaticStage {
    const NAME: &'static str = "authentik_stages_authenticator_static.authenticatorstaticstage";
    const TITLE: &'static str = "Static code setup stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];

    fn check(&self, report: &mut Report) {
        if self.token_count == 0 {
            report.warn("token_count", "is zero, so users leave the stage without a code; give at least 1");
        }
        if self.token_length == 0 {
            report.error("token_length", "is zero, and an empty code protects nothing; give 8 or more");
        }
        if self.token_length > LONGEST_CODE {
            report.warn("token_length", format!("exceeds the longest possible code of {LONGEST_CODE} characters"));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stages::judge;

    #[test]
    fn codes_protect_something() {
        assert!(judge::<AuthenticatorStaticStage>(json!({})).is_empty());
        assert_eq!(judge::<AuthenticatorStaticStage>(json!({ "token_length": 0 })), ["!token_length"]);
        assert_eq!(judge::<AuthenticatorStaticStage>(json!({ "token_length": 17 })), ["?token_length"]);
        assert_eq!(judge::<AuthenticatorStaticStage>(json!({ "token_count": 0 })), ["?token_count"]);
    }
}
