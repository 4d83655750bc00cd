//! An entry's attributes against the JSON Schema of its kind, with errors in words.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::{super::document::Pair, Asked, Composer};
use crate::{
    base::{
        diagnostic::{Code, Diagnostic, Span, nearest},
        text::shorten,
    },
    model::{Change, KindIndex, KindInfo, publish, registry::FieldInfo},
};

/// Compiled schemas of kinds, built on first use.
#[derive(Default)]
pub struct Validators {
    by_kind: HashMap<KindIndex, Option<jsonschema::Validator>>,
}

impl Validators {
    pub(super) fn get(&mut self, info: &KindInfo) -> Option<&jsonschema::Validator> {
        self.by_kind
            .entry(info.index)
            .or_insert_with(|| {
                jsonschema::options().with_draft(jsonschema::Draft::Draft7).build(&publish::of_attributes(info)).ok()
            })
            .as_ref()
    }
}

impl Composer<'_, '_> {
    /// Validates an entry's plain attributes against the kind's JSON Schema.
    pub(super) fn validate(&mut self, number: usize, info: &KindInfo, json: Map<String, Value>, wishes: &[Asked<'_>]) {
        if json.is_empty() {
            return;
        }
        let instance = Value::Object(json);
        let Some(validator) = self.validators.get(info) else { return };
        if validator.is_valid(&instance) {
            return;
        }
        let entry = self.resolver.entry(number).1;
        let mut found = Vec::new();
        for error in validator.iter_errors(&instance) {
            let pointer = error.instance_path().to_string();
            let mut parts = pointer.trim_start_matches('/').splitn(2, '/');
            let field = parts.next().unwrap_or_default().to_owned();
            let rest = parts.next();
            let tainted = wishes.iter().any(|wish| wish.field == field && wish.tainted);
            let Some(info_field) = info.fields.get(&field) else { continue };
            let written = |pair: &&Pair| {
                *pair.key == *field
                    || info.changes.iter().any(|change| {
                        matches!(change, Change::Renamed { from, to, .. } if *from == &*pair.key && *to == field)
                    })
            };
            let pair = entry.attrs.iter().rev().chain(entry.identifiers.iter().rev()).find(written);
            let span = pair.map_or(entry.model.span, |pair| match rest {
                Some(rest) => pair.value.at(&format!("/{rest}")).span,
                None => pair.value.span,
            });
            let actual = instance.pointer(&pointer).unwrap_or(&Value::Null);
            found.push(schema_finding(
                info_field,
                rest,
                &error,
                actual,
                span,
                tainted,
                pair.is_some_and(|pair| pair.value.tag.is_none()),
            ));
        }
        self.found.append(&mut found);
    }
}

/// Words for an error of the schema validator.
fn schema_finding(
    field: &FieldInfo,
    rest: Option<&str>,
    error: &jsonschema::ValidationError<'_>,
    actual: &Value,
    span: Span,
    tainted: bool,
    literal: bool,
) -> Diagnostic {
    use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
    let place = match rest {
        Some(rest) => format!("`{}` at `{}`", field.name, rest.replace('/', ".")),
        None => format!("`{}`", field.name),
    };
    let shown = if tainted { "(secret)".to_owned() } else { shorten(&actual.to_string(), 60) };
    let mut options: Vec<String> = Vec::new();
    let message = match error.kind() {
        Kind::Type { kind } => {
            let wanted = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(set) => set.iter().map(|one| one.to_string()).collect::<Vec<_>>().join(" or "),
            };
            format!("{place} must be of type {wanted}, not {shown}")
        }
        Kind::Enum { options: listed } => {
            options = listed.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
            format!("{place} cannot be {shown}")
        }
        Kind::AnyOf { .. } | Kind::OneOfNotValid { .. } => {
            options = enum_values(&field.schema);
            format!("{place} cannot be {shown}")
        }
        Kind::MinLength { limit } if *limit == 1 => format!("{place} cannot be empty"),
        Kind::MinLength { limit } => format!("{place} must have at least {limit} characters"),
        Kind::MaxLength { limit } => format!("{place} must have at most {limit} characters"),
        Kind::Minimum { limit } => format!("{place} must be at least {limit}, not {shown}"),
        Kind::Maximum { limit } => format!("{place} must be at most {limit}, not {shown}"),
        Kind::Pattern { pattern } => format!("{place} is {shown}, which does not have the form {pattern}"),
        Kind::Format { format } => format!("{place} is {shown}, which is no {format}"),
        Kind::AdditionalProperties { unexpected } => format!("{place} has no key `{}`", unexpected.join("`, `")),
        Kind::Required { property } => format!("{place} needs {property}"),
        _ if tainted => format!("{place} does not fit its schema"),
        _ => format!("{place}: {error}"),
    };
    let mut finding = Diagnostic::new(Code::FIELD_VALUE, message).at(span, "");
    if !options.is_empty() {
        let meant = actual.as_str().and_then(|text| nearest(text, options.iter().map(String::as_str)));
        finding = match meant {
            Some(meant) if literal && rest.is_none() => {
                finding.help(format!("did you mean `{meant}`?")).fix(format!("use `{meant}`"), span, meant)
            }
            Some(meant) => finding.help(format!("did you mean `{meant}`?")),
            None => finding.help(format!("it is one of {}", options.join(", "))),
        };
    } else if actual.is_boolean() && field.allows("string") {
        finding = finding.help("put the value in quotes if it is meant as text");
    }
    finding
}

/// The constants that a schema lists, also below `anyOf` and `items`.
pub(super) fn enum_values(schema: &Value) -> Vec<String> {
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    }
    let branches = schema.get("anyOf").or(schema.get("oneOf")).and_then(Value::as_array);
    branches.into_iter().flatten().chain(schema.get("items")).flat_map(enum_values).collect()
}
