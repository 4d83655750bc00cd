//! Where addresses are: look-ups in databases of places and networks.

use std::{net::IpAddr, path::Path, sync::Arc};

use maxminddb::{Reader, geoip2};
use serde::{Deserialize, Serialize};

/// The databases, as far as there are any. Cheap to clone.
#[derive(Clone, Default)]
pub struct Places {
    city: Option<Arc<Reader<Vec<u8>>>>,
    asn: Option<Arc<Reader<Vec<u8>>>>,
}

/// Why an address cannot be looked up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the database of {what} cannot be read: {why}")]
pub struct PlaceError {
    what: &'static str,
    why: String,
}

/// Where an address is, as events and expressions show it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// Two letters.
    pub continent: Option<String>,
    /// Two letters of ISO 3166.
    pub country: Option<String>,
    /// Degrees.
    pub lat: Option<f64>,
    /// Degrees.
    pub long: Option<f64>,
    /// English name; may be empty.
    pub city: String,
}

/// The network that an address belongs to, as events and expressions show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Network {
    /// Number of the autonomous system.
    pub asn: u32,
    /// Its owner.
    pub as_org: Option<String>,
    /// The addresses around this one that belong to it.
    pub network: Option<String>,
}

impl std::fmt::Debug for Places {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let there = (self.city.is_some(), self.asn.is_some());
        f.debug_struct("Places").field("city", &there.0).field("asn", &there.1).finish()
    }
}

impl Places {
    /// Opens the databases that are given.
    ///
    /// # Errors
    /// When one cannot be read or is none.
    pub fn open(city: Option<&Path>, asn: Option<&Path>) -> Result<Places, PlaceError> {
        let open = |path: &Path, what| {
            let reader = Reader::open_readfile(path);
            reader.map(Arc::new).map_err(|error| PlaceError { what, why: format!("{}: {error}", path.display()) })
        };
        let city = city.map(|path| open(path, "places")).transpose()?;
        let asn = asn.map(|path| open(path, "networks")).transpose()?;
        Ok(Places { city, asn })
    }

    /// Whether there is a database of places.
    pub fn knows_places(&self) -> bool {
        self.city.is_some()
    }

    /// Whether there is a database of networks.
    pub fn knows_networks(&self) -> bool {
        self.asn.is_some()
    }

    /// Where an address is; nothing when that is not known or there is no database.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn place(&self, address: IpAddr) -> Result<Option<Place>, PlaceError> {
        let wrong = |error: maxminddb::MaxMindDbError| PlaceError { what: "places", why: error.to_string() };
        let Some(reader) = &self.city else { return Ok(None) };
        let found = reader.lookup(address).map_err(wrong)?;
        let Some(city) = found.decode::<geoip2::City<'_>>().map_err(wrong)? else { return Ok(None) };
        Ok(Some(Place {
            continent: city.continent.code.map(str::to_owned),
            country: city.country.iso_code.map(str::to_owned),
            lat: city.location.latitude,
            long: city.location.longitude,
            city: city.city.names.english.unwrap_or_default().to_owned(),
        }))
    }

    /// The network of an address; nothing when that is not known or there is no database.
    ///
    /// # Errors
    /// When the database is damaged.
    pub fn network(&self, address: IpAddr) -> Result<Option<Network>, PlaceError> {
        let wrong = |error: maxminddb::MaxMindDbError| PlaceError { what: "networks", why: error.to_string() };
        let Some(reader) = &self.asn else { return Ok(None) };
        let found = reader.lookup(address).map_err(wrong)?;
        let Some(asn) = found.decode::<geoip2::Asn<'_>>().map_err(wrong)? else { return Ok(None) };
        let Some(number) = asn.autonomous_system_number else { return Ok(None) };
        let network = found.network().map_err(wrong)?.to_string();
        let owner = asn.autonomous_system_organization.map(str::to_owned);
        Ok(Some(Network { asn: number, as_org: owner, network: Some(network) }))
    }
}
