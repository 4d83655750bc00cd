//! Values across the border: ours into the sandbox's and back.
//!
//! Objects of the model, addresses and networks are instances of classes of the prelude. Going in they are made first
//! and told apart by the identity that the sandbox gives them; coming out they are recognised by what they carry.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use jiff::civil;
use monty_types::{
    MontyClassInstance, MontyClassType, MontyDate, MontyDateTime, MontyObject, MontyTime, MontyTimeDelta, MontyUuid,
};

use super::{
    Program,
    host::{Answer, Condition, ObjectRef, Query, Step},
    value::{Handle, Map, TimeDelta, Value},
};

/// What has to be made in the sandbox before a value can refer to it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Made {
    /// An object of the model.
    Object(Handle),
    /// An address.
    Address(IpAddr),
    /// A network.
    Network(IpAddr, u8),
}

/// Attributes that the prelude itself asks for.
const ALWAYS: &[&str] = &["name", "username", "slug", "title", "identifier", "pk", "path", "META"];

/// Values on their way in.
#[derive(Default)]
pub(super) struct Inward {
    /// Whose objects need only the attributes that the program asks for; the others stay outside. `None`: all are needed.
    program: Option<Program>,
    /// In the order in which the sandbox makes them.
    pub made: Vec<Made>,
    /// Their identities there, once made.
    pub ids: Vec<(MontyUuid, MontyClassType)>,
    objects: HashMap<(String, String), usize>,
}

impl Inward {
    /// Values for a program.
    pub fn of(program: &Program) -> Self {
        Self { program: Some(program.clone()), ..Self::default() }
    }

    /// Notes everything in a value that has to be made.
    pub fn collect(&mut self, value: &Value) {
        match value {
            Value::List(items) | Value::Tuple(items) | Value::Set(items) => {
                items.iter().for_each(|item| self.collect(item))
            }
            Value::Map(map) => map.values().for_each(|value| self.collect(value)),
            Value::Dict(pairs) => pairs.iter().for_each(|(key, value)| {
                self.collect(key);
                self.collect(value);
            }),
            Value::Address(address) => self.note(Made::Address(*address)),
            Value::Network(address, prefix) => self.note(Made::Network(*address, *prefix)),
            Value::Handle(handle) => {
                let key = (handle.kind.clone(), handle.id.clone());
                if !handle.id.is_empty() && self.objects.contains_key(&key) {
                    return;
                }
                self.objects.insert(key, self.made.len());
                self.made.push(Made::Object(handle.clone()));
                self.collect_attributes(handle.attributes.as_ref());
            }
            _ => {}
        }
    }

    /// Notes what has to be made of an object's attributes.
    pub fn collect_attributes(&mut self, attributes: Option<&Map>) {
        for (name, value) in attributes.into_iter().flatten() {
            if self.wants(name) {
                self.collect(value);
            }
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.program.as_ref().is_none_or(|program| program.0.names.wants(name)) || ALWAYS.contains(&name)
    }

    fn note(&mut self, made: Made) {
        if !self.made.contains(&made) {
            self.made.push(made);
        }
    }

    /// The index of what was made for a value.
    fn index(&self, value: &Value) -> Option<usize> {
        match value {
            Value::Handle(handle) if handle.id.is_empty() => {
                self.made.iter().position(|made| matches!(made, Made::Object(one) if one == handle))
            }
            Value::Handle(handle) => self.objects.get(&(handle.kind.clone(), handle.id.clone())).copied(),
            Value::Address(address) => self.made.iter().position(|made| *made == Made::Address(*address)),
            Value::Network(address, prefix) => {
                self.made.iter().position(|made| *made == Made::Network(*address, *prefix))
            }
            _ => None,
        }
    }

    /// What the sandbox is to make: kind and key of each.
    pub fn refs(&self) -> MontyObject {
        let pair = |kind: &str, key: MontyObject| MontyObject::Tuple(vec![text(kind), key]);
        MontyObject::List(
            self.made
                .iter()
                .map(|made| match made {
                    Made::Object(handle) => pair(&handle.kind, text(&handle.id)),
                    Made::Address(address) => pair("$address", self.convert(&super::pure::address(*address))),
                    Made::Network(address, prefix) => {
                        pair("$network", self.convert(&super::pure::network(*address, *prefix)))
                    }
                })
                .collect(),
        )
    }

    /// The attributes of all that was made, in order.
    pub fn attributes(&self) -> MontyObject {
        MontyObject::List(
            self.made
                .iter()
                .map(|made| match made {
                    Made::Object(Handle { attributes: Some(attributes), .. }) => MontyObject::dict(
                        attributes
                            .iter()
                            .filter(|(name, _)| self.wants(name))
                            .map(|(name, value)| (text(name), self.convert(value)))
                            .collect::<Vec<_>>(),
                    ),
                    _ => MontyObject::dict(Vec::new()),
                })
                .collect(),
        )
    }

    fn convert_map(&self, map: &Map) -> MontyObject {
        MontyObject::dict(map.iter().map(|(key, value)| (text(key), self.convert(value))).collect::<Vec<_>>())
    }

    /// A value as the sandbox has it.
    pub fn convert(&self, value: &Value) -> MontyObject {
        let all = |items: &[Value]| items.iter().map(|item| self.convert(item)).collect();
        match value {
            Value::None => MontyObject::None,
            Value::Bool(value) => MontyObject::Bool(*value),
            Value::Int(value) => MontyObject::Int(*value),
            Value::Big(value) => {
                i64::try_from(value).map_or_else(|_| MontyObject::BigInt(value.clone()), MontyObject::Int)
            }
            Value::Float(value) => MontyObject::Float(*value),
            Value::Text(value) => text(value),
            Value::Bytes(bytes) => MontyObject::Bytes(bytes.clone()),
            Value::List(items) => MontyObject::List(all(items)),
            Value::Tuple(items) => MontyObject::Tuple(all(items)),
            Value::Set(items) => MontyObject::Set(all(items)),
            Value::Map(map) => self.convert_map(map),
            Value::Dict(pairs) => MontyObject::dict(
                pairs.iter().map(|(key, value)| (self.convert(key), self.convert(value))).collect::<Vec<_>>(),
            ),
            Value::Date(date) => MontyObject::Date(MontyDate {
                year: i32::from(date.year()),
                month: date.month().unsigned_abs(),
                day: date.day().unsigned_abs(),
            }),
            Value::Time(time) => MontyObject::Time(MontyTime {
                hour: time.hour().unsigned_abs(),
                minute: time.minute().unsigned_abs(),
                second: time.second().unsigned_abs(),
                microsecond: (time.subsec_nanosecond() / 1000).unsigned_abs(),
                offset_seconds: None,
                timezone_name: None,
                fold: 0,
            }),
            Value::DateTime(moment, offset) => MontyObject::DateTime(MontyDateTime {
                year: i32::from(moment.year()),
                month: moment.month().unsigned_abs(),
                day: moment.day().unsigned_abs(),
                hour: moment.hour().unsigned_abs(),
                minute: moment.minute().unsigned_abs(),
                second: moment.second().unsigned_abs(),
                microsecond: (moment.subsec_nanosecond() / 1000).unsigned_abs(),
                offset_seconds: *offset,
                timezone_name: None,
            }),
            Value::TimeDelta(span) => MontyObject::TimeDelta(MontyTimeDelta {
                days: span.days,
                seconds: span.seconds,
                microseconds: span.microseconds,
            }),
            Value::Address(_) | Value::Network(..) | Value::Handle(_) => {
                match self.index(value).and_then(|index| self.ids.get(index)) {
                    Some((id, class)) => MontyObject::ClassInstance(Box::new(MontyClassInstance {
                        class_type: class.clone(),
                        instance_id: *id,
                        attrs: Vec::new().into(),
                    })),
                    // Everything that is referred to has been made; a gap shows as nothing rather than as something else.
                    None => MontyObject::None,
                }
            }
        }
    }
}

pub(super) fn text(text: &str) -> MontyObject {
    MontyObject::String(text.to_owned())
}

/// Values on their way out.
pub(super) struct Outward {
    /// What may still come, in bytes.
    left: usize,
    /// Whether values that cannot be kept are an error; they become texts otherwise.
    strict: bool,
    /// Which asks for attributes of the objects of queries.
    program: Program,
    /// What the host gave of each object: what of it stayed outside is put back.
    given: Given,
    /// Queries that came out before they were loaded. Each stands in its place as a handle of this kind whose id is its
    /// index here. With each, whether its rows are single values.
    pub queries: Vec<(Query, bool)>,
}

/// What the host gave of each object, by its identity in the sandbox.
pub(super) type Given = Arc<HashMap<MontyUuid, Handle>>;

/// The kind of the stand-in for a query.
pub(super) const QUERY: &str = "sandbox.query";

impl Outward {
    pub fn new(limit: usize, strict: bool, program: &Program, given: Given) -> Self {
        Self { left: limit, strict, program: program.clone(), given, queries: Vec::new() }
    }

    /// A value of the sandbox.
    ///
    /// # Errors
    ///
    /// It is larger than allowed, or cannot be kept.
    pub fn convert(&mut self, object: MontyObject) -> Result<Value, String> {
        self.take(16)?;
        Ok(match object {
            MontyObject::None | MontyObject::Ellipsis | MontyObject::NotImplemented => Value::None,
            MontyObject::Bool(value) => Value::Bool(value),
            MontyObject::Int(value) => Value::Int(value),
            MontyObject::BigInt(value) => {
                self.take(usize::try_from(value.bits() / 8).unwrap_or(usize::MAX))?;
                Value::Big(value)
            }
            MontyObject::Float(value) => Value::Float(value),
            MontyObject::String(text) | MontyObject::Path(text) => {
                self.take(text.len())?;
                Value::Text(text)
            }
            MontyObject::Bytes(bytes) => {
                self.take(bytes.len())?;
                Value::Bytes(bytes)
            }
            MontyObject::List(items) => Value::List(self.all(items)?),
            MontyObject::Tuple(items) | MontyObject::NamedTuple { values: items, .. } => Value::Tuple(self.all(items)?),
            MontyObject::Set(items) | MontyObject::FrozenSet(items) => Value::Set(self.all(items)?),
            MontyObject::Dict(pairs) => {
                let mut all = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    all.push((self.convert(key)?, self.convert(value)?));
                }
                Value::from_pairs(all)
            }
            MontyObject::Date(date) => Value::Date(self.date(date.year, date.month, date.day)?),
            MontyObject::Time(time) => Value::Time(clock(time.hour, time.minute, time.second, time.microsecond)),
            MontyObject::DateTime(at) => {
                let date = self.date(at.year, at.month, at.day)?;
                Value::DateTime(
                    date.to_datetime(clock(at.hour, at.minute, at.second, at.microsecond)),
                    at.offset_seconds,
                )
            }
            MontyObject::TimeDelta(span) => {
                Value::TimeDelta(TimeDelta { days: span.days, seconds: span.seconds, microseconds: span.microseconds })
            }
            MontyObject::ClassInstance(instance) => self.instance(*instance)?,
            MontyObject::Exception { exc_type, arg } => Value::Text(format!("{exc_type}({})", arg.unwrap_or_default())),
            MontyObject::Cycle(..) => return self.odd("a value that contains itself"),
            MontyObject::Repr(text) => return self.odd(&text),
            other => return self.odd(&other.to_string()),
        })
    }

    fn all(&mut self, items: Vec<MontyObject>) -> Result<Vec<Value>, String> {
        items.into_iter().map(|item| self.convert(item)).collect()
    }

    fn take(&mut self, bytes: usize) -> Result<(), String> {
        self.left = self.left.checked_sub(bytes).ok_or("what the expression gives out is larger than allowed")?;
        Ok(())
    }

    fn odd(&mut self, what: &str) -> Result<Value, String> {
        if self.strict {
            return Err(format!("an expression cannot give out {what}"));
        }
        self.take(what.len())?;
        Ok(Value::Text(what.to_owned()))
    }

    fn date(&self, year: i32, month: u8, day: u8) -> Result<civil::Date, String> {
        let part = |number: u8| i8::try_from(number).unwrap_or_default();
        let year = i16::try_from(year).map_err(|error| error.to_string())?;
        civil::Date::new(year, part(month), part(day)).map_err(|error| error.to_string())
    }

    fn instance(&mut self, instance: MontyClassInstance) -> Result<Value, String> {
        let class = instance.class_type.name;
        let id = instance.instance_id;
        let mut fields: HashMap<String, MontyObject> = HashMap::new();
        let mut attributes = Map::new();
        let known =
            matches!(class.as_str(), "_Query" | "_Address" | "_Network" | "UUID" | "_Plan" | "_Module" | "_Logger");
        for (key, value) in instance.attrs {
            let MontyObject::String(key) = key else { continue };
            if known || key.starts_with('_') {
                fields.insert(key, value);
            } else if !is_query(&value) {
                attributes.insert(key, self.convert(value)?);
            }
        }
        let field = |fields: &mut HashMap<String, MontyObject>, name: &str| match fields.remove(name) {
            Some(MontyObject::String(text)) => Some(text),
            _ => None,
        };
        match class.as_str() {
            "_Query" if fields.get("_manager").is_some_and(|manager| matches!(manager, MontyObject::Bool(false))) => {
                // A query that has its rows is their list.
                match fields.remove("_rows") {
                    Some(MontyObject::List(rows)) => Ok(Value::List(self.all(rows)?)),
                    _ if self.strict => {
                        let query = self.query(fields)?;
                        self.queries.push(query);
                        Ok(Value::Handle(Handle::new(QUERY, (self.queries.len() - 1).to_string())))
                    }
                    _ => self.odd("<QuerySet>"),
                }
            }
            "_Address" => match field(&mut fields, "compressed").and_then(|text| text.parse().ok()) {
                Some(address) => Ok(Value::Address(address)),
                None => self.odd("an address"),
            },
            "_Network" => match field(&mut fields, "compressed").as_deref().and_then(|text| text.split_once('/')) {
                Some((address, prefix)) => match (address.parse(), prefix.parse()) {
                    (Ok(address), Ok(prefix)) => Ok(Value::Network(address, prefix)),
                    _ => self.odd("a network"),
                },
                None => self.odd("a network"),
            },
            "UUID" => match field(&mut fields, "hex").and_then(|hex| uuid::Uuid::parse_str(&hex).ok()) {
                Some(id) => Ok(Value::Text(id.to_string())),
                None => self.odd("a UUID"),
            },
            "_Query" | "_Plan" | "_Module" | "_Logger" => self.odd(&format!("<{}>", class.trim_start_matches('_'))),
            _ => match (field(&mut fields, "_kind"), field(&mut fields, "_id")) {
                (Some(kind), Some(key)) => {
                    let whole = match self.given.get(&id).and_then(|given| given.attributes.as_ref()) {
                        Some(given) => {
                            let mut whole = given.clone();
                            whole.extend(attributes);
                            whole
                        }
                        None => attributes,
                    };
                    Ok(Value::Handle(Handle::with(kind, key, whole)))
                }
                _ => Ok(Value::Handle(Handle::with(
                    format!("sandbox.{}", class.trim_start_matches('_')),
                    "",
                    attributes,
                ))),
            },
        }
    }

    /// The query that an unloaded query object stands for.
    fn query(&mut self, mut fields: HashMap<String, MontyObject>) -> Result<(Query, bool), String> {
        let mut part = |name: &str| fields.remove(name).unwrap_or(MontyObject::None);
        let arguments = vec![part("_model"), part("_related"), part("_steps"), part("_answer")];
        let flat = matches!(part("_flat"), MontyObject::Bool(true));
        Ok((self.ask(arguments)?, flat))
    }

    /// A query from the arguments of `_gw_native("query", …)`.
    pub fn ask(&mut self, arguments: Vec<MontyObject>) -> Result<Query, String> {
        let mut arguments = self.all(arguments)?.into_iter();
        let wrong = || "a query was put together wrongly".to_owned();
        let mut next = || arguments.next().unwrap_or_default();
        let Value::Text(model) = next() else { return Err(wrong()) };
        let related = related(&next())?;
        let mut steps = Vec::new();
        let (Value::List(items), Value::Tuple(answer)) = (next(), next()) else { return Err(wrong()) };
        for step in items {
            let Value::Tuple(step) = step else { return Err(wrong()) };
            let mut step = step.into_iter();
            let name = step.next().unwrap_or_default();
            let rest: Vec<Value> = step.collect();
            steps.push(match (name.as_text().unwrap_or_default(), &rest[..]) {
                ("filter", [Value::List(conditions)]) => Step::Filter(conditions_of(conditions)?),
                ("exclude", [Value::List(conditions)]) => Step::Exclude(conditions_of(conditions)?),
                ("order_by", [Value::List(fields)]) => Step::OrderBy(texts(fields)),
                ("reverse", []) => Step::Reverse,
                ("distinct", []) => Step::Distinct,
                ("slice", [Value::Int(from), Value::Int(to)]) => {
                    Step::Slice(from.unsigned_abs(), Some(to.unsigned_abs()))
                }
                _ => return Err(wrong()),
            });
        }
        let name = answer.first().and_then(Value::as_text).unwrap_or_default();
        let answer = match (name, answer.get(1)) {
            ("objects", None) => Answer::Objects,
            ("values", Some(Value::List(fields))) => Answer::Values(texts(fields)),
            ("tuples", Some(Value::List(fields))) => Answer::Tuples(texts(fields)),
            ("count", None) => Answer::Count,
            ("exists", None) => Answer::Exists,
            ("delete", None) => Answer::Delete,
            ("update", Some(Value::Map(fields))) => Answer::Update(fields.clone()),
            _ => return Err(wrong()),
        };
        Ok(Query { model, related, steps, answer, names: self.program.0.names.clone() })
    }
}

/// Object and relation of a query.
pub(super) fn related(value: &Value) -> Result<Option<(ObjectRef, String)>, String> {
    match value {
        Value::None => Ok(None),
        Value::Tuple(parts) => match &parts[..] {
            [Value::Text(kind), Value::Text(id), Value::Text(relation)] => {
                Ok(Some((ObjectRef { kind: kind.clone(), id: id.clone() }, relation.clone())))
            }
            _ => Err("a relation was put together wrongly".to_owned()),
        },
        _ => Err("objects of all of a kind have no relation to change".to_owned()),
    }
}

fn conditions_of(items: &[Value]) -> Result<Vec<Condition>, String> {
    items
        .iter()
        .map(|item| match item {
            Value::Tuple(pair) => match &pair[..] {
                [Value::Text(path), value] => Ok(Condition { path: path.clone(), value: value.clone() }),
                _ => Err("a condition was put together wrongly".to_owned()),
            },
            _ => Err("a condition was put together wrongly".to_owned()),
        })
        .collect()
}

pub(super) fn texts(items: &[Value]) -> Vec<String> {
    items.iter().filter_map(|item| item.as_text().map(str::to_owned)).collect()
}

fn is_query(value: &MontyObject) -> bool {
    matches!(value, MontyObject::ClassInstance(instance) if instance.class_type.name == "_Query")
}

fn clock(hour: u8, minute: u8, second: u8, microsecond: u32) -> civil::Time {
    let part = |number: u8| i8::try_from(number).unwrap_or_default();
    let nanosecond = i32::try_from(microsecond.saturating_mul(1000)).unwrap_or_default();
    civil::Time::new(part(hour), part(minute), part(second), nanosecond).unwrap_or_default()
}
