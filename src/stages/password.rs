//! The kind `authentik_stages_password.passwordstage`: asks for a password and checks it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Ref, Reference, Report};

/// Asks the pending user for a password and checks it against the chosen backends.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PasswordStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Backends that are tried in order.
    pub backends: Vec<Backend>,
    /// Flow in which a signed-in user changes the password; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// Wrong passwords after which the flow is cancelled. Locking an account is a matter for a reputation policy.
    #[schemars(range(min = -2147483648, max = 2147483647))]
    pub failed_attempts_before_cancel: i32,
    /// Offers a button that shows the password in clear (2025.2).
    pub allow_show_password: bool,
}

impl Default for PasswordStage {
    fn default() -> Self {
        PasswordStage {
            name: String::new(),
            backends: Vec::new(),
            configure_flow: None,
            failed_attempts_before_cancel: 5,
            allow_show_password: false,
        }
    }
}

impl Kind for PasswordStage {
    const NAME: &'static str = "authentik_stages_password.passwordstage";
    const TITLE: &'static str = "Password stage";
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name", "backends"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];

    fn check(&self, report: &mut Report) {
        if self.backends.is_empty() {
            report.error("backends", "names no backend, so no password could ever be right; list at least one");
        }
    }
}

/// Something that can check a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Backend {
    /// The user's own password.
    #[serde(rename = "authentik.core.auth.InbuiltBackend")]
    Inbuilt,
    /// An application password token.
    #[serde(rename = "authentik.core.auth.TokenBackend")]
    Token,
    /// A bind at the directory that the user came from.
    #[serde(rename = "authentik.sources.ldap.auth.LDAPBackend")]
    Ldap,
    /// A ticket from the Kerberos realm that the user came from (after 2024.6).
    #[serde(rename = "authentik.sources.kerberos.auth.KerberosBackend")]
    Kerberos,
}

impl Backend {
    /// The dotted name by which blueprints and contexts know it.
    pub fn path(self) -> &'static str {
        match self {
            Backend::Inbuilt => "authentik.core.auth.InbuiltBackend",
            Backend::Token => "authentik.core.auth.TokenBackend",
            Backend::Ldap => "authentik.sources.ldap.auth.LDAPBackend",
            Backend::Kerberos => "authentik.sources.kerberos.auth.KerberosBackend",
        }
    }
}
