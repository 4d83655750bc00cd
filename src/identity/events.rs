//! Writing events: who did what, from where, in the shape in which the API shows it. Spec: flows §11.1–11.2.
//!
//! Whatever a context is made of, secrets do not get into an event: values under names that look like one are blanked here,
//! once, for all who write.

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{person::Person, visit::Visit, world::World};
use crate::{
    model::{Object, Registry},
    store::{EventRecord, StoreError},
};

/// How long an event is kept, in microseconds.
const RETENTION: i64 = 365 * 86_400_000_000;
/// What stands in the place of a secret.
const BLANK: &str = "********************";
/// Parts of names under which a secret is suspected.
const SUSPECT: [&str; 7] = ["api", "token", "key", "secret", "pass", "signature", "http_cookie"];
/// Parts of names that only look so.
const HARMLESS: [&str; 2] = ["passing", "password_change_date"];
/// How deep a context is kept; below it says only that there was more.
const DEPTH: usize = 12;
/// How many characters of one text are kept.
const TEXT: usize = 8192;

/// Writes an event. `actor` is who did it, none for nobody known; `app` names the part of the system.
///
/// # Errors
/// When the database fails.
pub async fn write(
    world: &World,
    visit: Option<&Visit>,
    actor: Option<&Person>,
    action: &str,
    app: &str,
    context: Value,
) -> Result<(), StoreError> {
    let event = record(world, visit, actor, action, app, context);
    world.store().write_events(&[event]).await
}

/// The event that [`write()`] writes, for those who write several at once.
pub fn record(
    world: &World,
    visit: Option<&Visit>,
    actor: Option<&Person>,
    action: &str,
    app: &str,
    context: Value,
) -> EventRecord {
    let at = world.now();
    let mut context = match clean(context) {
        Value::Object(context) => context,
        Value::Null => Map::new(),
        other => Map::from_iter([("value".to_owned(), other)]),
    };
    if let Some(visit) = visit {
        context.insert("http_request".to_owned(), clean(request(visit)));
        let places = &world.means().places;
        if let Some(place) = places.place(visit.client).ok().flatten() {
            context.insert("geo".to_owned(), json!(place));
        }
        if let Some(network) = places.network(visit.client).ok().flatten() {
            context.insert("asn".to_owned(), json!(network));
        }
    }
    let brand = visit.and_then(|visit| visit.brand.as_ref());
    EventRecord {
        id: Uuid::new_v4(),
        at,
        expires: at.saturating_add(RETENTION),
        action: action.to_owned(),
        app: app.to_owned(),
        person: actor.map(Person::id),
        client_ip: visit.map(|visit| visit.client.to_string()),
        actor: actor.map_or_else(nobody, Person::as_actor),
        context: Value::Object(context),
        brand: brand.map_or_else(|| json!({}), |brand| describe(world.registry(), brand)),
    }
}

/// An object as events show it: `app`, `model_name`, `pk` and `name`.
pub fn describe(registry: &Registry, object: &Object) -> Value {
    let kind = registry.get(object.kind);
    let app = kind.name.split_once('.').map_or(kind.name, |(app, _)| app);
    let pk = object.number.map_or_else(|| json!(object.id.simple().to_string()), |number| json!(number));
    json!({ "app": app, "model_name": kind.short_name(), "pk": pk, "name": object.name(kind) })
}

fn nobody() -> Value {
    json!({ "pk": null, "username": "AnonymousUser", "email": "", "is_anonymous": true })
}

/// The request: its query is that of the page, which clients of flows wrap into the parameter `query`.
fn request(visit: &Visit) -> Value {
    let pairs =
        |query: &str| -> Vec<(String, String)> { form_urlencoded::parse(query.as_bytes()).into_owned().collect() };
    let mut arguments = pairs(&visit.query);
    if visit.path.contains("/flows/executor/")
        && let Some((_, page)) = arguments.iter().find(|(name, _)| name == "query")
    {
        arguments = pairs(page);
    }
    let arguments: Map<String, Value> = arguments.into_iter().map(|(name, value)| (name, json!(value))).collect();
    json!({
        "path": visit.path,
        "method": visit.method,
        "args": arguments,
        "user_agent": visit.user_agent(),
        "request_id": visit.id.simple().to_string(),
    })
}

/// The same without secrets, and not larger than an event may be.
fn clean(value: Value) -> Value {
    clean_at(value, DEPTH)
}

fn clean_at(value: Value, depth: usize) -> Value {
    if depth == 0 {
        return json!("…");
    }
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| {
                let value = if is_suspect(&name) { blank(value) } else { clean_at(value, depth - 1) };
                (name.replace('\0', ""), value)
            });
            Value::Object(fields.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(|item| clean_at(item, depth - 1)).collect()),
        // The database keeps no U+0000, and who sends one must not thereby stay out of the events.
        Value::String(text) if text.contains('\0') => clean_at(Value::String(text.replace('\0', "")), depth),
        Value::String(text) => Value::String(crate::base::text::shorten(&text, TEXT)),
        other => other,
    }
}

fn is_suspect(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SUSPECT.iter().any(|part| name.contains(part)) && !HARMLESS.iter().any(|part| name.contains(part))
}

fn blank(value: Value) -> Value {
    if value.is_null() { value } else { json!(BLANK) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_looks_like_a_secret_is_kept() {
        let context = json!({
            "username": "ada", "password": "x", "passing": true, "inner": [{ "Client_Secret": { "a": 1 } }],
            "apiKey": 3, "password_change_date": "2024", "token": null, "nul": "a\0b", "http_cookie": "c",
        });
        assert_eq!(
            clean(context),
            json!({
                "username": "ada", "password": BLANK, "passing": true, "inner": [{ "Client_Secret": BLANK }],
                "apiKey": BLANK, "password_change_date": "2024", "token": null, "nul": "ab", "http_cookie": BLANK,
            })
        );
    }

    #[test]
    fn a_context_has_its_bounds() {
        let mut deep = json!("end");
        for _ in 0..100 {
            deep = json!([deep]);
        }
        assert!(clean(deep).to_string().len() < 100);
        assert_eq!(clean(json!("x".repeat(100_000))).as_str().map(|text| text.chars().count()), Some(TEXT));
    }
}
