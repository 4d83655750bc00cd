//! The kind `authentik_stages_user_login.userloginstage`: starts a session.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind};

/// Signs the pending user in.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UserLoginStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Time for which the session lasts, such as `hours=8`; `seconds=0` lasts until the browser closes.
    #[schemars(length(min = 1))]
    pub session_duration: String,
    /// Ends the user's other sessions.
    pub terminate_other_sessions: bool,
    /// Time by which the session is prolonged for users who choose to stay signed in, such as `days=30`; `seconds=0`
    /// does not offer the choice.
    #[schemars(length(min = 1))]
    pub remember_me_offset: String,
    /// Ends the session when the network that it is used from changes.
    pub network_binding: NetworkBinding,
    /// Ends the session when the place that it is used from changes, as far as the address tells it.
    pub geoip_binding: GeoipBinding,
    /// Time for which the browser counts as known to policies after a sign-in, such as `days=30` (2025.8).
    #[schemars(length(min = 1))]
    pub remember_device: String,
}

impl Default for UserLoginStage {
    fn default() -> Self {
        UserLoginStage {
            name: String::new(),
            session_duration: "seconds=0".to_owned(),
            terminate_other_sessions: false,
            remember_me_offset: "seconds=0".to_owned(),
            network_binding: NetworkBinding::NoBinding,
            geoip_binding: GeoipBinding::NoBinding,
            remember_device: "days=30".to_owned(),
        }
    }
}

impl Kind for UserLoginStage {
    const NAME: &'static str = "authentik_stages_user_login.userloginstage";
    const TITLE: &'static str = "User login stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
}

/// How closely a session is bound to the network that it started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NetworkBinding {
    /// Not at all.
    NoBinding,
    /// To the operator's autonomous system.
    BindAsn,
    /// To the autonomous system and the network within it.
    BindAsnNetwork,
    /// To the exact address.
    BindAsnNetworkIp,
}

/// How closely a session is bound to the place that it started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GeoipBinding {
    /// Not at all.
    NoBinding,
    /// To the continent.
    BindContinent,
    /// To the country.
    BindContinentCountry,
    /// To the city.
    BindContinentCountryCity,
}
