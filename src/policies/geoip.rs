//! The kind `authentik_policies_geoip.geoippolicy` (2024.8): decides by where a request comes from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Report};

/// Decides by where a request comes from: by its network or country, and by how that fits the user's last sign-ins.
/// Needs a geographical database; without one the policy fails.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GeoIpPolicy {
    /// Name of the policy, unique among all policies.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// Numbers of the networks (autonomous systems) that pass. Being in one of them or in one of `countries` is enough.
    #[schemars(inner(range(min = 0, max = u32::MAX)))]
    pub asns: Vec<i64>,
    /// Countries that pass, as two-letter codes of ISO 3166.
    #[schemars(inner(regex(pattern = "^[A-Z]{2}$")))]
    pub countries: Vec<String>,
    /// Fails when the place is too far from the places of earlier sign-ins.
    pub check_history_distance: bool,
    /// Distance from earlier sign-ins that is still fine, in kilometres.
    #[schemars(range(min = 0, max = i64::MAX))]
    pub history_max_distance_km: i64,
    /// Inaccuracy of the database that is added to the distance from earlier sign-ins, in kilometres.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub distance_tolerance_km: i32,
    /// Number of earlier sign-ins that are looked at.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub history_login_count: i32,
    /// Fails when nobody could have travelled here from the place of an earlier sign-in in the time since, at 1000 km
    /// an hour.
    pub check_impossible_travel: bool,
    /// Inaccuracy of the database that is added to the distance that can be travelled, in kilometres.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub impossible_tolerance_km: i32,
}

impl Default for GeoIpPolicy {
    fn default() -> Self {
        GeoIpPolicy {
            name: String::new(),
            execution_logging: false,
            asns: Vec::new(),
            countries: Vec::new(),
            check_history_distance: false,
            history_max_distance_km: 100,
            distance_tolerance_km: 50,
            history_login_count: 5,
            check_impossible_travel: false,
            impossible_tolerance_km: 100,
        }
    }
}

impl Kind for GeoIpPolicy {
    const NAME: &'static str = "authentik_policies_geoip.geoippolicy";
    const TITLE: &'static str = "GeoIP policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] = &["bound_to", "countries_obj"];

    fn check(&self, report: &mut Report) {
        let looks_back = self.check_history_distance || self.check_impossible_travel;
        if self.asns.is_empty() && self.countries.is_empty() && !looks_back {
            report.warn(
                "countries",
                "every check is off, so the policy passes for everybody; list networks or countries",
            );
        }
        if looks_back && self.history_login_count == 0 {
            report.warn("history_login_count", "no earlier sign-in is looked at, so the checks on them always pass");
        }
    }
}
