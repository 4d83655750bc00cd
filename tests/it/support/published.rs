//! What forges publish about their APIs, as `tests/peers/install` fetched it, and whether a request and its answer agree
//! with it.
//!
//! GitHub publishes OpenAPI. Of Gitea there is no description in a package registry, but a client that was generated from
//! one. GitLab's is in none: no package has it, so what it is asked is held against the test's own table only.

use std::{collections::BTreeMap, fs, path::PathBuf, sync::OnceLock};

use serde_json::{Map, Value, json};

use super::{
    forge::{Call, Kind},
    typescript,
};

const GITHUB: &str = "github-23.0.2.json";
const GITEA: &str = "gitea-1.23.0.d.ts";

/// What a description says of one operation.
pub struct Operation {
    /// With names in braces.
    pub path: String,
    /// Where (`path` or `query`), name, schema.
    pub parameters: Vec<(&'static str, String, Value)>,
    /// Schema of the body, if there is one.
    pub body: Option<Value>,
    /// Schemas by code; `2XX` and `default` (of errors) where no code says more.
    pub answers: BTreeMap<String, Value>,
}

/// The description of an API.
pub enum Description {
    OpenApi(Value),
    TypeScript(String),
}

/// What a forge publishes; nothing where nothing is to be had.
///
/// # Panics
/// When it is not installed and `GATEWRIGHT_REQUIRE_PEERS=1`.
pub fn description(kind: Kind) -> Option<&'static Description> {
    static OF_GITHUB: OnceLock<Option<Description>> = OnceLock::new();
    static OF_GITEA: OnceLock<Option<Description>> = OnceLock::new();
    match kind {
        Kind::Github => OF_GITHUB.get_or_init(|| {
            let text = installed(GITHUB)?;
            Some(Description::OpenApi(serde_json::from_str(&text).expect("JSON")))
        }),
        Kind::Gitea => OF_GITEA.get_or_init(|| installed(GITEA).map(Description::TypeScript)),
        Kind::Gitlab => return None,
    }
    .as_ref()
}

fn installed(name: &str) -> Option<String> {
    let own = std::env::var("GATEWRIGHT_PEERS").map(PathBuf::from);
    let usual = || PathBuf::from(std::env::var("HOME").unwrap_or_default()).join(".cache/gatewright-peers");
    let text = fs::read_to_string(own.unwrap_or_else(|_| usual()).join(name)).ok();
    if text.is_none() {
        let advice = format!("no published description {name} here: run tests/peers/install");
        assert!(std::env::var("GATEWRIGHT_REQUIRE_PEERS").as_deref() != Ok("1"), "{advice}");
        eprintln!("{advice}; requests are held against the test's own table only");
    }
    text
}

/// Whether a path is one of a template.
pub fn fits(template: &str, path: &str) -> bool {
    let (parts, given): (Vec<&str>, Vec<&str>) = (template.split('/').collect(), path.split('/').collect());
    parts.len() == given.len()
        && parts.iter().zip(&given).all(|(part, given)| part.starts_with('{') && !given.is_empty() || part == given)
}

impl Description {
    /// Whether a request is one that the forge takes, and its answer one that the forge gives.
    ///
    /// # Errors
    /// What deviates.
    pub fn check(&self, call: &Call) -> Result<(), String> {
        let what = format!("{} {}", call.method, call.path);
        let operation = self.operation(&call.method, &call.path).ok_or_else(|| format!("there is no {what}"))?;
        let values = operation.path.split('/').zip(call.path.split('/')).filter_map(|(part, value)| {
            let name = part.strip_prefix('{')?.strip_suffix('}')?;
            Some(("path", name.to_owned(), value.to_owned()))
        });
        let query = form_urlencoded::parse(call.query.as_bytes());
        let query = query.map(|(name, value)| ("query", name.into_owned(), value.into_owned()));
        for (place, name, value) in values.chain(query) {
            let known = operation.parameters.iter().find(|known| known.0 == place && known.1 == name);
            let (.., schema) = known.ok_or_else(|| format!("{what} takes no {name} in its {place}"))?;
            // A number in an address is text that reads as one.
            let value = match schema["type"].as_str() {
                Some("integer" | "number") => serde_json::from_str(&value).unwrap_or(Value::String(value)),
                _ => Value::String(value),
            };
            self.validate(schema, &value).map_err(|error| format!("{what}: {name} in its {place}: {error}"))?;
        }
        match &operation.body {
            Some(schema) => self.validate(schema, &call.body).map_err(|error| format!("{what}: its body: {error}"))?,
            None if !call.body.is_null() => return Err(format!("{what} takes no body")),
            None => {}
        }
        // What stands before a forge may refuse anything, in words of its own.
        if call.answer.is_trouble {
            return Ok(());
        }
        let code = call.answer.status;
        let general = if code < 400 { "2XX" } else { "default" };
        let answers = &operation.answers;
        let schema = answers.get(&code.to_string()).or_else(|| answers.get(general));
        let schema = schema.ok_or_else(|| format!("{what} is never answered by {code}"))?;
        self.validate(schema, &call.answer.body).map_err(|error| format!("{what}: the answer {code}: {error}"))
    }

    fn operation(&self, method: &str, path: &str) -> Option<Operation> {
        let document = match self {
            Description::OpenApi(document) => document,
            Description::TypeScript(text) => return typescript::operation(text, method, path),
        };
        let paths = document["paths"].as_object()?.iter().filter(|(template, _)| fits(template, path));
        let (template, item) = paths.min_by_key(|(template, _)| template.matches('{').count())?;
        let operation = item.get(method.to_ascii_lowercase())?;
        // Parameters, bodies and answers may stand elsewhere and be named here.
        let there = |value: &Value| match value["$ref"].as_str() {
            Some(at) => document.pointer(at.trim_start_matches('#')).cloned().expect("the reference leads somewhere"),
            None => value.clone(),
        };
        let schema = |value: &Value| value.pointer("/content/application~1json/schema").cloned();
        let parameters = operation["parameters"].as_array().into_iter().flatten().map(|parameter| {
            let parameter = there(parameter);
            let place = if parameter["in"] == "path" { "path" } else { "query" };
            (place, parameter["name"].as_str().unwrap_or_default().to_owned(), parameter["schema"].clone())
        });
        let answers = operation["responses"].as_object()?.iter();
        let mut answers: BTreeMap<String, Value> = answers
            .map(|(code, answer)| (code.clone(), schema(&there(answer)).unwrap_or(Value::Bool(false))))
            .collect();
        // Not every operation lists every refusal; all of them look alike.
        answers.entry("default".to_owned()).or_insert_with(|| json!({"$ref": "#/components/schemas/basic-error"}));
        Some(Operation {
            path: template.clone(),
            parameters: parameters.collect(),
            body: operation.get("requestBody").and_then(|body| schema(&there(body))),
            answers,
        })
    }

    fn definition(&self, name: &str) -> Value {
        let found = match self {
            Description::OpenApi(document) => document["components"]["schemas"].get(name).cloned(),
            Description::TypeScript(text) => typescript::definition(text, name),
        };
        found.unwrap_or_else(|| panic!("there is no definition of {name}"))
    }

    fn validate(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let (mut names, mut definitions) = (Vec::new(), Map::new());
        let root = plain(schema, &mut names);
        while let Some(name) = names.pop() {
            if !definitions.contains_key(&name) {
                let definition = plain(&self.definition(&name), &mut names);
                definitions.insert(name, definition);
            }
        }
        let schema = json!({"allOf": [root], "$defs": definitions});
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .should_validate_formats(true)
            .build(&schema)
            .expect("the schema compiles");
        let wrong: Vec<String> =
            validator.iter_errors(value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
    }
}

/// A schema of OpenAPI 3.0 as one of JSON Schema that takes no member it does not name; adds the definitions that it needs.
fn plain(schema: &Value, names: &mut Vec<String>) -> Value {
    let members = match schema {
        Value::Array(items) => return items.iter().map(|item| plain(item, names)).collect(),
        Value::Object(members) => members,
        other => return other.clone(),
    };
    let mut out: Map<String, Value> = members.iter().map(|(name, value)| (name.clone(), plain(value, names))).collect();
    if let Some(name) = members.get("$ref").and_then(Value::as_str) {
        let name = name.strip_prefix("#/components/schemas/").expect("a schema is meant");
        out.insert("$ref".to_owned(), json!(format!("#/$defs/{name}")));
        names.push(name.to_owned());
    }
    if members.get("properties").is_some_and(Value::is_object) && !members.contains_key("additionalProperties") {
        out.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if members.get("nullable") == Some(&Value::Bool(true)) {
        return json!({"anyOf": [out, {"type": "null"}]});
    }
    Value::Object(out)
}
