//! What an operator can set: flags over `GATEWRIGHT_*` variables over a TOML file over defaults.
//!
//! The structs of this floor are the only table of keys. A new key is one documented field of its section (and its
//! value in `Default`); its name in the file, its variable, its type checks and its row in [`Config::report`] follow
//! from the field. Nothing here reads the process's environment or working directory by itself, except
//! [`Environment::of_process`] and [`ConfigFile::find`], which the command line calls once.
//!
//! ```toml
//! listen = "127.0.0.1:9000"          # GATEWRIGHT_LISTEN
//!
//! [database]
//! url = "sqlite://gatewright.db"     # GATEWRIGHT_DATABASE_URL
//!
//! [blueprints]
//! dirs = ["blueprints"]              # GATEWRIGHT_BLUEPRINTS_DIRS=blueprints,more
//! context = { domain = "acme.test" } # GATEWRIGHT_BLUEPRINTS_CONTEXT=domain=acme.test
//! ```

pub mod blueprints;
pub mod database;
pub mod egress;
mod environment;
mod error;
mod file;
mod keys;
mod load;
pub mod log;
pub mod lookups;
mod secret;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

pub use environment::Environment;
pub use error::{ConfigError, ConfigErrors};
pub use file::ConfigFile;
pub use load::{Flag, load};
pub use secret::SecretKey;

/// The effective configuration of a process.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where the server accepts connections: address and port.
    pub listen: SocketAddr,
    /// The key that seals secrets in the database and signs cookies, at least 16 characters. Without it and without
    /// `secret_key_file`, a key is generated and kept in a file next to the database.
    #[schemars(extend("x-secret" = "value"))]
    pub secret_key: Option<SecretKey>,
    /// A file that holds the key of `secret_key`.
    pub secret_key_file: Option<PathBuf>,
    /// The database.
    pub database: database::Database,
    /// The blueprints that the server applies.
    pub blueprints: blueprints::Blueprints,
    /// Folder for what is fetched from sources; by default next to an SQLite database, else among the temporary files.
    pub cache: Option<PathBuf>,
    /// Sources of blueprints by name: `type` is directory, git, oci or inline, and the other keys are the fields of that
    /// kind. `{ env = "NAME" }` and `{ file = "PATH" }` stand for values that are read when the server starts.
    #[schemars(extend("x-secret" = "value"))]
    pub sources: BTreeMap<String, Map<String, Value>>,
    /// What the server may connect to.
    pub egress: egress::Egress,
    /// Files in which policies look things up.
    pub lookups: lookups::Lookups,
    /// The log.
    pub log: log::Log,
    #[serde(skip)]
    rows: Vec<Row>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            secret_key: None,
            secret_key_file: None,
            database: database::Database::default(),
            blueprints: blueprints::Blueprints::default(),
            cache: None,
            sources: BTreeMap::new(),
            egress: egress::Egress::default(),
            lookups: lookups::Lookups::default(),
            log: log::Log::default(),
            rows: Vec::new(),
        }
    }
}

impl Config {
    /// Every key in the order of the structs with its effective value, secrets hidden, and where it was set. A map
    /// has a row for each of its entries. Empty for a configuration that was not loaded.
    pub fn report(&self) -> &[Row] {
        &self.rows
    }

    /// What the types cannot say. Each problem names the key to blame.
    fn check(&self) -> Vec<Problem> {
        let mut problems = self.database.check();
        problems.extend(self.blueprints.check());
        problems.extend(self.egress.check());
        problems.extend(self.log.check());
        if self.secret_key.is_some() && self.secret_key_file.is_some() {
            problems.push(Problem::new("secret_key_file", "contradicts `secret_key`; set only one of the two"));
        }
        problems
    }
}

/// A value that has the right type and is wrong all the same.
struct Problem {
    key: &'static str,
    reason: String,
}

impl Problem {
    fn new(key: &'static str, reason: impl Into<String>) -> Self {
        Problem { key, reason: reason.into() }
    }
}

/// One line of [`Config::report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Dotted name, as in the file.
    pub key: String,
    /// Effective value as JSON prints it; `(secret)` in place of secrets, `(not set)` without a value.
    pub value: String,
    /// Where it was set.
    pub origin: Origin,
}

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nowhere.
    Default,
    /// In the configuration file.
    File {
        /// Its name.
        name: String,
        /// Line, from 1.
        line: usize,
    },
    /// In the environment: the name of the variable.
    Variable(String),
    /// On the command line: the flag as typed, `--listen`.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { name, line } => write!(f, "{name}:{line}"),
            Origin::Variable(name) => write!(f, "variable {name}"),
            Origin::Flag(name) => write!(f, "flag {name}"),
        }
    }
}
