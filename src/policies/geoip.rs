//! The kind `authentik_policies_geoip.geoippolicy` (2024.8): decides by where a request comes from.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::engine::{Policy, PolicyContext, PolicyError, Verdict};
use crate::{
    identity::place::Place,
    model::{Family, Key, Kind, Report},
    store::EventFilter,
};

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

/// Radius of the earth in kilometres.
const RADIUS: f64 = 6371.0;
/// How fast people travel, in kilometres an hour.
const TRAVEL: f64 = 1000.0;
/// An hour in microseconds.
const HOUR: i64 = 3_600_000_000;

/// Looks the address up and compares.
pub(super) struct Behaviour;

#[async_trait]
impl Policy for Behaviour {
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError> {
        let declared: GeoIpPolicy = at.declared()?;
        let Some(visit) = at.request.visit else {
            return Err(PolicyError::Broken("there is no request whose place could be looked up".to_owned()));
        };
        let wrong = |error: crate::identity::place::PlaceError| PolicyError::Broken(error.to_string());
        let places = &at.world.means().places;
        let place = places.place(visit.client).map_err(wrong)?;
        let network = places.network(visit.client).map_err(wrong)?;
        let verdict = declared.is_listed(place.as_ref(), network.map(|network| network.asn))?;
        if !verdict.passing || !(declared.check_history_distance || declared.check_impossible_travel) {
            return Ok(verdict);
        }
        let Some(person) = at.request.subject.id() else { return Ok(verdict) };
        let limit = u32::try_from(declared.history_login_count).unwrap_or(0);
        if limit == 0 {
            return Ok(verdict);
        }
        let filter = EventFilter { action: Some("login"), person: Some(person), after: None, limit };
        let logins = at.world.store().events(&filter).await?;
        let earlier = logins.iter().filter_map(|login| {
            let place: Place = serde_json::from_value(login.context.get("geo")?.clone()).ok()?;
            Some((login.at, (place.lat?, place.long?)))
        });
        Ok(declared.could_come(place.as_ref(), earlier, at.world.now()))
    }
}

impl GeoIpPolicy {
    /// Whether the network or the country is among the listed ones. What is listed but cannot be looked up breaks the policy,
    /// unless the other list lets the request pass.
    fn is_listed(&self, place: Option<&Place>, asn: Option<u32>) -> Result<Verdict, PolicyError> {
        if self.asns.is_empty() && self.countries.is_empty() {
            return Ok(Verdict::silent(true));
        }
        let country = place.and_then(|place| place.country.as_deref());
        let of_network = asn.is_some_and(|asn| self.asns.contains(&i64::from(asn)));
        let of_country = country.is_some_and(|country| self.countries.iter().any(|listed| listed == country));
        if of_network || of_country {
            return Ok(Verdict::silent(true));
        }
        if !self.asns.is_empty() && asn.is_none() {
            return Err(PolicyError::Broken("the network of the address is not known".to_owned()));
        }
        if !self.countries.is_empty() && country.is_none() {
            return Err(PolicyError::Broken("the country of the address is not known".to_owned()));
        }
        let mut messages = Vec::new();
        if let Some(asn) = asn.filter(|_| !self.asns.is_empty()) {
            messages.push(format!("Requests from the network AS{asn} are not allowed here."));
        }
        if let Some(country) = country.filter(|_| !self.countries.is_empty()) {
            messages.push(format!("Requests from {country} are not allowed here."));
        }
        Ok(Verdict { messages, ..Verdict::default() })
    }

    /// Whether the place is near the earlier ones, or could be reached from them in the time.
    fn could_come(&self, place: Option<&Place>, earlier: impl Iterator<Item = (i64, (f64, f64))>, now: i64) -> Verdict {
        let here = place.and_then(|place| Some((place.lat?, place.long?)));
        for (at, there) in earlier {
            let Some(here) = here else { return Verdict::failing("The place of the request is not known.") };
            let distance = distance(here, there);
            let near = self.history_max_distance_km as f64 + f64::from(self.distance_tolerance_km);
            if self.check_history_distance && distance > near {
                return Verdict::failing("The request comes from far away of where you signed in before.");
            }
            let hours = now.saturating_sub(at).div_euclid(HOUR).max(1);
            let reach = TRAVEL * hours as f64 + f64::from(self.impossible_tolerance_km);
            if self.check_impossible_travel && distance > reach {
                return Verdict::failing("You cannot have travelled here since you last signed in.");
            }
        }
        Verdict::silent(true)
    }
}

/// Kilometres between two places, each given as degrees of latitude and longitude.
fn distance(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (from_lat, to_lat) = (from.0.to_radians(), to.0.to_radians());
    let (north, east) = ((to_lat - from_lat) / 2.0, (to.1 - from.1).to_radians() / 2.0);
    let chord = north.sin().powi(2) + from_lat.cos() * to_lat.cos() * east.sin().powi(2);
    2.0 * RADIUS * chord.sqrt().clamp(0.0, 1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OSLO: (f64, f64) = (59.91, 10.75);
    const NICE: (f64, f64) = (43.70, 7.27);

    fn place(country: &str, at: Option<(f64, f64)>) -> Place {
        let (lat, long) = (at.map(|at| at.0), at.map(|at| at.1));
        Place { country: Some(country.to_owned()), lat, long, ..Place::default() }
    }

    #[test]
    fn one_list_that_fits_is_enough_and_what_is_not_known_breaks() {
        let policy = |asns: &[i64], countries: &[&str]| GeoIpPolicy {
            asns: asns.to_vec(),
            countries: countries.iter().map(|&country| country.to_owned()).collect(),
            ..GeoIpPolicy::default()
        };
        type Case<'a> = (GeoIpPolicy, Option<&'a str>, Option<u32>, Option<bool>);
        let table: [Case<'_>; 9] = [
            (policy(&[], &[]), None, None, Some(true)),
            (policy(&[1], &[]), None, Some(1), Some(true)),
            (policy(&[1], &[]), Some("NO"), Some(2), Some(false)),
            (policy(&[1], &[]), Some("NO"), None, None),
            (policy(&[], &["NO"]), Some("NO"), None, Some(true)),
            (policy(&[], &["NO"]), Some("FR"), None, Some(false)),
            (policy(&[], &["NO"]), None, Some(1), None),
            (policy(&[1], &["NO"]), Some("NO"), None, Some(true)),
            (policy(&[1], &["NO"]), Some("FR"), None, None),
        ];
        for (policy, country, asn, expected) in table {
            let found = country.map(|country| place(country, None));
            let verdict = policy.is_listed(found.as_ref(), asn).ok().map(|verdict| verdict.passing);
            assert_eq!(verdict, expected, "{policy:?} {country:?} {asn:?}");
        }
    }

    #[test]
    fn nobody_travels_from_oslo_to_nice_within_the_hour() {
        assert!((distance(OSLO, NICE) - 1818.0).abs() < 10.0, "{}", distance(OSLO, NICE));
        let policy = |history: bool, travel: bool| GeoIpPolicy {
            check_history_distance: history,
            check_impossible_travel: travel,
            ..GeoIpPolicy::default()
        };
        let here = place("FR", Some(NICE));
        let table = [
            (policy(false, true), Some(&here), vec![(1, OSLO)], false),
            (policy(false, true), Some(&here), vec![(2, OSLO)], true),
            (policy(false, true), Some(&here), vec![(2, OSLO), (1, OSLO)], false),
            (policy(true, false), Some(&here), vec![(9, OSLO)], false),
            (policy(true, true), Some(&here), vec![(1, NICE)], true),
            (policy(true, true), Some(&here), vec![], true),
            (policy(true, true), None, vec![], true),
            (policy(true, true), None, vec![(1, NICE)], false),
        ];
        for (policy, here, earlier, passing) in table {
            let now = 100 * HOUR;
            let logins = earlier.iter().map(|(hours, there)| (now - hours * HOUR, *there));
            assert_eq!(policy.could_come(here, logins, now).passing, passing, "{policy:?} {earlier:?}");
        }
    }
}
