//! A user of the directory as a request sees one: with the groups, and the rights that come from them.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::{Kind, Model, Need, Object};

use super::user::User;

/// How far up a group's ancestors count, as in the reference.
const DEPTH: usize = 20;

/// A user with all groups that the user is in, directly or because a group is below another.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user.
    pub object: Arc<Object>,
    /// Direct groups, then those above them, each once.
    pub groups: Vec<Arc<Object>>,
    /// How many of `groups` are direct.
    pub direct: usize,
}

impl Person {
    /// The person with an id.
    ///
    /// # Errors
    /// What the model does not hold.
    pub fn of(model: &Model, id: Uuid) -> Result<Option<Person>, Need> {
        let Some(object) = model.get(id)? else { return Ok(None) };
        if model.registry().get(object.kind).name != User::NAME {
            return Ok(None);
        }
        let mut groups: Vec<Arc<Object>> = Vec::new();
        for group in object.targets("groups") {
            groups.extend(model.get(*group)?.cloned());
        }
        let direct = groups.len();
        let mut level: Vec<Uuid> = groups.iter().flat_map(|group| group.targets("parent").to_vec()).collect();
        for _ in 0..DEPTH {
            let mut above = Vec::new();
            for id in level {
                if groups.iter().any(|group| group.id == id) {
                    continue;
                }
                if let Some(group) = model.get(id)? {
                    above.extend(group.targets("parent").iter().copied());
                    groups.push(group.clone());
                }
            }
            level = above;
        }
        Ok(Some(Person { object: object.clone(), groups, direct }))
    }

    /// Identity.
    pub fn id(&self) -> Uuid {
        self.object.id
    }

    /// A text attribute; empty when there is none.
    pub fn text(&self, field: &str) -> &str {
        self.object.attrs.get(field).and_then(Value::as_str).unwrap_or_default()
    }

    /// Name to sign in with.
    pub fn username(&self) -> &str {
        self.text("username")
    }

    /// Mail address; may be empty.
    pub fn email(&self) -> &str {
        self.text("email")
    }

    /// Whether the person may sign in at all.
    pub fn is_active(&self) -> bool {
        self.object.attrs.get("is_active").and_then(Value::as_bool).unwrap_or(false)
    }

    /// Whether the person may do everything: by a group, or by one above it.
    pub fn is_superuser(&self) -> bool {
        self.groups.iter().any(|group| group.attrs.get("is_superuser").and_then(Value::as_bool).unwrap_or(false))
    }

    /// The person's own free attributes.
    pub fn attributes(&self) -> &Map<String, Value> {
        static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
        self.object.attrs.get("attributes").and_then(Value::as_object).unwrap_or(&NONE)
    }

    /// The attributes of the direct groups by name and the person's own, merged deeply; lists are appended.
    pub fn merged_attributes(&self) -> Map<String, Value> {
        let mut merged = Map::new();
        let mut groups: Vec<&Arc<Object>> = self.groups.iter().take(self.direct).collect();
        groups.sort_by_key(|group| group.text("name"));
        let of_groups = groups.iter().filter_map(|group| group.attrs.get("attributes").and_then(Value::as_object));
        for attributes in of_groups.chain([self.attributes()]) {
            merge(&mut merged, attributes);
        }
        merged
    }

    /// Whether the person may see what went wrong inside: superusers, and who has the attribute for it.
    pub fn may_debug(&self) -> bool {
        let flag = self.merged_attributes().get("goauthentik.io/user/debug").and_then(Value::as_bool);
        self.is_superuser() || flag.unwrap_or(false)
    }

    /// As events show a user.
    pub fn as_actor(&self) -> Value {
        serde_json::json!({ "pk": self.object.number, "username": self.username(), "email": self.email() })
    }
}

/// Merges a mapping into another: mappings within are merged, lists appended, everything else replaced.
pub fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(key), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new.iter().cloned()),
            _ => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}
