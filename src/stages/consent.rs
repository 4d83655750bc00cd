//! The kind `authentik_stages_consent.consentstage`: asks whether an application may have what it wants.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Asks the user to agree to what an application will learn, and remembers the answer.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ConsentStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// How long an answer is remembered.
    pub mode: Mode,
    /// Time after which a remembered answer expires, for `mode: expiring`; such as `weeks=4` or `hours=1;minutes=30`.
    #[schemars(length(min = 1))]
    pub consent_expire_in: String,
}

impl Default for ConsentStage {
    fn default() -> Self {
        ConsentStage { name: String::new(), mode: Mode::Expiring, consent_expire_in: "weeks=4".to_owned() }
    }
}

impl Kind for ConsentStage {
    const NAME: &'static str = "authentik_stages_consent.consentstage";
    const TITLE: &'static str = "Consent stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// How long an answer is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Not at all: every authorization asks.
    AlwaysRequire,
    /// Until it is revoked or the application asks for something else.
    Permanent,
    /// For the time in `consent_expire_in`.
    Expiring,
}
