//! Which configuration file is read.

use std::path::Path;

use super::{ConfigError, Environment};

/// Read when neither `--config` nor `GATEWRIGHT_CONFIG` names another file.
const DEFAULT: &str = "gatewright.toml";

/// The text of a configuration file.
#[derive(Clone, Debug)]
pub struct ConfigFile {
    /// Its path as given.
    pub name: String,
    /// Its content.
    pub text: String,
}

impl ConfigFile {
    /// Reads the file that `--config` (`flag`) names, else `GATEWRIGHT_CONFIG`, else `gatewright.toml` in `directory`.
    /// Only the last may be absent.
    ///
    /// # Errors
    /// When the file cannot be read or is not UTF-8.
    pub fn find(flag: Option<&Path>, environment: &Environment, directory: &Path) -> Result<Option<Self>, ConfigError> {
        let named = flag.or_else(|| environment.get("GATEWRIGHT_CONFIG").map(Path::new));
        let path = named.unwrap_or(Path::new(DEFAULT));
        match std::fs::read_to_string(directory.join(path)) {
            Ok(text) => Ok(Some(ConfigFile { name: path.display().to_string(), text })),
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ConfigError::Unreadable { file: path.display().to_string(), error }),
        }
    }
}
