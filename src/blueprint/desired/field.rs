//! What a key of an entry means: fields of other releases, and values in the type of their field.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    super::{
        resolve::Attr,
        value::Val,
        yaml::{self, Data},
    },
    Composer, Converted, Wanted,
    schema::enum_values,
};
use crate::{
    base::diagnostic::{Code, Diagnostic, Span, nearest},
    model::{Change, KindInfo, kind::COMMON_READ_ONLY, registry::FieldInfo, registry::SecretMode, symbol},
};

impl Composer<'_, '_> {
    /// The field that a key means, after renames and conversions between releases; reports unknown keys.
    pub(super) fn field_of<'k, 'v>(
        &mut self,
        info: &'k KindInfo,
        attr: &'v Attr,
    ) -> Option<(&'k FieldInfo, Cow<'v, Val>)> {
        let key = &*attr.key;
        if let Some(field) = info.fields.get(key) {
            let mut value = Cow::Borrowed(&attr.value);
            for change in info.changes {
                if let Change::Converted { field: name, release, convert, .. } = change
                    && *name == key
                    && !value.is_unknown()
                    && let Some(converted) = convert(&value.to_json())
                {
                    let mut finding =
                        Diagnostic::new(Code::CONVERTED_FIELD, format!("`{key}` has the shape of release {release}"))
                            .at(attr.node.span, "converted");
                    if Val::literal(&attr.node).is_some() {
                        finding = finding.fix("write it in the present shape", attr.node.span, converted.to_string());
                    }
                    self.found.push(finding);
                    value = Cow::Owned(Val::from_json(&converted).secret_if(value.is_secret()));
                }
            }
            return Some((field, value));
        }
        for change in info.changes {
            match change {
                Change::Renamed { from, to, release } if *from == key => {
                    self.found.push(
                        Diagnostic::new(
                            Code::RENAMED_FIELD,
                            format!("`{key}` of release {release} is taken as `{to}`"),
                        )
                        .at(attr.key_span, "name of another release")
                        .fix(format!("rename it to `{to}`"), attr.key_span, *to),
                    );
                    let renamed = Attr { key: (*to).into(), ..attr.clone() };
                    let (field, value) = self.field_of(info, &renamed)?;
                    return Some((field, Cow::Owned(value.into_owned())));
                }
                Change::Removed { field, release, instead } if *field == key => {
                    let whole = Span { end: attr.node.span.end.max(attr.key_span.end), ..attr.key_span };
                    self.found.push(
                        Diagnostic::new(
                            Code::REMOVED_FIELD,
                            format!("`{key}` is of release {release} only and is ignored; {instead}"),
                        )
                        .at(attr.key_span, "has no effect")
                        .fix(format!("remove `{key}`"), whole, ""),
                    );
                    return None;
                }
                _ => {}
            }
        }
        if COMMON_READ_ONLY.contains(&key) || info.read_only.contains(&key) {
            self.found.push(
                Diagnostic::new(Code::READ_ONLY_FIELD, format!("`{key}` cannot be written and is ignored"))
                    .at(attr.key_span, "read-only"),
            );
            return None;
        }
        let mut finding = Diagnostic::new(Code::UNKNOWN_FIELD, format!("{} has no attribute `{key}`", info.name))
            .at(attr.key_span, "unknown attribute");
        match nearest(key, info.fields.keys().map(String::as_str)) {
            Some(meant) => {
                finding = finding.help(format!("did you mean `{meant}`?")).fix(
                    format!("rename it to `{meant}`"),
                    attr.key_span,
                    meant,
                );
            }
            None => {
                let names: Vec<&str> = info.fields.keys().map(String::as_str).collect();
                finding = finding.help(format!("the attributes are {}", names.join(", ")));
            }
        }
        self.found.push(finding);
        None
    }

    pub(super) fn convert(
        &mut self,
        field: &FieldInfo,
        attr: &Attr,
        value: &Val,
        json: &mut Map<String, Value>,
    ) -> Converted {
        if let Some(reference) = field.reference {
            return self.references(field, reference, attr, value);
        }
        if matches!(value.peel(), Val::Unknown) {
            return None;
        }
        if let Some(mode) = field.secret {
            let text = match value.peel() {
                Val::Null => return None,
                Val::Text(text) if mode == SecretMode::Password && text.is_empty() => return None,
                Val::Text(text) | Val::Time(text) => text.to_string(),
                Val::Int(_) | Val::Float(_) => {
                    // Without the value, which is a secret; and not the text as written, for PyYAML would not see it.
                    if let (None, Data::Scalar(scalar)) = (&attr.node.tag, &attr.node.data)
                        && let Some(why) = yaml::trap(scalar)
                    {
                        self.found.push(
                            Diagnostic::new(Code::TEXT_TRAP, format!("`{}` is text, but {why}", field.name))
                                .at(attr.node.span, "taken as a number")
                                .help("put the value in quotes"),
                        );
                    }
                    value.python_str()
                }
                Val::Map(_) | Val::List(_) if field.allows("object") => value.to_json().to_string(),
                other => {
                    self.found.push(
                        Diagnostic::new(
                            Code::FIELD_VALUE,
                            format!("`{}` must be text, not {}", field.name, other.kind_name()),
                        )
                        .at(attr.node.span, "of the wrong type"),
                    );
                    return None;
                }
            };
            return Some(Wanted::Secret(text));
        }
        if !value.is_finite() {
            self.found.push(
                Diagnostic::new(Code::FIELD_VALUE, "infinity and not-a-number cannot be stored")
                    .at(attr.node.span, "")
                    .help("put the value in quotes if it is meant as text"),
            );
            return None;
        }
        let coerced = self.coerce(field, attr, value);
        if value.is_unknown() {
            return None;
        }
        if let Some(place) = reserved_or_nul(&coerced) {
            self.found.push(place.at(attr.node.span, ""));
            return None;
        }
        if !symbol::contains_symbol(&coerced) {
            json.insert(field.name.clone(), coerced.clone());
        }
        Some(Wanted::Json(coerced))
    }

    /// Converts a scalar whose meaning is clear to the field's type, with a warning.
    fn coerce(&mut self, field: &FieldInfo, attr: &Attr, value: &Val) -> Value {
        let json = value.to_json();
        let plain = value.peel();
        let (converted, wanted) = match plain {
            // A choice between texts that are numbers is clear however it is written.
            Val::Int(number) if enum_values(&field.schema).contains(&number.to_string()) => {
                return Value::String(number.to_string());
            }
            Val::Int(_) | Val::Float(_) | Val::Time(_)
                if field.allows("string") && !field.allows("integer") && !field.allows("number") =>
            {
                (Some(Value::String(plain.python_str())), "text")
            }
            Val::Text(text) if field.allows("integer") && !field.allows("string") => {
                (text.trim().parse::<i64>().ok().map(Value::from), "an integer")
            }
            Val::Float(number) if field.allows("integer") && !field.allows("number") && number.fract() == 0.0 => {
                (Some(Value::from(*number as i64)), "an integer")
            }
            Val::Text(text) if field.allows("number") && !field.allows("string") => {
                (text.trim().parse::<f64>().ok().map(Value::from), "a number")
            }
            Val::Text(text) if field.allows("boolean") && !field.allows("string") => {
                let truth = match text.to_lowercase().as_str() {
                    "true" | "t" | "yes" | "y" | "on" | "1" => Some(true),
                    "false" | "f" | "no" | "n" | "off" | "0" => Some(false),
                    _ => None,
                };
                (truth.map(Value::Bool), "a boolean")
            }
            Val::Int(number @ (0 | 1)) if field.allows("boolean") && !field.allows("integer") => {
                (Some(Value::Bool(*number == 1)), "a boolean")
            }
            _ => (None, ""),
        };
        let Some(converted) = converted else { return json };
        if value.is_secret() {
            return converted;
        }
        let mut finding = match (&attr.node.tag, &attr.node.data) {
            (None, Data::Scalar(scalar)) => match yaml::trap(scalar) {
                Some(why) if wanted == "text" => Diagnostic::new(
                    Code::TEXT_TRAP,
                    format!("`{}` is text, but {why}", field.name),
                )
                .fix("put the value in quotes", attr.node.span, format!("\"{}\"", scalar.text)),
                _ => {
                    let text = if wanted == "text" { format!("\"{}\"", scalar.text) } else { converted.to_string() };
                    Diagnostic::new(
                        Code::FIELD_COERCED,
                        format!("`{}` is {wanted}, not {}", field.name, plain.kind_name()),
                    )
                    .fix(format!("write it as {wanted}"), attr.node.span, text)
                }
            },
            _ => return converted,
        };
        finding = finding.at(attr.node.span, format!("taken as {converted}"));
        self.found.push(finding);
        converted
    }
}

/// Finds what no store can keep: NUL characters, and keys that plans use themselves.
fn reserved_or_nul(value: &Value) -> Option<Diagnostic> {
    let nul = |text: &str| {
        text.contains('\0').then(|| Diagnostic::new(Code::FIELD_VALUE, "text cannot contain the character NUL"))
    };
    match value {
        Value::String(text) => nul(text),
        Value::Array(items) => items.iter().find_map(reserved_or_nul),
        Value::Object(_) if symbol::is_symbol(value) => None,
        Value::Object(map) => map.iter().find_map(|(key, inner)| {
            if symbol::is_reserved(key) {
                return Some(Diagnostic::new(Code::RESERVED_KEY, format!("the key `{key}` is reserved")));
            }
            nul(key).or_else(|| reserved_or_nul(inner))
        }),
        _ => None,
    }
}
