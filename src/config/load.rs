//! Puts the four layers on top of each other and remembers where each value came from.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::{
    Config, ConfigError, ConfigErrors, ConfigFile, Environment, Origin, Row,
    keys::{self, Hidden, Key, PREFIX, Shape},
};
use crate::base::diagnostic::nearest;

/// Variables that begin with [`PREFIX`] and are not keys: read by the first start, by this loader's caller, by tests.
const OTHER_VARIABLES: &[&str] = &[
    "GATEWRIGHT_AGE_KEY_FILE",
    "GATEWRIGHT_CONFIG",
    "GATEWRIGHT_PEERS",
    "GATEWRIGHT_REQUIRE_PEERS",
    "GATEWRIGHT_TOKEN",
    "GATEWRIGHT_UPDATE",
];
const OTHER_PREFIXES: &[&str] = &["GATEWRIGHT_BOOTSTRAP_", "GATEWRIGHT_EXPORT_", "GATEWRIGHT_TEST_"];

/// A value given on the command line.
#[derive(Clone, Debug)]
pub struct Flag {
    /// As typed: `--listen`.
    pub name: &'static str,
    /// The key that it sets.
    pub key: &'static str,
    /// Its value; an object adds entries to a map, anything else replaces what lower layers say.
    pub value: Value,
}

/// Builds the effective configuration: defaults, then the file, then the variables, then the flags.
///
/// # Errors
/// All mistakes of all layers at once.
pub fn load(file: Option<&ConfigFile>, environment: &Environment, flags: &[Flag]) -> Result<Config, ConfigErrors> {
    let keys = keys::all();
    let mut loader = Loader { keys: &keys, values: BTreeMap::new(), errors: Vec::new() };
    if let Some(file) = file {
        loader.file(file);
    }
    loader.environment(environment);
    for flag in flags {
        let origin = Origin::Flag(flag.name.into());
        match keys.iter().position(|key| key.path == flag.key) {
            Some(at) => loader.set(at, flag.value.clone(), &origin),
            None => loader.unknown(flag.key, origin),
        }
    }
    loader.finish()
}

/// A key by its place in the table and, for maps, the name of an entry.
type Slot = (usize, Option<String>);

struct Loader<'k> {
    keys: &'k [Key],
    values: BTreeMap<Slot, (Value, Origin)>,
    errors: Vec<ConfigError>,
}

impl Loader<'_> {
    fn file(&mut self, file: &ConfigFile) {
        let line = |offset: usize| file.text.get(..offset).map_or(1, |before| before.matches('\n').count() + 1);
        let table = match DeTable::parse(&file.text) {
            Ok(table) => table,
            Err(error) => {
                let line = error.span().map_or(1, |span| line(span.start));
                let reason = error.message().to_owned();
                self.errors.push(ConfigError::Syntax { file: file.name.clone(), line, reason });
                return;
            }
        };
        let origin = |offset| Origin::File { name: file.name.clone(), line: line(offset) };
        self.table("", table.get_ref(), &origin);
    }

    fn table(&mut self, prefix: &str, table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            let path =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            let at = origin(name.span().start);
            let section = self.keys.iter().any(|key| key.path.starts_with(&format!("{path}.")));
            match (self.keys.iter().position(|key| key.path == path), value.get_ref()) {
                (Some(key), DeValue::Table(entries)) if self.keys[key].shape == Shape::Map => {
                    for (entry, value) in entries {
                        let slot = (key, Some(entry.get_ref().to_string()));
                        self.values.insert(slot, (json(value.get_ref()), origin(entry.span().start)));
                    }
                }
                (Some(key), value) => self.set(key, json(value), &at),
                (None, DeValue::Table(inner)) if section => self.table(&path, inner, origin),
                (None, _) if section => {
                    let reason = format!("is a section; write [{path}] and its keys below");
                    self.errors.push(ConfigError::Value { key: path, origin: at, reason });
                }
                (None, _) => self.unknown(&path, at),
            }
        }
    }

    fn environment(&mut self, environment: &Environment) {
        let variables: Vec<String> = self.keys.iter().map(Key::variable).collect();
        for (name, value) in environment.iter().filter(|(name, _)| name.starts_with(PREFIX)) {
            if OTHER_VARIABLES.contains(&name) || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
                continue;
            }
            let Some(at) = variables.iter().position(|variable| variable == name) else {
                let known = variables.iter().map(String::as_str).chain(OTHER_VARIABLES.iter().copied());
                let nearest = nearest(name, known).map(str::to_owned);
                self.errors.push(ConfigError::UnknownVariable { name: name.into(), nearest });
                continue;
            };
            let origin = Origin::Variable(name.into());
            match value.ok_or_else(|| "is not UTF-8 text".into()).and_then(|text| parse(self.keys[at].shape, text)) {
                Ok(value) => self.set(at, value, &origin),
                Err(reason) => {
                    self.errors.push(ConfigError::Value { key: self.keys[at].path.clone(), origin, reason });
                }
            }
        }
    }

    fn set(&mut self, key: usize, value: Value, origin: &Origin) {
        match value {
            Value::Object(entries) if self.keys[key].shape == Shape::Map => {
                for (entry, value) in entries {
                    self.values.insert((key, Some(entry)), (value, origin.clone()));
                }
            }
            value => {
                self.values.insert((key, None), (value, origin.clone()));
            }
        }
    }

    /// Reports a name that is no key. A known key with the same last word counts as meant, too: `url` for
    /// `database.url`.
    fn unknown(&mut self, path: &str, origin: Origin) {
        let mut names: Vec<&str> = self.keys.iter().map(|key| key.path.as_str()).collect();
        names.extend(self.keys.iter().filter_map(|key| key.path.split_once('.').map(|(section, _)| section)));
        let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
        let nearest = nearest(path, names.iter().copied())
            .or_else(|| names.iter().copied().find(|name| last(name) == last(path)))
            .map(str::to_owned);
        self.errors.push(ConfigError::UnknownKey { key: path.into(), origin, nearest });
    }

    fn finish(mut self) -> Result<Config, ConfigErrors> {
        let mut whole = Value::Object(Map::new());
        for ((at, entry), (value, origin)) in &self.values {
            let key = &self.keys[*at];
            // Each value is tried alone first, so that every wrong one is reported and with its own place.
            let mut alone = Value::Object(Map::new());
            put(&mut alone, &key.path, entry.as_deref(), value.clone());
            match Config::deserialize(alone) {
                Ok(_) => put(&mut whole, &key.path, entry.as_deref(), value.clone()),
                Err(error) => self.errors.push(ConfigError::Value {
                    key: key.path.clone(),
                    origin: origin.clone(),
                    reason: reason(key, value, &error),
                }),
            }
        }
        if !self.errors.is_empty() {
            return Err(ConfigErrors(self.errors));
        }
        let mut config = Config::deserialize(whole).map_err(|error| {
            // Values that fit alone fit together; this can only be a mistake in the structs.
            let reason = format!("does not load: {error}");
            ConfigError::Value { key: "configuration".into(), origin: Origin::Default, reason }
        })?;
        let problems = config.check().into_iter().map(|problem| {
            let at = self.keys.iter().position(|key| key.path == problem.key);
            let set = self.values.iter().find(|((key, _), _)| Some(*key) == at);
            let origin = set.map_or(Origin::Default, |(_, (_, origin))| origin.clone());
            ConfigError::Value { key: problem.key.into(), origin, reason: problem.reason }
        });
        let problems: Vec<_> = problems.collect();
        if !problems.is_empty() {
            return Err(ConfigErrors(problems));
        }
        config.rows = self.rows();
        Ok(config)
    }

    fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (at, key) in self.keys.iter().enumerate() {
            let set: Vec<_> = self.values.iter().filter(|((key, _), _)| *key == at).collect();
            if set.is_empty() {
                let value = if key.shape == Shape::Map { "{}".into() } else { key.show(&key.default) };
                rows.push(Row { key: key.path.clone(), value, origin: Origin::Default });
            }
            for ((_, entry), (value, origin)) in set {
                let name = entry.as_ref().map_or(key.path.clone(), |entry| format!("{}.{entry}", key.path));
                rows.push(Row { key: name, value: key.show(value), origin: origin.clone() });
            }
        }
        rows
    }
}

/// Sets a value at a dotted path, making the tables on the way.
fn put(target: &mut Value, path: &str, entry: Option<&str>, value: Value) {
    let mut target = target;
    for name in path.split('.').chain(entry) {
        if !target.is_object() {
            *target = Value::Object(Map::new());
        }
        target = &mut target[name];
    }
    *target = value;
}

/// Why a value does not fit. The type's own message repeats the value, so a secret gets a poorer one.
fn reason(key: &Key, value: &Value, error: &serde_json::Error) -> String {
    match (key.hidden, key.shape, value) {
        (Hidden::Nothing, _, _) => format!("does not fit: {error}"),
        // A type that hides itself writes messages that do, too.
        (Hidden::All, Shape::Text, Value::String(_)) => error.to_string(),
        _ => "has the wrong type".into(),
    }
}

/// A variable's text as a value of the key's shape.
fn parse(shape: Shape, text: &str) -> Result<Value, String> {
    let list = || text.split(',').map(str::trim).filter(|part| !part.is_empty());
    match shape {
        Shape::Text => Ok(Value::from(text)),
        Shape::Boolean => match text {
            "true" | "1" => Ok(Value::Bool(true)),
            "false" | "0" => Ok(Value::Bool(false)),
            _ => Err("must be true or false".into()),
        },
        Shape::Integer => text.parse::<i64>().map(Value::from).map_err(|_| "must be a whole number".into()),
        Shape::List => Ok(list().map(Value::from).collect()),
        Shape::Map => list()
            .map(|part| match part.split_once('=') {
                Some((name, value)) => Ok((name.trim().to_owned(), Value::from(value.trim()))),
                None => Err("must be name=value pairs separated by commas".to_owned()),
            })
            .collect::<Result<Map<_, _>, _>>()
            .map(Value::Object),
    }
}

/// A TOML value as JSON; dates become text, and numbers that JSON has not become null, which no key takes.
fn json(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::from(time.to_string()),
        DeValue::Array(items) => items.iter().map(|item| json(item.get_ref())).collect(),
        DeValue::Table(entries) => {
            entries.iter().map(|(name, value)| (name.get_ref().to_string(), json(value.get_ref()))).collect()
        }
    }
}
