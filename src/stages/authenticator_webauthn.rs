//! The kind `authentik_stages_authenticator_webauthn.authenticatorwebauthnstage`: enrols a security key or passkey.

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use super::{
    authenticator_validate::DeviceClass,
    devices::{self, Enrolment, Holder},
    passkey,
    webauthn_device::WebAuthnDevice,
};
use crate::{
    flows::{
        challenge::{Answer, Challenge, Errors},
        stage::{Next, Stage, StageContext, StageError},
    },
    identity::person::Person,
    model::{Family, Key, Kind, Ref, Reference},
    store::StoreError,
};

/// Enrols a WebAuthn device: a security key, a platform authenticator or a passkey.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AuthenticatorWebAuthnStage {
    /// Name of the stage, unique among all stages.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Flow in which a signed-in user enrols a device; without one there is no such entry in the user's settings.
    pub configure_flow: Option<Ref>,
    /// What users see instead of the stage's name when they choose between methods.
    #[schemars(length(min = 1))]
    pub friendly_name: Option<String>,
    /// Whether the device must verify its user (PIN, fingerprint) at enrolment and not only their presence.
    pub user_verification: UserVerification,
    /// Restricts enrolment to devices built into the machine or to separate ones; none allows both.
    pub authenticator_attachment: Option<Attachment>,
    /// Whether the credential is kept on the device, which signing in without a user name needs.
    pub resident_key_requirement: ResidentKey,
    /// Models of devices that may be enrolled, by AAGUID; empty allows all. The models are data of the system and no
    /// objects, so the list holds plain UUIDs. The all-zero UUID stands for models that are not known.
    #[schemars(inner(regex(pattern = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$")))]
    pub device_type_restrictions: Vec<String>,
    /// Failed enrolments after which the stage gives up; 0 for no limit (after 2024.6).
    #[schemars(range(min = 0, max = 2147483647))]
    pub max_attempts: u32,
}

impl Kind for AuthenticatorWebAuthnStage {
    const NAME: &'static str = "authentik_stages_authenticator_webauthn.authenticatorwebauthnstage";
    const TITLE: &'static str = "WebAuthn setup stage";
    const ALIASES: &'static [&'static str] = &["authentik_stages_authenticator_webauthn.authenticatewebauthnstage"];
    const FAMILIES: &'static [Family] = &[Family::Stage];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Stage)];
    const REQUIRED: &'static [&'static str] = &["name"];
    const REFERENCES: &'static [Reference] = &[Reference::one("configure_flow", "authentik_flows.flow")];
    const READ_ONLY: &'static [&'static str] = &["device_type_restrictions_obj"];
}

/// Whether a WebAuthn device verifies its user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UserVerification {
    /// A device that cannot is refused.
    Required,
    /// If the device can.
    #[default]
    Preferred,
    /// Only if the device insists.
    Discouraged,
}

/// How a WebAuthn device is attached to the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attachment {
    /// Built in, such as a fingerprint reader.
    Platform,
    /// Separate, such as a USB key or a phone.
    CrossPlatform,
}

/// Whether a credential is kept on the device.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ResidentKey {
    /// Only if the device insists.
    Discouraged,
    /// If the device can.
    #[default]
    Preferred,
    /// A device that cannot is refused.
    Required,
}

/// Has a device make a key pair, and keeps its public half.
pub(super) struct Behaviour;

/// What the step remembers: how many answers were wrong.
const FAILURES: &str = "failures";

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        match devices::holder(at).await? {
            Holder::Person(person) => Ok(Next::Ask(ask(at, &person).await?)),
            Holder::Nobody | Holder::Unsaved => Ok(Next::Refused("No pending user.".to_owned())),
        }
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        let Holder::Person(person) = devices::holder(at).await? else { return self.challenge(at).await };
        let problem = match answer.0.get("response") {
            Some(response @ Json::Object(_)) => match enrol(at, &person, response).await? {
                Ok(()) => return at.done(),
                Err(problem) => problem,
            },
            Some(Json::Null) => Errors::coded("response", "This field may not be null.", "null"),
            Some(_) => Errors::of("response", "Not a valid dictionary."),
            None => Errors::coded("response", "This field is required.", "required"),
        };
        let declared: AuthenticatorWebAuthnStage = at.declared()?;
        let failures = at.memory().get(FAILURES).and_then(Json::as_u64).unwrap_or_default() + 1;
        at.memory().insert(FAILURES.to_owned(), json!(failures));
        if declared.max_attempts > 0 && failures >= u64::from(declared.max_attempts) {
            let product = at.visit.product();
            return Ok(Next::Refused(format!(
                "Exceeded maximum attempts. Contact your {product} administrator for help."
            )));
        }
        Ok(Next::Wrong(ask(at, &person).await?, problem))
    }
}

async fn ask(at: &mut StageContext<'_>, person: &Person) -> Result<Challenge, StageError> {
    let declared: AuthenticatorWebAuthnStage = at.declared()?;
    let mut enrolled = devices::of_person(at.world, person.id()).await?;
    enrolled.retain(|device| device.class == DeviceClass::Webauthn);
    let options = passkey::ask_registration(at, &declared, person, &enrolled).await?;
    devices::planned_id(at);
    Ok(Challenge::new("ak-stage-authenticator-webauthn", json!({ "registration": options })))
}

async fn enrol(at: &mut StageContext<'_>, person: &Person, response: &Json) -> Result<Result<(), Errors>, StageError> {
    let declared: AuthenticatorWebAuthnStage = at.declared()?;
    let made = match passkey::check_registration(at, person, response) {
        Ok(made) => made,
        Err(why) => return Ok(Err(Errors::of("response", format!("Registration failed. Error: {why}")))),
    };
    let taken = || Ok(Err(Errors::of("response", "Credential ID already exists.")));
    if devices::by_key::<WebAuthnDevice>(at.world, "credential_id", &made.id).await?.is_some() {
        return taken();
    }
    if !passkey::is_allowed(&made.model, &declared.device_type_restrictions) {
        let product = at.visit.product();
        let problem = format!("Invalid device type. Contact your {product} administrator for help.");
        return Ok(Err(Errors::of("response", problem)));
    }
    let id = devices::planned_id(at);
    let enrolment = Enrolment {
        id,
        name: "WebAuthn Device",
        attrs: made.attrs,
        edges: Default::default(),
        secrets: Default::default(),
    };
    match devices::enrol::<WebAuthnDevice>(at, person, enrolment).await {
        Ok(()) => Ok(Ok(())),
        // Somebody else enrolled it at the same time.
        Err(StoreError::Duplicate { .. }) => taken(),
        Err(error) => Err(error.into()),
    }
}
