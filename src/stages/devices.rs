//! The devices of people, of all classes: which somebody has, how one is enrolled, how attempts at one are slowed down.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Map as JsonMap, Value as Json, json};
use uuid::Uuid;

use super::{
    authenticator_validate::DeviceClass, duo_device::DuoDevice, email_device::EmailDevice, sms_device::SmsDevice,
    static_device::StaticDevice, totp_device::TotpDevice, webauthn_device::WebAuthnDevice,
};
use crate::{
    flows::stage::{StageContext, StageError},
    identity::{
        person::Person,
        world::World,
        write::{self, Author, Edit},
    },
    model::{Kind, Model, Object, SecretState},
    policies::engine::Subject,
    store::{StoreError, changeset::SecretWrite},
};

/// Scope of the counts of attempts at devices.
const ATTEMPTS: &str = "device";
/// The longest wait between two attempts, in microseconds.
const LONGEST: i64 = 900_000_000;
/// Attempts that lie longer back are forgotten, in microseconds.
const WINDOW: i64 = 4 * LONGEST;

/// The kinds of devices, by class.
pub const KINDS: [(DeviceClass, &str); 6] = [
    (DeviceClass::Static, StaticDevice::NAME),
    (DeviceClass::Totp, TotpDevice::NAME),
    (DeviceClass::Webauthn, WebAuthnDevice::NAME),
    (DeviceClass::Duo, DuoDevice::NAME),
    (DeviceClass::Sms, SmsDevice::NAME),
    (DeviceClass::Email, EmailDevice::NAME),
];

/// A device of somebody.
#[derive(Clone, Debug)]
pub struct Device {
    /// What it is.
    pub class: DeviceClass,
    /// Its object.
    pub object: Arc<Object>,
}

impl Device {
    /// Its identity in the API, as text.
    pub fn uid(&self) -> String {
        self.object.number.map_or_else(|| self.object.id.to_string(), |number| number.to_string())
    }

    /// Whether a field of it is true.
    pub fn flag(&self, field: &str) -> bool {
        self.object.attrs.get(field).and_then(Json::as_bool).unwrap_or(false)
    }
}

/// The confirmed devices of a person, by class and age.
///
/// # Errors
/// When the database fails.
pub async fn of_person(world: &World, person: Uuid) -> Result<Vec<Device>, StoreError> {
    let mut model = Model::clone(&*world.model().await?);
    let mut found = world
        .ask(&mut model, |model| {
            let mut found = Vec::new();
            for (class, kind) in KINDS {
                let Some(kind) = model.registry().find(kind) else { continue };
                for id in model.referrers(kind.index, "user", person)? {
                    found.extend(model.get(id)?.map(|object| Device { class, object: object.clone() }));
                }
            }
            Ok(found)
        })
        .await?;
    found.retain(|device| device.flag("confirmed"));
    found.sort_by_key(|device| (device.class, device.object.number, device.object.id));
    Ok(found)
}

/// The device of a kind by the value of its natural identifier.
///
/// # Errors
/// When the database fails.
pub(super) async fn by_key<K: Kind>(
    world: &World,
    field: &'static str,
    value: &str,
) -> Result<Option<Arc<Object>>, StoreError> {
    let mut model = Model::clone(&*world.model().await?);
    world.ask(&mut model, |model| Ok(model.by_key(K::NAME, field, value)?.cloned())).await
}

/// Counts an attempt at a device. Gives whether anything may be looked at: after n failures the next attempt must come
/// 2^(n−1) seconds later.
///
/// # Errors
/// When the database fails.
pub(super) async fn may_try(world: &World, device: Uuid) -> Result<bool, StoreError> {
    let now = world.now();
    let counted = world.store().count_attempt(ATTEMPTS, &device.to_string(), now, WINDOW).await?;
    Ok(now.saturating_sub(counted.last) >= wait(counted.count - 1))
}

/// Forgets the attempts at devices, after a success.
///
/// # Errors
/// When the database fails.
pub(super) async fn forgive(world: &World, devices: &[Device]) -> Result<(), StoreError> {
    for device in devices {
        world.store().forget_attempts(ATTEMPTS, &device.object.id.to_string()).await?;
    }
    Ok(())
}

/// How long to wait after so many failures, in microseconds.
fn wait(failures: i64) -> i64 {
    match failures {
        ..=0 => 0,
        1..=10 => 1_000_000 << (failures - 1),
        _ => LONGEST,
    }
}

/// Who enrols a device.
pub(super) enum Holder {
    /// A user of the directory.
    Person(Arc<Person>),
    /// Nobody who is known.
    Nobody,
    /// Somebody who is not stored and can have no device.
    Unsaved,
}

/// Who enrols a device: whom the flow is about, or who is signed in.
pub(super) async fn holder(at: &StageContext<'_>) -> Result<Holder, StageError> {
    Ok(match at.subject().await? {
        Subject::Person(person) => Holder::Person(person),
        Subject::Anonymous => Holder::Nobody,
        Subject::Unsaved(_) => Holder::Unsaved,
    })
}

/// A device to be stored.
pub(super) struct Enrolment {
    /// Its identity, chosen when the stage was first shown, so that two answers at once make one device.
    pub id: Uuid,
    /// Its name.
    pub name: &'static str,
    /// What else is known of it.
    pub attrs: JsonMap<String, Json>,
    /// What it refers to besides its user.
    pub edges: BTreeMap<&'static str, Vec<Uuid>>,
    /// Its secrets.
    pub secrets: BTreeMap<&'static str, String>,
}

/// Stores a device of a kind for a person.
///
/// # Errors
/// When the database fails; [`StoreError::Duplicate`] when a natural identifier is taken.
pub(super) async fn enrol<K: Kind>(
    at: &StageContext<'_>,
    person: &Person,
    enrolment: Enrolment,
) -> Result<(), StoreError> {
    let Some(kind) = at.world.registry().find(K::NAME) else {
        return Err(StoreError::Corrupt { what: format!("the list of kinds, which lacks {}", K::NAME) });
    };
    let Enrolment { id, name, mut attrs, mut edges, secrets } = enrolment;
    attrs.insert("name".to_owned(), json!(name));
    attrs.insert("confirmed".to_owned(), json!(true));
    edges.insert("user", vec![person.id()]);
    let object = Object {
        id,
        kind: kind.index,
        number: None,
        attrs,
        edges,
        secrets: secrets.keys().map(|field| (*field, SecretState::Planned)).collect(),
        revision: 0,
        created: 0,
        updated: 0,
    };
    let secrets = secrets.into_iter().map(|(field, value)| (field, SecretWrite::Seal(value))).collect();
    let author = Author {
        actor: format!("user:{}", person.username()),
        origin: format!("flow/{}", at.flow.text("slug").unwrap_or_default()),
    };
    match write::commit(at.world, &author, vec![Edit::Create { object, secrets }]).await {
        // Another answer to the same challenge was first.
        Err(StoreError::Stale(_)) => Ok(()),
        done => done,
    }
}

/// The identity of the device that the current step enrols; the same for as long as the step lasts.
pub(super) fn planned_id(at: &mut StageContext<'_>) -> Uuid {
    const KEY: &str = "device";
    let memory = at.memory();
    if let Some(id) = memory.get(KEY).and_then(Json::as_str).and_then(|id| id.parse().ok()) {
        return id;
    }
    let id = Uuid::new_v4();
    memory.insert(KEY.to_owned(), json!(id));
    id
}

/// Random bytes.
///
/// # Errors
/// When the system gives none.
pub(super) fn random<const N: usize>() -> Result<[u8; N], StageError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| StageError::Failed(format!("the system gives no random bytes: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::wait;

    #[test]
    fn the_wait_doubles_up_to_a_quarter_of_an_hour() {
        let seconds: Vec<i64> = [-5, 0, 1, 2, 3, 10, 11, i64::MAX].into_iter().map(|n| wait(n) / 1_000_000).collect();
        assert_eq!(seconds, [0, 0, 1, 2, 4, 512, 900, 900]);
    }
}
