//! WebAuthn as the stages use it: the relying party of a request, what is asked of devices, and what is kept of them.
//!
//! The relying party is the host that the browser sees. A device signs for the host that it was enrolled at and for the
//! origin that the browser is really at, so whatever host a request claims, a signature for another one does not fit.

use reqwest::Url;
use serde_json::{Map as JsonMap, Value as Json, json};
use sha2::{Digest, Sha256};
use webauthn_rs_core::{
    WebauthnCore,
    error::WebauthnError,
    internals::AuthenticatorData,
    proto::{
        AttestationConveyancePreference, AttestationMetadata, AuthenticationState, AuthenticatorAttachment, Credential,
        ParsedAttestation, PublicKeyCredential, RegisterPublicKeyCredential, Registration, RegistrationState,
        ResidentKeyRequirement, UserVerificationPolicy,
    },
};

use super::{
    authenticator_webauthn::{Attachment, AuthenticatorWebAuthnStage, ResidentKey, UserVerification},
    devices::Device,
    one_time,
};
use crate::{
    flows::stage::{StageContext, StageError},
    identity::{person::Person, visit::Visit, world::World},
    model::Object,
    store::StoreError,
};

/// How long a browser waits for a device.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(60);
/// How long a challenge is good, in microseconds.
const LASTS: i64 = 300_000_000;
/// What a step remembers: the challenge that was last shown.
const SHOWN: &str = "webauthn";
/// The model of a device that does not say what it is; in lists of models, it stands for these devices.
pub(super) const UNKNOWN_MODEL: &str = "00000000-0000-0000-0000-000000000000";

/// The host as devices know it: without the port.
pub(super) fn host(visit: &Visit) -> &str {
    let host = visit.host.as_str();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Who asks.
fn party(visit: &Visit) -> Result<WebauthnCore, StageError> {
    let origin = Url::parse(&visit.origin()).map_err(|_| StageError::Failed("the host is no host".to_owned()))?;
    let (any_subdomain, any_port) = (Some(false), Some(false));
    Ok(WebauthnCore::new_unsafe_experts_only(
        visit.product(),
        host(visit),
        vec![origin],
        TIMEOUT,
        any_subdomain,
        any_port,
    ))
}

/// What a device calls a person by; says nothing about the person.
fn handle(world: &World, model: uuid::Uuid, person: &Person) -> String {
    let digest = world.store().key().digest(&format!("webauthn-user/{model}/{}", person.id()));
    data_encoding::HEXLOWER.encode(&digest)
}

fn policy(verification: UserVerification) -> UserVerificationPolicy {
    match verification {
        UserVerification::Required => UserVerificationPolicy::Required,
        UserVerification::Preferred => UserVerificationPolicy::Preferred,
        UserVerification::Discouraged => UserVerificationPolicy::Discouraged_DO_NOT_USE,
    }
}

fn failed(error: &WebauthnError) -> StageError {
    StageError::Failed(format!("a WebAuthn challenge cannot be made: {error}"))
}

/// Remembers what was asked, for this step of this execution only.
fn remember(at: &mut StageContext<'_>, options: &Json, state: &impl serde::Serialize, person: Option<uuid::Uuid>) {
    let shown = json!({ "options": options, "state": state, "at": at.world.now(), "person": person });
    at.memory().insert(SHOWN.to_owned(), shown);
}

/// What was asked, if it still counts and was asked of the same person.
fn remembered(at: &mut StageContext<'_>, person: Option<uuid::Uuid>) -> Option<(Json, Json)> {
    let now = at.world.now();
    let shown = at.memory().get(SHOWN)?;
    let fresh = shown.get("at").and_then(Json::as_i64).is_some_and(|at| now.saturating_sub(at) < LASTS);
    let same = shown.get("person") == Some(&json!(person));
    (fresh && same).then(|| (shown["options"].clone(), shown["state"].clone()))
}

/// Forgets what was asked: a challenge is good for one answer.
fn forget(at: &mut StageContext<'_>) {
    at.memory().remove(SHOWN);
}

/// Asks for a signature of one of the devices; of any device when there are none. Gives the options for the browser.
///
/// # Errors
/// When no challenge can be made.
pub(super) async fn ask_assertion(
    at: &mut StageContext<'_>,
    devices: &[&Device],
    person: Option<&Person>,
    verification: UserVerification,
) -> Result<Json, StageError> {
    let person = person.map(Person::id);
    if let Some((options, _)) = remembered(at, person) {
        return Ok(options);
    }
    let party = party(at.visit)?;
    let mut credentials = Vec::new();
    for device in devices {
        credentials.extend(credential(at.world, &device.object).await?);
    }
    let builder = party.new_challenge_authenticate_builder(credentials, Some(policy(verification)));
    let (asked, mut state) =
        builder.and_then(|builder| party.generate_challenge_authenticate(builder)).map_err(|error| failed(&error))?;
    // They are looked up again when the answer comes.
    state.set_allowed_credentials(Vec::new());
    let options = serde_json::to_value(&asked.public_key).unwrap_or_default();
    remember(at, &options, &state, person);
    Ok(options)
}

/// Why an assertion is not accepted.
#[derive(Debug)]
pub(super) enum Unproven {
    /// It was made by no device that may answer.
    Device,
    /// It is not right.
    Assertion,
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Unproven {
    fn from(error: StoreError) -> Self {
        Unproven::Store(error)
    }
}

/// The identity of the key pair that answers.
pub(super) fn answering(response: &Json) -> Option<String> {
    let read: PublicKeyCredential = serde_json::from_value(normal(response)).ok()?;
    Some(data_encoding::BASE64URL_NOPAD.encode(&read.raw_id))
}

/// Judges a signature of a device of a person, and takes note of its count. The challenge is used up.
///
/// # Errors
/// [`Unproven`].
pub(super) async fn check_assertion(
    at: &mut StageContext<'_>,
    response: &Json,
    device: &Object,
    person: &Person,
    asked: Option<&Person>,
) -> Result<(), Unproven> {
    let shown = remembered(at, asked.map(Person::id));
    forget(at);
    let (_, state) = shown.ok_or(Unproven::Assertion)?;
    let state: AuthenticationState = serde_json::from_value(state).map_err(|_| Unproven::Assertion)?;
    let read: PublicKeyCredential = serde_json::from_value(normal(response)).map_err(|_| Unproven::Assertion)?;
    // The device of another person is none, whoever is named in the answer.
    if device.targets("user") != [person.id()] {
        return Err(Unproven::Device);
    }
    let named = read.response.user_handle.as_deref().filter(|named| !named.is_empty());
    let model = at.world.model().await?.instance;
    if named.is_some_and(|named| named != handle(at.world, model, person).as_bytes()) {
        return Err(Unproven::Device);
    }
    let credential = credential(at.world, device).await?.ok_or(Unproven::Device)?;
    let party = party(at.visit).map_err(|_| Unproven::Assertion)?;
    let result = party.authenticate_single_credential(&read, &state, &credential).map_err(|error| {
        tracing::info!(device = %device.id, %error, "a WebAuthn assertion is refused");
        Unproven::Assertion
    })?;
    let (count, now) = (i64::from(result.counter()), at.world.now());
    if count == 0 {
        // The device does not count.
        at.world.store().touch_device(device.id, now).await?;
    } else if !at.world.store().use_device(device.id, count, 0, now).await? {
        return Err(Unproven::Assertion);
    }
    Ok(())
}

/// The answer with what clients leave out, and without what some say twice.
fn normal(response: &Json) -> Json {
    let mut response = response.clone();
    if let Some(inner) = response.get_mut("response").and_then(Json::as_object_mut) {
        inner.entry("userHandle").or_insert(Json::Null);
    }
    if let Some(outer) = response.as_object_mut() {
        let extensions = outer.remove("clientExtensionResults").or_else(|| outer.remove("extensions"));
        outer.remove("extensions");
        if let Some(extensions) = extensions.filter(Json::is_object) {
            outer.insert("extensions".to_owned(), extensions);
        }
    }
    response
}

/// What is known of a device's key pair.
async fn credential(world: &World, device: &Object) -> Result<Option<Credential>, StoreError> {
    let stored = device.attrs.get("credential").cloned().unwrap_or_default();
    let Ok(mut credential) = serde_json::from_value::<Credential>(stored) else {
        tracing::warn!(device = %device.id, "what is stored of a WebAuthn device cannot be read");
        return Ok(None);
    };
    let enrolled = device.attrs.get("sign_count").and_then(Json::as_u64).unwrap_or_default();
    let last = one_time::last_use(world, device.id).await?.position;
    let last = u64::try_from(last).unwrap_or_default().max(enrolled);
    credential.counter = u32::try_from(last).unwrap_or(u32::MAX);
    // Whether the user must be verified is what the stage says that asks now.
    credential.registration_policy = UserVerificationPolicy::Discouraged_DO_NOT_USE;
    credential.user_verified = false;
    Ok(Some(credential))
}

/// Asks for a new key pair. Gives the options for the browser.
///
/// # Errors
/// When no challenge can be made.
pub(super) async fn ask_registration(
    at: &mut StageContext<'_>,
    declared: &AuthenticatorWebAuthnStage,
    person: &Person,
    enrolled: &[Device],
) -> Result<Json, StageError> {
    if let Some((options, _)) = remembered(at, Some(person.id())) {
        return Ok(options);
    }
    let party = party(at.visit)?;
    let model = at.world.model().await?.instance;
    let shown = if person.text("name").trim().is_empty() { person.username() } else { person.text("name") };
    let known = enrolled.iter().filter_map(|device| device.object.text("credential_id"));
    let known = known.filter_map(|id| data_encoding::BASE64URL_NOPAD.decode(id.as_bytes()).ok());
    let attachment = declared.authenticator_attachment.map(|attachment| match attachment {
        Attachment::Platform => AuthenticatorAttachment::Platform,
        Attachment::CrossPlatform => AuthenticatorAttachment::CrossPlatform,
    });
    let builder = party
        .new_challenge_register_builder(handle(at.world, model, person).as_bytes(), person.username(), shown)
        .map_err(|error| failed(&error))?
        .attestation(AttestationConveyancePreference::Direct)
        .user_verification_policy(policy(declared.user_verification))
        .require_resident_key(declared.resident_key_requirement == ResidentKey::Required)
        .authenticator_attachment(attachment)
        .exclude_credentials(Some(known.collect()));
    let (mut asked, state) = party.generate_challenge_register(builder).map_err(|error| failed(&error))?;
    if let Some(selection) = &mut asked.public_key.authenticator_selection {
        selection.resident_key = Some(match declared.resident_key_requirement {
            ResidentKey::Discouraged => ResidentKeyRequirement::Discouraged,
            ResidentKey::Preferred => ResidentKeyRequirement::Preferred,
            ResidentKey::Required => ResidentKeyRequirement::Required,
        });
    }
    let options = serde_json::to_value(&asked.public_key).unwrap_or_default();
    remember(at, &options, &state, Some(person.id()));
    Ok(options)
}

/// A key pair that a device made.
pub(super) struct NewPasskey {
    /// Its identity.
    pub id: String,
    /// Model of the device.
    pub model: String,
    /// What to keep of it.
    pub attrs: JsonMap<String, Json>,
}

/// Judges the answer to [`ask_registration`]. The challenge is used up.
///
/// # Errors
/// What is wrong with it.
pub(super) fn check_registration(
    at: &mut StageContext<'_>,
    person: &Person,
    response: &Json,
) -> Result<NewPasskey, String> {
    let shown = remembered(at, Some(person.id()));
    forget(at);
    let (_, state) = shown.ok_or("the challenge has expired")?;
    let state: RegistrationState = serde_json::from_value(state).map_err(|_| "the challenge cannot be read")?;
    let read: RegisterPublicKeyCredential =
        serde_json::from_value(normal(response)).map_err(|_| "the answer of the device cannot be read")?;
    let party = party(at.visit).map_err(|error| error.to_string())?;
    let credential = party.register_credential(&read, &state, None).map_err(|error| error.to_string())?;
    let model = model_of(&read.response.attestation_object, host(at.visit), &credential);
    let id = data_encoding::BASE64URL_NOPAD.encode(credential.cred_id.as_slice());
    let sign_count = credential.counter;
    // Certificates of the maker are of no use later.
    let kept = Credential { attestation: ParsedAttestation::default(), ..credential };
    let attrs = JsonMap::from_iter([
        ("credential_id".to_owned(), json!(id)),
        ("credential".to_owned(), serde_json::to_value(&kept).unwrap_or_default()),
        ("sign_count".to_owned(), json!(sign_count)),
        ("aaguid".to_owned(), json!(model)),
    ]);
    Ok(NewPasskey { id, model, attrs })
}

/// The model of the device: as its maker attests it, else as the device itself says.
fn model_of(attestation: &[u8], host: &str, credential: &Credential) -> String {
    if let AttestationMetadata::Packed { aaguid } | AttestationMetadata::Tpm { aaguid, .. } =
        &credential.attestation.metadata
    {
        return aaguid.to_string();
    }
    // What the device says begins with the digest of the host, and names the key pair that it is about.
    let host = Sha256::digest(host.as_bytes());
    let places = attestation.windows(host.len()).enumerate().filter(|(_, part)| *part == host.as_slice());
    let said = places.filter_map(|(at, _)| AuthenticatorData::<Registration>::try_from(&attestation[at..]).ok());
    let about = said.filter_map(|said| said.acd).find(|about| about.credential_id == credential.cred_id);
    about.map_or_else(|| UNKNOWN_MODEL.to_owned(), |about| uuid::Uuid::from_bytes(about.aaguid).to_string())
}

/// Whether a model is one of a list; an empty list allows all.
pub(super) fn is_allowed(model: &str, allowed: &[String]) -> bool {
    allowed.is_empty() || allowed.iter().any(|allowed| allowed.eq_ignore_ascii_case(model))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_models_allows_what_it_names() {
        let key = "ee882879-721c-4913-9775-3dfcce97072a".to_owned();
        for (model, allowed, fits) in [
            (key.as_str(), vec![], true),
            (key.as_str(), vec![key.to_uppercase()], true),
            (key.as_str(), vec![UNKNOWN_MODEL.to_owned()], false),
            (UNKNOWN_MODEL, vec![UNKNOWN_MODEL.to_owned()], true),
            (UNKNOWN_MODEL, vec![key.clone()], false),
        ] {
            assert_eq!(is_allowed(model, &allowed), fits, "{model} {allowed:?}");
        }
    }
}
