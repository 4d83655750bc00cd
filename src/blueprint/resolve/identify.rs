//! Which object an entry is about: its kind, conditions, state and identifiers.

use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{
        lookup, meta,
        tags::Fault,
        value::{MapKey, Val},
        yaml::Node,
    },
    Attr, Identity, Resolver, Result, State,
    unknown::{renamed_kind, unknown_kind},
};
use crate::{
    base::diagnostic::{Code, Diagnostic, nearest},
    model::{KindIndex, KindInfo, object},
};

impl Resolver<'_> {
    pub(super) fn identify(&mut self, number: usize) -> Result<Option<Identity>> {
        let entry = self.entry(number).1;
        let kind = self.kind_of(number, &entry.model)?;
        let registry = self.registry.clone();
        let info = registry.get(kind);
        let mut uncertain = false;
        for condition in &entry.conditions {
            match self.evaluate(number, condition)?.truth() {
                Some(true) => {}
                Some(false) => {
                    self.glance(number, kind);
                    return Ok(None);
                }
                None => uncertain = true,
            }
        }
        if info.meta {
            let values =
                entry.attrs.iter().map(|pair| self.evaluate(number, &pair.value)).collect::<Result<Vec<_>>>()?;
            if let Some(child) = meta::judge(self.documents, &self.model, entry, &values, &mut self.found) {
                self.applications.push((self.entries[number].document, child, entry.model.span));
            }
            return Ok(None);
        }
        let state = match &entry.state {
            None => State::Present,
            Some(node) => self.state(number, node)?,
        };
        let mut identifiers = Vec::with_capacity(entry.identifiers.len());
        let mut failed = false;
        for pair in &entry.identifiers {
            let path = (!lookup::KEY_NAMES.contains(&&*pair.key))
                .then(|| lookup::parse(&registry, &[kind], &pair.key))
                .transpose();
            if let Err((part, meant)) = path {
                self.unknown_identifier(info, pair, &part, meant);
                failed = true;
                continue;
            }
            match self.attr(number, pair) {
                Ok(mut attr) => {
                    collapse_key(&mut attr.value);
                    uncertain |= attr.value.is_unknown();
                    identifiers.push(attr);
                }
                Err(Fault::Reported) => failed = true,
                Err(other) => return Err(other),
            }
        }
        if failed || entry.unidentifiable {
            return Err(Fault::Reported);
        }
        if identifiers.is_empty() {
            let keys: Vec<String> = info.keys.iter().map(|key| key.fields.join(" + ")).collect();
            let mut finding = Diagnostic::new(
                Code::NO_IDENTIFIERS,
                format!("this entry does not say which {} it is about", info.title),
            )
            .at(entry.model.span, "no identifiers");
            if !keys.is_empty() {
                finding = finding.help(format!("identify it below `identifiers:` by {}", keys.join(", or by ")));
            }
            return self.fail(finding);
        }
        let object = if uncertain { None } else { self.stored(number, info, &identifiers)? };
        let id = match &object {
            Some(object) => object.id,
            None => self.derive_id(number, info, &identifiers, uncertain),
        };
        Ok(Some(Identity { kind, id, object, state, identifiers, uncertain }))
    }

    fn kind_of(&mut self, number: usize, node: &Node) -> Result<KindIndex> {
        let value = self.evaluate(number, node)?;
        let Val::Text(name) = value.peel() else {
            return self.fail(
                Diagnostic::new(Code::WRONG_TYPE, format!("`model` must be text, not {}", value.kind_name()))
                    .at(node.span, ""),
            );
        };
        let registry = self.registry.clone();
        let Some(info) = registry.find(name) else {
            return self.fail(unknown_kind(&registry, name, node.span, node.tag.is_none()));
        };
        self.found.extend(renamed_kind(&registry, name, node.span, node.tag.is_none()));
        Ok(info.index)
    }

    pub(super) fn state(&mut self, number: usize, node: &Node) -> Result<State> {
        let value = self.evaluate(number, node)?;
        let text = match value.peel() {
            Val::Text(text) => text.to_string(),
            Val::Unknown => return Ok(State::Present),
            other => other.python_str(),
        };
        match State::NAMES.iter().find(|(name, _)| *name == text) {
            Some((_, state)) => Ok(*state),
            None => {
                let names = State::NAMES.map(|(name, _)| name);
                let mut finding =
                    Diagnostic::new(Code::UNKNOWN_STATE, format!("`{text}` is no state")).at(node.span, "");
                finding = match nearest(&text, names) {
                    Some(meant) if node.tag.is_none() => {
                        finding.help(format!("did you mean `{meant}`?")).fix(format!("use `{meant}`"), node.span, meant)
                    }
                    _ => finding.help(format!("the states are {}", names.join(", "))),
                };
                self.fail(finding)
            }
        }
    }

    /// Id of an object that this plan creates. The same identifiers give the same id, whatever else the entry says,
    /// so several entries can be about one new object.
    fn derive_id(&mut self, number: usize, info: &KindInfo, identifiers: &[Attr], uncertain: bool) -> Uuid {
        if let Some(id) = identifiers
            .iter()
            .filter(|attr| lookup::KEY_NAMES.contains(&&*attr.key) && !info.fields.contains_key(&*attr.key))
            .find_map(|attr| Uuid::parse_str(attr.value.peel().python_str().trim()).ok())
            && !info.numbered
        {
            return id;
        }
        let mut names: Vec<String> = Vec::new();
        let canonical = |attr: &Attr| match attr.value.peel() {
            Val::Object(object) => Value::String(object.id.to_string()),
            Val::Text(text) => {
                Uuid::parse_str(text).map_or_else(|_| attr.value.to_json(), |id| Value::String(id.to_string()))
            }
            other => other.to_json(),
        };
        for key in info.keys.iter().filter(|key| !key.only_true) {
            let values: Option<Vec<Value>> = key
                .fields
                .iter()
                .map(|field| {
                    identifiers.iter().find(|attr| &*attr.key == *field).map(canonical).filter(|value| !value.is_null())
                })
                .collect();
            if let Some(values) = values {
                names.push(format!("{}|{}|{}", info.name, object::key_name(key), object::key_text(&values)));
            }
        }
        if names.is_empty() {
            let mut all: Vec<String> =
                identifiers.iter().map(|attr| format!("{}={}", attr.key, canonical(attr))).collect();
            all.sort();
            names.push(format!("{}|{}", info.name, all.join("&")));
        }
        if uncertain && identifiers.iter().any(|attr| attr.value.is_unknown()) {
            // By its place within its document, so that two revisions of the document mean the same object.
            let (document, entry) = self.entry(number);
            let place = entry.id.as_ref().map_or_else(|| self.position(number).to_string(), |(id, _)| id.to_string());
            names = vec![format!("{}|{}|entry {place}", info.name, document.path)];
        }
        let known = names.iter().find_map(|name| self.declared_keys.get(name)).copied();
        let id =
            known.unwrap_or_else(|| Uuid::new_v5(&self.namespace, format!("{}|{}", info.name, names[0]).as_bytes()));
        for name in names {
            self.declared_keys.entry(name).or_insert(id);
        }
        id
    }
}

/// An identifier given as a mapping with `pk` means that key (spec blueprints §5).
fn collapse_key(value: &mut Val) {
    if let Val::Map(map) = value.peel()
        && let Some(pk) = map.get(&MapKey::Text("pk".into()))
    {
        *value = pk.clone();
    }
}
