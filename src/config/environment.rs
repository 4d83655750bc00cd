//! The environment as a value, so that nothing below the command line depends on the process it runs in.

use std::{collections::BTreeMap, ffi::OsString};

/// Environment variables.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The variables of this process. Call it once, in the command line.
    #[allow(clippy::disallowed_methods, reason = "the one place that reads the environment of the process")]
    pub fn of_process() -> Self {
        std::env::vars_os().collect()
    }

    /// The value of a variable, if it is set and is text.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(std::ffi::OsStr::new(name))?.to_str()
    }

    /// Variables whose name is text, in order of the names; none as value where it is not text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0.iter().filter_map(|(name, value)| Some((name.to_str()?, value.to_str())))
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Environment(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
