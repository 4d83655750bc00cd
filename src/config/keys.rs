//! The table of keys, read off the schema of the configuration structs.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Config;

/// Begins the name of every variable of ours.
pub(super) const PREFIX: &str = "GATEWRIGHT_";

/// What a key holds, as far as a variable's text has to be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Text,
    Boolean,
    Integer,
    /// Texts; separated by commas in a variable.
    List,
    /// Texts by name; `name=value` separated by commas in a variable.
    Map,
}

/// How much of a value is hidden in reports and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hidden {
    Nothing,
    /// The password of a database URL.
    Password,
    All,
}

/// One key.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// Dotted name, as in the file.
    pub path: String,
    pub shape: Shape,
    pub hidden: Hidden,
    pub default: Value,
}

impl Key {
    /// The variable that sets the key.
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.path.replace('.', "_").to_uppercase())
    }

    /// The value as it may be shown.
    pub fn show(&self, value: &Value) -> String {
        match (self.hidden, value) {
            (_, Value::Null) => "(not set)".into(),
            (Hidden::All, _) => "(secret)".into(),
            (Hidden::Password, Value::String(url)) => Value::String(without_password(url)).to_string(),
            _ => value.to_string(),
        }
    }
}

/// Every key, in the order of the structs.
pub(super) fn all() -> Vec<Key> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = settings.into_generator().into_root_schema_for::<Config>().to_value();
    let mut keys = Vec::new();
    collect("", &schema, &mut keys);
    keys
}

fn collect(prefix: &str, schema: &Value, keys: &mut Vec<Key>) {
    let none = Map::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).unwrap_or(&none) {
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        if property.get("properties").is_some() {
            collect(&path, property, keys);
            continue;
        }
        let is = |name: &str| match property.get("type") {
            Some(Value::Array(types)) => types.iter().any(|one| one == name),
            one => one.is_some_and(|one| one == name),
        };
        let shape =
            [("boolean", Shape::Boolean), ("integer", Shape::Integer), ("array", Shape::List), ("object", Shape::Map)];
        let shape = shape.into_iter().find(|(name, _)| is(name)).map_or(Shape::Text, |(_, shape)| shape);
        let hidden = match property.get("x-secret").and_then(Value::as_str) {
            None => Hidden::Nothing,
            Some("url") => Hidden::Password,
            Some(_) => Hidden::All,
        };
        let default = property.get("default").cloned().unwrap_or(Value::Null);
        keys.push(Key { path, shape, hidden, default });
    }
}

/// A database URL with its password replaced. Rather too much is hidden than too little: a password may hold any
/// character when its author forgot to encode it.
fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.into() };
    let (user, rest) = match rest.rsplit_once('@') {
        Some((user, rest)) => (Some(user.split_once(':').map_or(user, |(user, _)| user)), rest),
        None => (None, rest),
    };
    let hide = |parameter: &str| match parameter.split_once('=') {
        Some((name, _)) if name.contains("pass") => format!("{name}=(secret)"),
        _ => parameter.into(),
    };
    let rest = match rest.split_once('?') {
        Some((path, query)) => format!("{path}?{}", query.split('&').map(hide).collect::<Vec<_>>().join("&")),
        None => rest.into(),
    };
    match user {
        Some(user) => format!("{scheme}://{user}:(secret)@{rest}"),
        None => format!("{scheme}://{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_variable_sets_one_key() {
        let mut variables: Vec<_> = all().iter().map(Key::variable).collect();
        assert!(variables.contains(&"GATEWRIGHT_BLUEPRINTS_ALLOW_ENV".into()), "{variables:?}");
        variables.sort();
        assert!(variables.windows(2).all(|pair| pair[0] != pair[1]), "{variables:?}");
    }

    #[test]
    fn passwords_leave_no_trace_in_urls() {
        for (url, shown) in [
            ("sqlite://gatewright.db", "sqlite://gatewright.db"),
            ("postgres://h/db", "postgres://h/db"),
            ("postgres://u:hunter2@h:5432/db?sslmode=require", "postgres://u:(secret)@h:5432/db?sslmode=require"),
            ("postgres://u:hun/t?e@r2@h/db", "postgres://u:(secret)@h/db"),
            ("postgres://h/db?user=u&password=hunter2", "postgres://h/db?user=u&password=(secret)"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }
}
