//! What a flow shows and asks, as clients of the executor get it. Spec: flows §4.

use serde_json::{Map, Value, json};

/// A question to the person: a component of the client, with its fields.
#[derive(Clone, Debug, PartialEq)]
pub struct Challenge {
    /// Which component shows it, as `ak-stage-password`.
    pub component: &'static str,
    /// `native`, `shell` or `redirect`.
    pub sort: Sort,
    /// Whether it shows whom the flow is about.
    pub with_person: bool,
    /// The component's own fields.
    pub fields: Map<String, Value>,
    /// What was wrong with the last answer.
    pub errors: Errors,
}

/// How a client takes a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// By a component that it knows.
    Native,
    /// As HTML.
    Shell,
    /// By going elsewhere.
    Redirect,
}

impl Sort {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Native => "native",
            Sort::Shell => "shell",
            Sort::Redirect => "redirect",
        }
    }
}

impl Challenge {
    /// A challenge that shows whom the flow is about; `fields` is a mapping.
    pub fn new(component: &'static str, fields: Value) -> Challenge {
        let fields = match fields {
            Value::Object(fields) => fields,
            _ => Map::new(),
        };
        Challenge { component, sort: Sort::Native, with_person: true, fields, errors: Errors::default() }
    }

    /// The same without the person.
    pub fn without_person(mut self) -> Challenge {
        self.with_person = false;
        self
    }

    /// The same with what was wrong.
    pub fn with_errors(mut self, errors: Errors) -> Challenge {
        self.errors = errors;
        self
    }

    /// Sends the client elsewhere.
    pub fn redirect(to: &str) -> Challenge {
        let mut challenge = Challenge::new("xak-flow-redirect", json!({ "to": to })).without_person();
        challenge.sort = Sort::Redirect;
        challenge
    }
}

/// What was wrong with an answer, by field; errors of no field are under `non_field_errors`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Errors(pub Vec<(String, FieldError)>);

/// One thing that was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// For people.
    pub text: String,
    /// For programs: `required`, `blank`, `null`, `invalid`, `invalid_choice`, …
    pub code: Option<String>,
}

/// The name of the field that errors of no field have.
pub const NO_FIELD: &str = "non_field_errors";

impl Errors {
    /// One error of a field, of code `invalid`.
    pub fn of(field: &str, text: impl Into<String>) -> Errors {
        Errors::coded(field, text, "invalid")
    }

    /// One error of no field, of code `invalid`.
    pub fn whole(text: impl Into<String>) -> Errors {
        Errors::coded(NO_FIELD, text, "invalid")
    }

    /// One error of a field with a code.
    pub fn coded(field: &str, text: impl Into<String>, code: &str) -> Errors {
        Errors(vec![(field.to_owned(), FieldError { text: text.into(), code: Some(code.to_owned()) })])
    }

    /// Adds an error.
    pub fn add(&mut self, field: &str, text: impl Into<String>, code: &str) {
        self.0.push((field.to_owned(), FieldError { text: text.into(), code: Some(code.to_owned()) }));
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As `response_errors` has them.
    pub fn to_json(&self) -> Value {
        let mut by_field: Map<String, Value> = Map::new();
        for (field, error) in &self.0 {
            let mut entry = json!({ "string": error.text });
            if let Some(code) = &error.code {
                entry["code"] = json!(code);
            }
            match by_field.entry(field.clone()).or_insert_with(|| json!([])) {
                Value::Array(list) => list.push(entry),
                _ => unreachable!("only lists are put in"),
            }
        }
        Value::Object(by_field)
    }
}

/// An answer to a challenge: the fields of the body, each once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer(pub Map<String, Value>);

impl Answer {
    /// The value of a field; none for one that is missing or null.
    pub fn get(&self, field: &str) -> Option<&Value> {
        self.0.get(field).filter(|value| !value.is_null())
    }

    /// A text that must be there and not be blank, as it was typed. Numbers and truth values become text, as they do in
    /// the reference; lists and mappings do not.
    pub fn text(&self, field: &str, errors: &mut Errors) -> Option<String> {
        let text = match self.0.get(field) {
            None => {
                errors.add(field, "This field is required.", "required");
                return None;
            }
            Some(Value::Null) => {
                errors.add(field, "This field may not be null.", "null");
                return None;
            }
            Some(Value::String(text)) => text.clone(),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(_) | Value::Array(_) | Value::Object(_)) => {
                errors.add(field, "Not a valid string.", "invalid");
                return None;
            }
        };
        if text.contains('\0') {
            errors.add(field, "Null characters are not allowed.", "null_characters_not_allowed");
            return None;
        }
        if text.trim().is_empty() {
            errors.add(field, "This field may not be blank.", "blank");
            return None;
        }
        Some(text)
    }
}
