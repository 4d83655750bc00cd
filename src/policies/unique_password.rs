//! The kind `authentik_policies_unique_password.uniquepasswordpolicy` (2025.4): refuses passwords used before.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    engine::{Policy, PolicyContext, PolicyError, Verdict},
    password,
};
use crate::{
    model::{Family, Key, Kind, Report, SecretState},
    store::{Checked, try_password},
};

/// Refuses a new password that the user has used before.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UniquePasswordPolicy {
    /// Name of the policy, unique among all policies.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Writes an event for every run; without it only failures leave one.
    pub execution_logging: bool,
    /// Key of the prompt field that holds the password.
    #[schemars(length(min = 1))]
    pub password_field: String,
    /// Number of earlier passwords that are kept, as salted hashes, and compared.
    #[schemars(range(min = 0, max = i32::MAX))]
    pub num_historical_passwords: i32,
}

impl Default for UniquePasswordPolicy {
    fn default() -> Self {
        UniquePasswordPolicy {
            name: String::new(),
            execution_logging: false,
            password_field: "password".to_owned(),
            num_historical_passwords: 1,
        }
    }
}

impl Kind for UniquePasswordPolicy {
    const NAME: &'static str = "authentik_policies_unique_password.uniquepasswordpolicy";
    const TITLE: &'static str = "Unique password policy";
    const FAMILIES: &'static [Family] = &[Family::Policy];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Policy)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const READ_ONLY: &'static [&'static str] = &["bound_to"];

    fn check(&self, report: &mut Report) {
        if self.num_historical_passwords == 0 {
            report.warn("num_historical_passwords", "no earlier password is compared, so the policy always passes");
        }
    }
}

/// Compares a new password with the present one and those before it.
pub(super) struct Behaviour;

#[async_trait]
impl Policy for Behaviour {
    async fn judge(&self, at: &mut PolicyContext<'_, '_>) -> Result<Verdict, PolicyError> {
        let declared: UniquePasswordPolicy = at.declared()?;
        let Some(password) = password::typed(at.request, &declared.password_field) else {
            return Ok(Verdict::failing("Password not set in context"));
        };
        // Whoever is about to get an account has used no password yet.
        let Some(person) = at.request.subject.person() else { return Ok(Verdict::silent(true)) };
        let wanted = usize::try_from(declared.num_historical_passwords).unwrap_or(0);
        let mut hashes = match person.object.secrets.get("password") {
            Some(SecretState::Password(hash)) => vec![hash.clone()],
            _ => Vec::new(),
        };
        hashes.extend(at.world.store().former_passwords(person.id(), wanted).await?);
        hashes.truncate(wanted);
        for hash in &hashes {
            let checked = try_password(Some(hash), &password).await;
            if checked.map_err(|error| PolicyError::Broken(error.to_string()))? != Checked::Wrong {
                return Ok(Verdict::failing("This password was used before. Please choose another one."));
            }
        }
        Ok(Verdict::silent(true))
    }
}
