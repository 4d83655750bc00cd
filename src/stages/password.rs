//! The kind `authentik_stages_password.passwordstage`: asks for a password and checks it.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::backends;
use crate::flows::{
    challenge::{Answer, Challenge, Errors},
    proof::Evidence,
    stage::{Next, Stage, StageContext, StageError},
};
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

/// Where the session counts wrong passwords. As in the reference the count is of the session, over all flows, and neither a
/// right password nor another flow resets it; what keeps guesses apart is the count of the account.
const FAILURES: &str = "password/failures";

/// Asks for the password, and checks it.
pub(super) struct Behaviour;

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        if at.pending().await?.is_none() {
            return Ok(Next::Refused(String::new()));
        }
        Ok(Next::Ask(page(at).await?))
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let declared: PasswordStage = at.declared()?;
        let Some(subject) = at.pending().await? else { return Ok(Next::Refused(String::new())) };
        let mut errors = Errors::default();
        if let Some(password) = answer.text("password", &mut errors) {
            if let Some(backend) = backends::check(at, &subject, &declared.backends, &password).await? {
                return Ok(Next::Passed(at.prove(Evidence::Password(backend.path().to_owned()))));
            }
            errors = Errors::of("password", "Invalid password");
        }
        let failures = at.seat.data.kept.get(FAILURES).and_then(Json::as_i64).unwrap_or(0) + 1;
        if failures >= i64::from(declared.failed_attempts_before_cancel) {
            at.seat.data.kept.remove(FAILURES);
            return Ok(Next::Refused(String::new()));
        }
        at.seat.data.kept.insert(FAILURES.to_owned(), json!(failures));
        Ok(Next::Wrong(page(at).await?, errors))
    }
}

/// The page. The link to recovery is that of the brand; the reference takes the first recovery flow that it finds, whosoever
/// it is.
async fn page(at: &StageContext<'_>) -> Result<Challenge, StageError> {
    let mut fields = json!({});
    if let Some(flow) = at.visit.brand_target("flow_recovery")
        && let Some(flow) = at.world.model().await?.known(flow)
    {
        fields["recovery_url"] = json!(at.address(&at.page_of(flow)));
    }
    Ok(Challenge::new("ak-stage-password", fields))
}
