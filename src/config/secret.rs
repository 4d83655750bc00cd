//! The one secret that configuration itself carries.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};
use zeroize::Zeroizing;

/// Characters that a key must have at least; shorter ones can be guessed.
const SHORTEST: usize = 16;

/// The server's secret key. It does not print and is wiped when dropped.
#[derive(Clone)]
pub struct SecretKey(Zeroizing<String>);

impl SecretKey {
    /// Takes a key; surrounding white space, such as the line break at the end of a file, is not part of it.
    ///
    /// # Errors
    /// When it is too short, in words that do not repeat it.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        match text.chars().count() {
            SHORTEST.. => Ok(SecretKey(Zeroizing::new(text.to_owned()))),
            count => Err(format!("has {count} characters; a key needs at least {SHORTEST}, better 50 random ones")),
        }
    }

    /// The key itself, for the code that derives the sealing keys from it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl<'de> Deserialize<'de> for SecretKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        SecretKey::new(&text).map_err(de::Error::custom)
    }
}

impl JsonSchema for SecretKey {
    fn schema_name() -> Cow<'static, str> {
        "SecretKey".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": SHORTEST })
    }
}
