//! Section `[egress]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Problem;
use crate::base::egress;

/// What the server may connect to because a blueprint or the database says so. What this configuration names itself,
/// such as the database and the sources in it, is not concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Egress {
    /// Networks (`10.0.0.0/8`) and hosts (`git.example.org`, `*.example.org`) that may be reached although they are
    /// private, loopback or otherwise not of the public internet.
    pub allow: Vec<String>,
    /// Whether nothing but what `allow` names may be reached.
    pub only: bool,
}

impl Egress {
    pub(super) fn check(&self) -> Vec<Problem> {
        let wrong = self.policy().err();
        wrong.map(|error| Problem::new("egress.allow", format!("does not fit: {error}"))).into_iter().collect()
    }

    /// The same as what connections are judged by.
    ///
    /// # Errors
    /// For an entry that means nothing; a loaded configuration has none.
    pub fn policy(&self) -> Result<egress::Egress, egress::RuleError> {
        egress::Egress::new(&self.allow, self.only)
    }
}
