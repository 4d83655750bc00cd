//! Who shows a token of the API.

use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;

use super::{
    membership::is_superuser,
    token::{Intent, Token},
    user::User,
};
use crate::{
    base::timestamp,
    blueprint::drive::supply,
    model::{Kind, Model, Need, Object, Registry},
    store::{Store, StoreError},
};

/// How long a token lives that expires and does not say when: a day, in microseconds.
const DEFAULT_LIFE: i64 = 24 * 60 * 60 * 1_000_000;

/// The user whom a token stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bearer {
    /// Id of the user.
    pub user: Uuid,
    /// User name.
    pub name: String,
    /// Whether the user may do everything.
    pub superuser: bool,
}

/// The active user whom the API token with this key stands for, at a time in microseconds since 1970.
///
/// Nothing when there is no such token, it has expired or is for something else, or its user is inactive or gone; which of
/// these it is, is not told. The token is found by the digest of its key, see [`Reader::by_secret`].
///
/// # Errors
/// When the store fails.
///
/// [`Reader::by_secret`]: crate::store::Reader::by_secret
pub async fn bearer(
    store: &Store,
    registry: &Arc<Registry>,
    key: &str,
    now_us: i64,
) -> Result<Option<Bearer>, StoreError> {
    let Some(kind) = registry.find(Token::NAME) else { return Ok(None) };
    let mut reader = store.read().await?;
    let tokens = reader.by_secret(kind, "key", &store.key().digest(key)).await?;
    let mut model = Model::partial(registry.clone(), reader.instance(), reader.revision());
    for token in reader.load_ids(registry, tokens).await? {
        if !is_good(&token, Intent::Api, now_us) {
            continue;
        }
        loop {
            let need = match user_of(&model, &token) {
                Ok(Some(bearer)) => return Ok(Some(bearer)),
                Ok(None) => break,
                Err(need) => need,
            };
            model = supply(&mut reader, model, vec![need]).await?;
        }
    }
    Ok(None)
}

/// Whether a token is one of an intent and still lives.
pub fn is_good(token: &Object, wanted: Intent, now_us: i64) -> bool {
    let Ok(intent) = serde_json::from_value::<Intent>(token.attrs.get("intent").cloned().unwrap_or_default()) else {
        return false;
    };
    let expiring = token.attrs.get("expiring").and_then(Value::as_bool).unwrap_or(true);
    let ends = match token.text("expires") {
        // A time that cannot be read has passed.
        Some(text) => timestamp::parse(&text).map_or(i64::MIN, |time| time.as_microsecond()),
        None => token.created.saturating_add(DEFAULT_LIFE),
    };
    intent == wanted && (!expiring || now_us < ends)
}

/// The active user of a token.
fn user_of(model: &Model, token: &Object) -> Result<Option<Bearer>, Need> {
    let Some(id) = token.targets("user").first() else { return Ok(None) };
    let Some(user) = model.get(*id)? else { return Ok(None) };
    let is_user = model.registry().get(user.kind).name == User::NAME;
    if !is_user || user.attrs.get("is_active").and_then(Value::as_bool) != Some(true) {
        return Ok(None);
    }
    let name = user.text("username").unwrap_or_default();
    Ok(Some(Bearer { user: *id, name, superuser: is_superuser(model, *id)? }))
}
