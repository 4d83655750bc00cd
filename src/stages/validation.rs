//! What the validation stage does: asks somebody for one of their devices. Spec: flows §6.6.
//!
//! Which devices count is looked up at each request, and what was asked is remembered by the step, so that an answer fits
//! the person, the stage and the execution that it was asked for or none.

use async_trait::async_trait;
use serde_json::{Value as Json, json};

use super::{
    authenticator_validate::{AuthenticatorValidateStage, DeviceClass, NotConfiguredAction},
    devices::{self, Device},
    duo_api::{Duo, DuoError},
    one_time,
    passkey::{self, Unproven},
    sent_code, sms_setup,
    text_message::{self, Message, SendError},
    trusted_browser,
    webauthn_device::WebAuthnDevice,
};
use crate::{
    base::duration,
    expression::Value,
    flows::{
        challenge::{Answer, Challenge, Errors, NO_FIELD},
        plan::StageRef,
        proof::Evidence,
        stage::{Next, Stage, StageContext, StageError},
    },
    identity::{
        attempts::{self, Account},
        events,
        person::Person,
    },
    policies::engine::Subject,
};

/// The part of the system that events name.
const APP: &str = "authentik.stages.authenticator_validate";
/// What is said of any code that is not right, whyever.
const WRONG_CODE: &str = "Invalid Token. Please ensure the time on your device is accurate and try again.";

/// Asks for a device.
pub(super) struct Behaviour;

/// Who is asked, and for what.
struct Situation {
    declared: AuthenticatorValidateStage,
    /// None when nobody is known and any passkey may answer.
    person: Option<std::sync::Arc<Person>>,
    /// The devices that may answer.
    devices: Vec<Device>,
}

/// What a request comes to before anybody is asked.
enum Found {
    /// Somebody is asked.
    Ask(Situation),
    /// Somebody has no device and is to get one.
    Configure,
    /// It is decided already.
    Decided(Next),
}

#[async_trait]
impl Stage for Behaviour {
    async fn challenge(&self, at: &mut StageContext<'_>) -> Result<Next, StageError> {
        match look(at).await? {
            Found::Ask(situation) => Ok(Next::Ask(ask(at, &situation).await?)),
            Found::Configure => configure(at, None).await,
            Found::Decided(next) => Ok(next),
        }
    }

    async fn answer(&self, at: &mut StageContext<'_>, answer: Answer) -> Result<Next, StageError> {
        match look(at).await? {
            Found::Ask(situation) => judge(at, situation, &answer).await,
            Found::Configure => configure(at, Some(&answer)).await,
            Found::Decided(next) => Ok(next),
        }
    }
}

async fn look(at: &mut StageContext<'_>) -> Result<Found, StageError> {
    let declared: AuthenticatorValidateStage = at.declared()?;
    let person = match at.subject().await? {
        Subject::Person(person) => person,
        Subject::Unsaved(_) => return not_configured(at, declared.not_configured_action),
        Subject::Anonymous => {
            let signs_in = at.flow.text("designation").as_deref() == Some("authentication");
            if !signs_in || !declared.device_classes.contains(&DeviceClass::Webauthn) {
                return Ok(Found::Decided(at.done()?));
            }
            return Ok(Found::Ask(Situation { declared, person: None, devices: Vec::new() }));
        }
    };
    let mut found = devices::of_person(at.world, person.id()).await?;
    found.retain(|device| may_answer(&declared, device));
    if found.is_empty() {
        return not_configured(at, declared.not_configured_action);
    }
    let lasts = duration::microseconds(&declared.last_auth_threshold).unwrap_or_default();
    if let Some(stage) = at.stage
        && lasts > 0
        && let Some(used) = trusted_browser::device(at.world, at.visit, stage.id, person.id(), lasts)
        && let Some(device) = found.iter().find(|device| device.object.id == used)
    {
        let evidence = Evidence::Authenticator(device.class.as_str().to_owned());
        return Ok(Found::Decided(Next::Passed(at.prove(evidence))));
    }
    Ok(Found::Ask(Situation { declared, person: Some(person), devices: found }))
}

/// Whether a device is one that the stage accepts.
fn may_answer(declared: &AuthenticatorValidateStage, device: &Device) -> bool {
    if !declared.device_classes.contains(&device.class) {
        return false;
    }
    match device.class {
        DeviceClass::Sms => !device.flag("is_hashed"),
        DeviceClass::Webauthn => {
            let model = device.object.text("aaguid").unwrap_or_default();
            passkey::is_allowed(&model, &declared.webauthn_allowed_device_types)
        }
        _ => true,
    }
}

fn not_configured(at: &StageContext<'_>, action: NotConfiguredAction) -> Result<Found, StageError> {
    Ok(match action {
        NotConfiguredAction::Skip => Found::Decided(at.done()?),
        NotConfiguredAction::Deny => {
            Found::Decided(Next::Refused("No (allowed) MFA authenticator configured.".to_owned()))
        }
        NotConfiguredAction::Configure => Found::Configure,
    })
}

/// Lets somebody without a device enrol one: in the only stage there is for it, or in one that is chosen.
async fn configure(at: &mut StageContext<'_>, answer: Option<&Answer>) -> Result<Next, StageError> {
    let stages = at.targets("configuration_stages");
    let chosen = match (stages.as_slice(), answer) {
        ([], _) => {
            let message = "The stage has no stages in which a device could be set up.";
            let context = json!({ "message": message, "stage": at.name() });
            events::write(at.world, Some(at.visit), None, "configuration_error", APP, context).await?;
            return Ok(Next::Refused("No (allowed) MFA authenticator configured.".to_owned()));
        }
        ([only], _) => Some(only.id),
        (_, None) => None,
        (several, Some(answer)) => match answer.get("selected_stage") {
            None => return Ok(empty(choice(at))),
            Some(chosen) => {
                let chosen = chosen.as_str().and_then(|id| id.parse::<uuid::Uuid>().ok());
                match several.iter().find(|stage| Some(stage.id) == chosen) {
                    Some(stage) => Some(stage.id),
                    None => {
                        let wrong = Errors::of("selected_stage", "Selected stage is invalid");
                        return Ok(Next::Ask(choice(at).with_errors(wrong)));
                    }
                }
            }
        },
    };
    match chosen {
        Some(stage) => {
            at.plan.insert(StageRef::Stored(stage));
            at.done()
        }
        None => Ok(Next::Ask(choice(at))),
    }
}

/// The stages in which a device can be enrolled.
fn choice(at: &StageContext<'_>) -> Challenge {
    let registry = at.model.registry();
    let stages: Vec<Json> = at
        .targets("configuration_stages")
        .iter()
        .map(|stage| {
            let kind = registry.get(stage.kind);
            let named = stage.text("friendly_name").filter(|name| !name.is_empty());
            json!({
                "pk": stage.id,
                "name": named.or_else(|| stage.text("name")),
                "verbose_name": kind.title,
                "meta_model_name": kind.name,
            })
        })
        .collect();
    let fields = json!({ "device_challenges": [], "configuration_stages": stages });
    Challenge::new("ak-stage-authenticator-validate", fields)
}

async fn ask(at: &mut StageContext<'_>, situation: &Situation) -> Result<Challenge, StageError> {
    let mut challenges: Vec<Json> = Vec::new();
    let mut seen: Vec<DeviceClass> = Vec::new();
    for device in &situation.devices {
        if seen.contains(&device.class) {
            continue;
        }
        seen.push(device.class);
        let asked = if device.class == DeviceClass::Webauthn { passkeys(at, situation).await? } else { json!({}) };
        challenges
            .push(json!({ "device_class": device.class.as_str(), "device_uid": device.uid(), "challenge": asked }));
    }
    if situation.person.is_none() {
        let asked = passkeys(at, situation).await?;
        challenges.push(json!({ "device_class": "webauthn", "device_uid": "-1", "challenge": asked }));
    }
    let fields = json!({ "device_challenges": challenges, "configuration_stages": [] });
    Ok(Challenge::new("ak-stage-authenticator-validate", fields))
}

async fn passkeys(at: &mut StageContext<'_>, situation: &Situation) -> Result<Json, StageError> {
    let keys: Vec<&Device> = situation.devices.iter().filter(|device| device.class == DeviceClass::Webauthn).collect();
    let verification = situation.declared.webauthn_user_verification;
    passkey::ask_assertion(at, &keys, situation.person.as_deref(), verification).await
}

/// The same challenge, with the error by which clients know that nothing was shown yet.
fn empty(challenge: Challenge) -> Next {
    Next::Ask(challenge.with_errors(Errors::of(NO_FIELD, "Empty response")))
}

async fn judge(at: &mut StageContext<'_>, situation: Situation, answer: &Answer) -> Result<Next, StageError> {
    let selected = answer.get("selected_challenge");
    let selected = match selected.map(|selected| select(&situation, selected)).transpose() {
        Ok(selected) => selected.flatten().cloned(),
        Err(errors) => return Ok(Next::Wrong(ask(at, &situation).await?, errors)),
    };
    if let Some(device) = selected.filter(|device| device.class == DeviceClass::Sms && answer.get("code").is_none())
        && let Some(person) = &situation.person
        && let Err(errors) = send(at, person, &device).await?
    {
        return Ok(Next::Wrong(ask(at, &situation).await?, errors));
    }
    let mut errors = Errors::default();
    let verdict = if answer.get("code").is_some() {
        match answer.text("code", &mut errors) {
            Some(code) => by_code(at, &situation, &code).await?,
            None => Err(errors),
        }
    } else if let Some(response) = answer.get("webauthn") {
        if response.is_object() {
            by_passkey(at, &situation, response).await?
        } else {
            Err(Errors::of("webauthn", "Not a valid dictionary."))
        }
    } else if let Some(device) = answer.get("duo") {
        by_duo(at, &situation, device).await?
    } else {
        return Ok(empty(ask(at, &situation).await?));
    };
    match verdict {
        Ok((device, person)) => succeed(at, &situation, &device, &person).await,
        Err(errors) => Ok(Next::Wrong(ask(at, &situation).await?, errors)),
    }
}

fn not_offered(field: &str) -> Errors {
    Errors::of(field, "No compatible device class allowed")
}

/// The device that a client says it will answer with.
fn select<'s>(situation: &'s Situation, selected: &Json) -> Result<Option<&'s Device>, Errors> {
    let text = |field: &str| selected.get(field).and_then(Json::as_str);
    let Some(class) = text("device_class") else {
        return Err(Errors::of("selected_challenge", "invalid challenge selected"));
    };
    let uid = match selected.get("device_uid") {
        Some(Json::Number(number)) => number.to_string(),
        _ => text("device_uid").unwrap_or_default().to_owned(),
    };
    let any_passkey = situation.person.is_none() && class == "webauthn";
    let found = situation.devices.iter().find(|device| device.class.as_str() == class && device.uid() == uid);
    if found.is_none() && !any_passkey {
        return Err(Errors::of("selected_challenge", "invalid challenge selected"));
    }
    Ok(found)
}

/// Who showed what.
type Verdict = Result<(Device, std::sync::Arc<Person>), Errors>;

/// Tries a code with all devices that take codes.
async fn by_code(at: &mut StageContext<'_>, situation: &Situation, code: &str) -> Result<Verdict, StageError> {
    let takes_codes =
        |device: &&Device| matches!(device.class, DeviceClass::Static | DeviceClass::Totp | DeviceClass::Sms);
    let candidates: Vec<Device> = situation.devices.iter().filter(takes_codes).cloned().collect();
    let (Some(person), false) = (situation.person.clone(), candidates.is_empty()) else {
        return Ok(Err(not_offered("code")));
    };
    // All attempts are counted before anything is looked at.
    let attempt = attempts::begin(at.world, at.visit, Account::Person(person.id())).await?;
    let mut right = None;
    for device in &candidates {
        let may_try = devices::may_try(at.world, device.object.id).await?;
        if !attempt.allowed || !may_try || right.is_some() {
            continue;
        }
        let is_right = match device.class {
            DeviceClass::Sms if sent_code::take(at, device.object.id, code) => {
                at.world.store().touch_device(device.object.id, at.world.now()).await?;
                true
            }
            _ => one_time::take(at.world, device, code).await?,
        };
        if is_right {
            right = Some(device.clone());
        }
    }
    match right {
        Some(device) => {
            attempts::was_right(at.world, &attempt).await?;
            devices::forgive(at.world, &candidates).await?;
            Ok(Ok((device, person)))
        }
        None => {
            let classes: Vec<&str> = candidates.iter().map(|device| device.class.as_str()).collect();
            report(at, &person, &classes.join(", ")).await?;
            Ok(Err(Errors::of("code", WRONG_CODE)))
        }
    }
}

/// Sends a code to a telephone.
async fn send(
    at: &mut StageContext<'_>,
    person: &std::sync::Arc<Person>,
    device: &Device,
) -> Result<Result<(), Errors>, StageError> {
    let failed = || Ok(Err(Errors::of("selected_challenge", "The message could not be sent.")));
    let Some(stage) = stage_of(at, device).await? else { return failed() };
    let Some(number) = at.world.store().reveal(device.object.id, "phone_number").await? else { return failed() };
    if !sent_code::may_send(at.world, person.id()).await? {
        let problem = "Too many messages were sent. Please wait a few minutes.";
        return Ok(Err(Errors::of("selected_challenge", problem)));
    }
    let code = sent_code::make(at, device.object.id, sms_setup::LASTS)?;
    let subject = Subject::Person(person.clone());
    let message = Message { number: &number, code: &code, subject: &subject, visit: at.visit };
    match text_message::send(at.world, &stage, &message).await {
        Ok(()) => Ok(Ok(())),
        Err(SendError::Store(error)) => Err(error.into()),
        Err(SendError::Refused(_)) => failed(),
    }
}

/// The stage that enrolled a device, as it is now.
async fn stage_of(
    at: &StageContext<'_>,
    device: &Device,
) -> Result<Option<std::sync::Arc<crate::model::Object>>, StageError> {
    let model = at.world.model().await?;
    Ok(device.object.targets("stage").first().and_then(|stage| model.known(*stage).cloned()))
}

/// Has somebody asked on the phone by Duo.
async fn by_duo(at: &mut StageContext<'_>, situation: &Situation, chosen: &Json) -> Result<Verdict, StageError> {
    let of_duo = || situation.devices.iter().filter(|device| device.class == DeviceClass::Duo);
    let Some(person) = situation.person.clone().filter(|_| of_duo().next().is_some()) else {
        return Ok(Err(not_offered("duo")));
    };
    let uid = match chosen {
        Json::Number(number) => number.to_string(),
        Json::String(text) => text.clone(),
        _ => return Ok(Err(Errors::of("duo", "A valid integer is required."))),
    };
    let Some(device) = of_duo().find(|device| device.uid() == uid).cloned() else {
        return Ok(Err(Errors::of("duo", "Invalid device")));
    };
    let denied = Ok(Err(Errors::coded("duo", "Duo denied access", "denied")));
    // Else who knows the password could have the phone ring until somebody gives in.
    let attempt = attempts::begin(at.world, at.visit, Account::Person(person.id())).await?;
    if !devices::may_try(at.world, device.object.id).await? || !attempt.allowed {
        report(at, &person, "duo").await?;
        return denied;
    }
    match push(at, &device).await {
        Ok(true) => {
            attempts::was_right(at.world, &attempt).await?;
            devices::forgive(at.world, std::slice::from_ref(&device)).await?;
            at.world.store().touch_device(device.object.id, at.world.now()).await?;
            Ok(Ok((device, person)))
        }
        Ok(false) => {
            report(at, &person, "duo").await?;
            denied
        }
        Err(DuoError::Store(error)) => Err(error.into()),
        Err(DuoError::Refused(problem)) => {
            let context = json!({ "message": format!("A push message cannot be sent: {problem}"), "stage": at.name() });
            events::write(at.world, Some(at.visit), Some(&person), "configuration_error", APP, context).await?;
            denied
        }
    }
}

async fn push(at: &StageContext<'_>, device: &Device) -> Result<bool, DuoError> {
    let missing = || DuoError::Refused("the stage that enrolled the device is gone".to_owned());
    let model = at.world.model().await?;
    let stage = device.object.targets("stage").first().and_then(|stage| model.known(*stage)).ok_or_else(missing)?;
    let user = at.world.store().reveal(device.object.id, "duo_user_id").await?.ok_or_else(missing)?;
    let duo = Duo::of(at.world, stage).await?;
    duo.ask(&user, &at.visit.client.to_string(), &at.visit.host).await
}

/// Judges a passkey's signature.
async fn by_passkey(at: &mut StageContext<'_>, situation: &Situation, response: &Json) -> Result<Verdict, StageError> {
    let wrong = |text: &str| Ok(Err(Errors::of("webauthn", text)));
    if situation.person.is_some() && !situation.devices.iter().any(|device| device.class == DeviceClass::Webauthn) {
        return Ok(Err(not_offered("webauthn")));
    }
    let Some(id) = passkey::answering(response) else { return wrong("Invalid device") };
    let object = devices::by_key::<WebAuthnDevice>(at.world, "credential_id", &id).await?;
    let Some(object) = object else { return wrong("Invalid device") };
    let device = Device { class: DeviceClass::Webauthn, object };
    let asked = situation.person.clone();
    let person = match &asked {
        // The device of another person is none here.
        Some(person) if device.object.targets("user") == [person.id()] => person.clone(),
        Some(_) => return wrong("Invalid device"),
        None => match device.object.targets("user") {
            [owner] => match at.world.person(*owner).await?.filter(|owner| owner.is_active()) {
                Some(owner) => owner,
                None => return wrong("Invalid device"),
            },
            _ => return wrong("Invalid device"),
        },
    };
    if !device.flag("confirmed") {
        return wrong("Invalid device");
    }
    if !may_answer(&situation.declared, &device) {
        let product = at.visit.product();
        return wrong(&format!("Invalid device type. Contact your {product} administrator for help."));
    }
    match passkey::check_assertion(at, response, &device.object, &person, asked.as_deref()).await {
        Ok(()) => Ok(Ok((device, person))),
        Err(Unproven::Store(error)) => Err(error.into()),
        Err(why) => {
            report(at, &person, "webauthn").await?;
            wrong(if matches!(why, Unproven::Device) { "Invalid device" } else { "Assertion failed" })
        }
    }
}

/// Writes down that somebody failed.
async fn report(at: &StageContext<'_>, person: &Person, classes: &str) -> Result<(), StageError> {
    let stage = at.stage.map(|stage| events::describe(at.world.registry(), stage));
    let context = json!({ "username": person.username(), "stage": stage, "device_class": classes });
    Ok(events::write(at.world, Some(at.visit), Some(person), "login_failed", APP, context).await?)
}

async fn succeed(
    at: &mut StageContext<'_>,
    situation: &Situation,
    device: &Device,
    person: &std::sync::Arc<Person>,
) -> Result<Next, StageError> {
    let described = events::describe(at.world.registry(), &device.object);
    let described = Value::from_json(described).unwrap_or_default();
    if situation.person.is_none() {
        at.set_pending(&Subject::Person(person.clone()));
        at.plan.context.insert("auth_method".to_owned(), Value::text("auth_webauthn_pwl"));
        let model = device.object.text("aaguid").unwrap_or_default();
        let arguments = at.plan.map_mut("auth_method_args");
        arguments.insert("device".to_owned(), described);
        arguments.insert("device_type".to_owned(), Value::text(model));
    } else {
        at.plan.context.entry("auth_method".to_owned()).or_insert_with(|| Value::text("auth_mfa"));
        let used = at.plan.map_mut("auth_method_args").entry("mfa_devices".to_owned()).or_default();
        match used {
            Value::List(used) => used.push(described),
            other => *other = Value::List(vec![described]),
        }
    }
    let lasts = duration::microseconds(&situation.declared.last_auth_threshold).unwrap_or_default();
    if let Some(stage) = at.stage
        && lasts >= 1_000_000
    {
        let cookie = trusted_browser::cookie(at.world, at.visit, stage.id, person.id(), device.object.id, lasts);
        at.seat.cookies.push(cookie);
    }
    Ok(Next::Passed(at.prove(Evidence::Authenticator(device.class.as_str().to_owned()))))
}
