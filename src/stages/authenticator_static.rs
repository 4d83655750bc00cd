//! The kind `authentik_stages_authenticator_static.authenticatorstaticstage`: hands out recovery codes.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use super::{
    devices::{self, Enrolment, Holder},
    one_time,
    static_device::StaticDevice,
};
use crate::{
    flows::{
        challenge::{Answer, Challenge},
        stage::{Next, Stage, StageContext, StageError},
    },
    model::{Family, Key, Kind, Ref, Reference, Report},
};

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

/// Shows new codes, and keeps them once that is confirmed.
pub(super) struct Behaviour;

/// What the step remembers: the codes.
const SHOWN: &str = "codes";
/// The most codes that a set has, whatever is declared.
const MOST: u32 = 1000;
/// What codes consist of.
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        match devices::holder(at).await? {
            Holder::Person(_) => {
                let codes = shown(at)?;
                Ok(Next::Ask(Challenge::new("ak-stage-authenticator-static", json!({ "codes": codes }))))
            }
            Holder::Nobody => at.done(),
            Holder::Unsaved => Ok(Next::Refused("No pending user.".to_owned())),
        }
    }

    async fn answer(&self, at: &mut StageContext<'_>, _answer: Answer) -> Result<Next, StageError> {
        let Holder::Person(person) = devices::holder(at).await? else { return self.challenge(at).await };
        if !at.memory().contains_key(SHOWN) {
            // Nobody has seen them yet.
            return self.challenge(at).await;
        }
        let digests: Vec<String> = shown(at)?.iter().map(|code| one_time::digest(code)).collect();
        let enrolment = Enrolment {
            id: devices::planned_id(at),
            name: "Static Token",
            attrs: Map::new(),
            edges: Default::default(),
            secrets: [("codes", json!(digests).to_string())].into(),
        };
        devices::enrol::<StaticDevice>(at, &person, enrolment).await?;
        at.done()
    }
}

/// The codes that are shown for as long as the step lasts.
fn shown(at: &mut StageContext<'_>) -> Result<Vec<String>, StageError> {
    if let Some(codes) = at.memory().get(SHOWN).and_then(Json::as_array) {
        return Ok(codes.iter().filter_map(Json::as_str).map(str::to_owned).collect());
    }
    let declared: AuthenticatorStaticStage = at.declared()?;
    let length = declared.token_length.clamp(1, LONGEST_CODE);
    let codes = (0..declared.token_count.min(MOST)).map(|_| code(length)).collect::<Result<Vec<_>, _>>()?;
    at.memory().insert(SHOWN.to_owned(), json!(codes));
    devices::planned_id(at);
    Ok(codes)
}

fn code(length: u32) -> Result<String, StageError> {
    let mut code = String::new();
    while code.len() < length as usize {
        for byte in devices::random::<32>()? {
            // 248 is the last multiple of 62 below 256: beyond, some letters would be likelier than others.
            if byte < 248 && code.len() < length as usize {
                code.push(char::from(LETTERS[usize::from(byte) % LETTERS.len()]));
            }
        }
    }
    Ok(code)
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
