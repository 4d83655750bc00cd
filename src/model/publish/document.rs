//! The schema of a document around its entries.

use serde_json::{Map, Value, json};

use super::{DRAFT, entry, shared, tags};
use crate::model::registry::{KindInfo, Registry};

/// The states of an entry with what they mean.
const STATES: [(&str, &str); 4] = [
    ("present", "Creates the object, or sets the given attributes. This is the default."),
    ("created", "Creates the object; if it exists, it is left as it is."),
    ("must_created", "Creates the object; it is an error if it exists."),
    ("absent", "Deletes the object, if it exists."),
];

/// Labels of the metadata that have a meaning.
const LABELS: [(&str, &str); 4] = [
    ("blueprints.goauthentik.io/instantiate", "With `\"false\"` the file is offered, but not applied by itself."),
    (
        "blueprints.goauthentik.io/system",
        "With `\"true\"` the file belongs to the system and is applied from the start.",
    ),
    ("blueprints.goauthentik.io/description", "A line that lists show below the name."),
    ("blueprints.goauthentik.io/generated", "`\"true\"` in files that an export has written."),
];

/// Schema of the document, without its definitions.
pub fn root(registry: &Registry) -> Value {
    let labels: Map<String, Value> = LABELS
        .iter()
        .map(|(name, text)| ((*name).to_owned(), json!({ "type": "string", "description": text })))
        .collect();
    json!({
        "$schema": DRAFT,
        "$id": "urn:gatewright:schema:blueprint",
        "title": "Blueprint",
        "description": format!("What an identity system is to hold: objects of {} kinds.", registry.kinds().count()),
        "type": ["object", "null"],
        "properties": {
            "version": {
                "title": "Version",
                "description": "Version of the format; there is one.",
                "const": 1,
                "default": 1,
            },
            "metadata": {
                "title": "Metadata",
                "description": "What the blueprint is called, and how it is handled.",
                "type": ["object", "null"],
                "properties": {
                    "name": { "title": "Name", "description": "What people call the blueprint.", "type": "string" },
                    "labels": {
                        "title": "Labels",
                        "description": "Remarks for people and programs. All values are text: put `\"true\"` and `\"false\"` in quotes.",
                        "type": ["object", "null"],
                        "properties": labels,
                        "additionalProperties": { "type": "string" },
                    },
                },
                "required": ["name"],
                "additionalProperties": false,
            },
            "context": {
                "title": "Context",
                "description": "Values that `!Context` reads, for the case that whoever applies the blueprint gives no others.",
                "type": ["object", "null"],
            },
            "entries": {
                "title": "Entries",
                "description": "The objects: a list, or a mapping from the names of groups to lists. The names are for readers only.",
                "type": ["array", "object", "null"],
                "items": shared("entry"),
                "additionalProperties": { "type": ["array", "null"], "items": shared("entry") },
            },
        },
        "additionalProperties": false,
    })
}

/// Schema of an entry of any kind: what all have, and by `model` what each kind adds.
pub fn entry(registry: &Registry) -> Value {
    let mut properties = entry_properties();
    properties.insert("model".into(), model(registry));
    // Each name by itself: an editor shows the values that a condition lists when one hovers over `model`.
    let names = registry.kinds().flat_map(|info| info.aliases.iter().chain([&info.name]).map(move |name| (name, info)));
    let branches: Vec<Value> = names
        .map(|(name, info)| {
            let is = json!({ "properties": { "model": { "const": name } }, "required": ["model"] });
            json!({ "if": is, "then": shared(info.name) })
        })
        .collect();
    json!({
        "title": "Entry",
        "type": "object",
        "properties": properties,
        "required": ["model"],
        "additionalProperties": false,
        "allOf": branches,
    })
}

/// The properties that entries of all kinds have alike, in the order in which they are usually written.
pub fn entry_properties() -> Map<String, Value> {
    let mut properties = Map::new();
    properties.insert("model".into(), Value::Null);
    properties.insert(
        "id".into(),
        json!({
            "title": "Id",
            "description": "A name within the file, by which `!KeyOf` refers to the object. It is not stored.",
            "type": ["string", "null"],
        }),
    );
    let values = STATES.map(|(name, _)| name);
    let mut state =
        tags::choice(vec![json!({ "enum": values, "markdownEnumDescriptions": STATES.map(|(_, text)| text) })]);
    state["title"] = json!("State");
    state["description"] = json!("What is to become of the object.");
    state["default"] = json!("present");
    properties.insert("state".into(), state);
    properties.insert(
        "conditions".into(),
        json!({
            "title": "Conditions",
            "description": "The entry counts only if all of these are true: tags such as `!Context`, `!Condition` or `!If`, or plain values.",
            "type": ["array", "null"],
        }),
    );
    for (name, title, text) in [
        ("identifiers", "Identifiers", "Which object the entry is about. A creation takes them as attributes as well."),
        ("attrs", "Attributes", "What the object is to be. What is left out stays as it is."),
    ] {
        let schema = json!({ "title": title, "description": text, "type": ["object", "null"] });
        properties.insert(name.into(), schema);
    }
    let grant = json!({
        "type": "object",
        "properties": {
            "permission": with(tags::text(), "Code name, such as `view_flow`."),
            "user": with(tags::reference(true, true), "The user who gets it, by `!KeyOf`, `!Find`, UUID or number."),
            "role": with(tags::reference(false, true), "The role that gets it, by `!KeyOf`, `!Find` or UUID."),
        },
        "required": ["permission"],
        "additionalProperties": false,
    });
    properties.insert(
        "permissions".into(),
        json!({
            "title": "Permissions",
            "description": "Permissions on this one object, each given to a user or a role.",
            "type": ["array", "null"],
            "items": tags::mapping(grant),
        }),
    );
    properties
}

fn with(mut schema: Value, description: &str) -> Value {
    schema["description"] = json!(description);
    schema
}

/// Schema of `model`: all kinds, the names of other releases, and other spellings.
fn model(registry: &Registry) -> Value {
    let kinds: Vec<&KindInfo> = registry.kinds().collect();
    // Constants and not one list of values: hovering over a kind then shows this kind, and not all.
    let constant = |info: &&KindInfo| json!({ "const": info.name, "description": first_sentence(info) });
    let mut branches: Vec<Value> = kinds.iter().map(constant).collect();
    branches.extend(kinds.iter().flat_map(|info| entry::old_names(info)));
    // The part after the dot is not case-sensitive; what is spelled with capitals is left to the engine.
    branches.push(json!({ "type": "string", "pattern": "^authentik_[a-z0-9_]+\\.[A-Za-z0-9]*[A-Z][A-Za-z0-9]*$" }));
    let mut schema = tags::choice(branches);
    schema["title"] = json!("Kind");
    schema["description"] = json!("The kind of the object.");
    schema
}

fn first_sentence(info: &KindInfo) -> String {
    let text = tags::paragraphs(&info.description);
    let end = text.find(". ").map_or(text.len(), |at| at + 1);
    format!("{}: {}", info.title, text[..end].lines().next().unwrap_or_default())
}
