//! What can be wrong with a configuration. Every message names the key, the place and the way out.

use std::fmt;

use super::Origin;

/// One mistake.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The configuration file cannot be read.
    #[error("{file}: the configuration file cannot be read: {error}; check --config and GATEWRIGHT_CONFIG")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        error: std::io::Error,
    },
    /// The configuration file is not TOML.
    #[error("{file}:{line}: not valid TOML: {reason}")]
    Syntax {
        /// The file.
        file: String,
        /// Line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },
    /// A name that is no key or section.
    #[error("{origin}: unknown key `{key}`; {}", suggestion(.nearest))]
    UnknownKey {
        /// As written, dotted.
        key: String,
        /// Where.
        origin: Origin,
        /// The key that is probably meant.
        nearest: Option<String>,
    },
    /// A `GATEWRIGHT_*` variable that sets nothing.
    #[error("unknown variable {name}; {}", suggestion(.nearest))]
    UnknownVariable {
        /// Its name.
        name: String,
        /// The variable that is probably meant.
        nearest: Option<String>,
    },
    /// A value of the wrong type or out of range. Never repeats a secret.
    #[error("{origin}: `{key}` {reason}")]
    Value {
        /// The key.
        key: String,
        /// Where it was set.
        origin: Origin,
        /// What is wrong and what would be right.
        reason: String,
    },
}

fn suggestion(nearest: &Option<String>) -> String {
    match nearest {
        Some(name) => format!("did you mean `{name}`?"),
        None => "remove it, or see `gatewright check` for all keys".into(),
    }
}

/// All mistakes of a configuration at once; at least one.
#[derive(Debug, thiserror::Error)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, error) in self.0.iter().enumerate() {
            if at > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        ConfigErrors(vec![error])
    }
}
