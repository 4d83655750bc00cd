//! Objects as wholes: contradictions, required fields, rules across fields.

use std::{borrow::Cow, collections::HashMap};

use serde_json::{Map, Value};
use uuid::Uuid;

use super::{super::resolve::State, Composer, Desired, Wanted};
use crate::{
    base::diagnostic::{Code, Diagnostic, Severity},
    model::{KindInfo, kind::Finding, symbol},
};

impl Composer<'_, '_> {
    /// Judges each object as a whole: contradictions, required fields, cross-field rules.
    pub(super) fn judge(&mut self) {
        let registry = self.registry.clone();
        let mut found = Vec::new();
        for desired in self.objects.values() {
            let info = registry.get(desired.kind);
            let first = desired.entries[0];
            let place = |number: usize| self.resolver.entry(number).1.model.span;
            if let Some(absent) = desired.absent {
                if let Some(other) =
                    desired.entries.iter().find(|number| self.state(**number, desired.id) != Some(State::Absent))
                {
                    found.push(
                        Diagnostic::new(
                            Code::PRESENT_AND_ABSENT,
                            format!("one {} is to be both present and absent", info.title),
                        )
                        .at(place(absent), "deleted here")
                        .at(place(*other), "wanted here"),
                    );
                }
                continue;
            }
            let insists = |number: &&usize| self.state(**number, desired.id) == Some(State::MustCreated);
            let mut insisting = desired.entries.iter().filter(insists);
            if let (Some(one), Some(other)) = (insisting.next(), insisting.next()) {
                found.push(
                    Diagnostic::new(
                        Code::ALREADY_EXISTS,
                        format!("two entries must each create one and the same {}", info.title),
                    )
                    .at(place(*other), "must create it as well")
                    .at(place(*one), "creates it")
                    .help("use `state: present` in one of them, or other identifiers if two objects are meant"),
                );
            }
            let creating = desired.object.is_none();
            if creating && !self.options.offline && !desired.uncertain {
                if let Some(why) = info.not_creatable {
                    found.push(
                        Diagnostic::new(
                            Code::NOT_CREATABLE,
                            format!("a blueprint cannot create a {}: {why}", info.title),
                        )
                        .at(place(first), "no such object exists"),
                    );
                    continue;
                }
                let missing: Vec<&str> = info
                    .fields
                    .values()
                    .filter(|field| field.required && !desired.named.values().any(|named| named.contains(&field.name)))
                    .filter(|field| !info.generated.iter().any(|generated| generated.field == field.name))
                    .map(|field| field.name.as_str())
                    .collect();
                if !missing.is_empty() {
                    found.push(self.missing(info, desired, &missing));
                    continue;
                }
            }
            if self.options.offline {
                continue;
            }
            if let Some(findings) = self.cross_field(info, desired) {
                for finding in findings {
                    let wish = desired.wishes.get(finding.field);
                    let span = wish.map_or_else(|| place(first), |wish| wish.span);
                    let severity = if finding.refuses { Severity::Error } else { Severity::Warning };
                    found.push(
                        Diagnostic::new(Code::CROSS_FIELD, format!("`{}` {}", finding.field, finding.message))
                            .at(span, "")
                            .severity(severity),
                    );
                }
            }
        }
        self.found.append(&mut found);
    }

    /// The state of an entry about an object. A grant is wanted by entries that are about another one.
    pub(super) fn state(&self, number: usize, object: Uuid) -> Option<State> {
        let (identity, _) = self.resolver.resolved(number)?;
        identity.as_ref().as_ref().filter(|identity| identity.id == object).map(|identity| identity.state)
    }

    fn missing(&self, info: &KindInfo, desired: &Desired, missing: &[&str]) -> Diagnostic {
        let number = desired.entries[0];
        let entry = self.resolver.entry(number).1;
        let list = missing.join("`, `");
        let by_path = entry
            .identifiers
            .iter()
            .find(|pair| pair.key.split_once("__").is_some_and(|(field, _)| missing.contains(&field)));
        match by_path {
            Some(pair) => Diagnostic::new(
                Code::IDENTIFIER_PATH,
                format!(
                    "this {} does not exist, and the identifier `{}` cannot fill `{list}` for its creation",
                    info.title, pair.key
                ),
            )
            .at(pair.key_span, "only finds")
            .help(format!("give `{list}` below `identifiers` or `attrs` with !KeyOf or !Find")),
            None => Diagnostic::new(
                Code::REQUIRED_FIELD,
                format!("this {} does not exist yet, and creating it needs `{list}`", info.title),
            )
            .at(entry.model.span, "")
            .help(format!("add `{list}` below `attrs`, or correct the identifiers if it should exist")),
        }
    }

    /// Kind names of the objects that an object refers to.
    fn target_kinds(&self, info: &KindInfo, desired: &Desired) -> HashMap<Uuid, &'static str> {
        let wished = desired.wishes.values().filter_map(|wish| match &wish.wanted {
            Wanted::Edges(targets) => Some(targets.as_slice()),
            _ => None,
        });
        let stored = desired.object.iter().flat_map(|object| object.edges.values().map(Vec::as_slice));
        let kind_of = |id: &Uuid| match self.objects.get(id) {
            Some(desired) => Some(desired.kind),
            None => self.resolver.model().known(*id).map(|object| object.kind),
        };
        // Far sides of memberships can be long, and no rule asks for the kinds of their members.
        let few = info.references.iter().all(|reference| reference.inverse.is_none());
        let targets = wished.chain(stored).filter(|_| few).flatten();
        targets.filter_map(|id| Some((*id, self.registry.get(kind_of(id)?).name))).collect()
    }

    /// Runs the kind's own check on the object as it would be stored.
    fn cross_field(&self, info: &KindInfo, desired: &Desired) -> Option<Vec<Finding>> {
        let mut whole: Vec<(&str, Cow<'_, Value>)> = Vec::with_capacity(info.fields.len());
        for field in info.fields.values() {
            let wish = desired.wishes.get(&field.name).map(|wish| &wish.wanted);
            let stored = desired.object.as_deref();
            let value = match (wish, field.reference, field.secret) {
                (Some(Wanted::Json(value)), ..) if !symbol::contains_symbol(value) => Some(Cow::Borrowed(value)),
                (Some(Wanted::Edges(targets)), Some(reference), _) => Some(Cow::Owned(ids(targets, reference.many))),
                (Some(Wanted::Secret(text)), ..) => Some(Cow::Owned(if field.allows("object") {
                    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
                } else {
                    Value::String(text.clone())
                })),
                (None, Some(reference), _) => {
                    stored.map(|object| Cow::Owned(ids(object.targets(&field.name), reference.many)))
                }
                (None, None, Some(_)) => {
                    stored.filter(|object| object.secrets.contains_key(field.name.as_str())).map(|_| {
                        let empty = if field.allows("string") {
                            Value::String(String::new())
                        } else {
                            Value::Object(Map::new())
                        };
                        Cow::Owned(empty)
                    })
                }
                (None, None, None) => stored.and_then(|object| object.attrs.get(&field.name)).map(Cow::Borrowed),
                _ => None,
            };
            whole.extend(value.filter(|value| !value.is_null()).map(|value| (field.name.as_str(), value)));
        }
        let kinds = self.target_kinds(info, desired);
        info.check(&whole, kinds).ok().map(|report| report.findings)
    }
}

fn ids(targets: &[Uuid], many: bool) -> Value {
    let mut ids = targets.iter().map(|id| Value::String(id.to_string()));
    if many { Value::Array(ids.collect()) } else { ids.next().unwrap_or(Value::Null) }
}
