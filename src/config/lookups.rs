//! Section `[lookups]`.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Files in which policies look things up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Lookups {
    /// Database of places by address, in MaxMind's format (GeoLite2 City or alike).
    pub city: Option<PathBuf>,
    /// Database of networks by address, in MaxMind's format (GeoLite2 ASN or alike).
    pub asn: Option<PathBuf>,
    /// Passwords known from leaks: a line `SHA1:COUNT` for each, in capitals, ordered by hash, as haveibeenpwned.com gives it
    /// out. With it, no server is asked.
    pub breached_passwords: Option<PathBuf>,
}
