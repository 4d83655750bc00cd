//! Sources that the operator declares outside blueprints, in the configuration and on the command line, as a blueprint.
//!
//! They become objects like all other sources, owned by [`OWNER`], so that every process and command sees them.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Map, Value};

use crate::blueprint::inputs::{Access, Inputs};

/// The source that owns the declarations.
pub const OWNER: &str = "configuration";

/// A declaration that cannot be understood.
#[derive(Debug, thiserror::Error)]
pub enum DeclaredError {
    /// There is no such type.
    #[error("sources.{name}.type: {given:?} is no type of source; types are directory, git, inline and oci")]
    Type {
        /// Name of the source.
        name: String,
        /// As given.
        given: String,
    },
    /// A name is used twice.
    #[error("the folder {folder} would be the source {name}, which is declared already; give that one another name")]
    Twice {
        /// Name of both.
        name: String,
        /// The folder.
        folder: String,
    },
}

/// The document that declares sources: those of the configuration by name, and one for each blueprint folder.
///
/// In a declaration `{ env = "NAME" }` and `{ file = "PATH" }` stand for values that are read when the server starts.
///
/// # Errors
/// A type that does not exist, a name that is used twice.
pub fn document(sources: &BTreeMap<String, Map<String, Value>>, folders: &[PathBuf]) -> Result<String, DeclaredError> {
    let mut entries = Vec::new();
    for (name, declared) in sources {
        let given = declared.get("type").and_then(Value::as_str).unwrap_or_default();
        if !["directory", "git", "inline", "oci"].contains(&given) {
            return Err(DeclaredError::Type { name: name.clone(), given: given.to_owned() });
        }
        let mut attrs = Vec::new();
        for (field, value) in declared.iter().filter(|(field, _)| *field != "type") {
            let text = match (field.as_str(), value) {
                ("depends_on", Value::Array(names)) => {
                    let found = names.iter().map(|name| format!("!Find [gatewright_sources.source, [name, {name}]]"));
                    format!("[{}]", found.collect::<Vec<_>>().join(", "))
                }
                // Its keys are anybody's, so that one of them may be `env`.
                ("context", value) => value.to_string(),
                ("location", Value::String(path)) => Value::from(absolute(Path::new(path))).to_string(),
                _ => scalar(value),
            };
            attrs.push(format!("      {}: {text}\n", Value::from(field.as_str())));
        }
        entries.push(entry(given, name, &attrs.concat()));
    }
    for folder in folders {
        let location = absolute(folder);
        let name = folder_name(folder);
        if sources.contains_key(&name) {
            return Err(DeclaredError::Twice { name, folder: location });
        }
        entries.push(entry("directory", &name, &format!("      location: {}\n", Value::from(location))));
    }
    let entries = if entries.is_empty() { " []\n".to_owned() } else { format!("\n{}", entries.concat()) };
    Ok(format!("version: 1\nmetadata:\n  name: Sources of the configuration\nentries:{entries}"))
}

/// Where the declared sources are, by name: the url or reference that the operator wrote, or has in the variable or file
/// that he named. `inputs` are what the declarations may read.
pub fn addresses(sources: &BTreeMap<String, Map<String, Value>>, inputs: &Inputs) -> BTreeMap<String, String> {
    let address = |declared: &Map<String, Value>| {
        let value = declared.get("url").or_else(|| declared.get("reference"))?;
        let text = |key: &str| value.as_object().filter(|table| table.len() == 1)?.get(key)?.as_str();
        let read = match (value, text("env"), text("file")) {
            (Value::String(address), ..) => return Some(address.clone()),
            (_, Some(name), _) => inputs.env(name),
            (_, _, Some(path)) => inputs.file(None, path),
            _ => return None,
        };
        match read {
            Access::Found(address) => Some(address),
            Access::Missing(_) | Access::Denied => None,
        }
    };
    sources.iter().filter_map(|(name, declared)| Some((name.clone(), address(declared)?))).collect()
}

fn entry(kind: &str, name: &str, attrs: &str) -> String {
    let attrs = if attrs.is_empty() { "      {}\n" } else { attrs };
    format!(
        "  - model: gatewright_sources.{kind}\n    identifiers:\n      name: {}\n    attrs:\n{attrs}",
        Value::from(name)
    )
}

fn scalar(value: &Value) -> String {
    if let Value::Object(table) = value
        && table.len() == 1
    {
        for (key, tag) in [("env", "!Env"), ("file", "!File")] {
            if let Some(Value::String(text)) = table.get(key) {
                return format!("{tag} {}", Value::from(text.as_str()));
            }
        }
    }
    // JSON is YAML.
    value.to_string()
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()).display().to_string()
}

/// The name of the source that a blueprint folder becomes.
pub fn folder_name(folder: &Path) -> String {
    let text = absolute(folder);
    let name: String = text
        .trim_matches('/')
        .chars()
        .map(|letter| if letter.is_ascii_alphanumeric() || "._/-".contains(letter) { letter } else { '-' })
        .collect();
    let name = name.trim_start_matches(|letter: char| !letter.is_ascii_alphanumeric());
    if name.is_empty() { "root".to_owned() } else { name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blueprint::inputs::Environment;

    #[test]
    fn declarations_become_a_blueprint() {
        let sources: BTreeMap<String, Map<String, Value>> = serde_json::from_value(serde_json::json!({
            "main": { "type": "git", "url": "https://git.test/a", "password": { "env": "TOKEN" }, "depends_on": ["base"] },
            "base": { "type": "inline", "content": "version: 1\nentries: []\n", "context": { "env": "prod" } },
        }))
        .expect("declarations");
        let text = document(&sources, &[PathBuf::from("/etc/gate wright")]).expect("document");
        let expected = r#"version: 1
metadata:
  name: Sources of the configuration
entries:
  - model: gatewright_sources.inline
    identifiers:
      name: "base"
    attrs:
      "content": "version: 1\nentries: []\n"
      "context": {"env":"prod"}
  - model: gatewright_sources.git
    identifiers:
      name: "main"
    attrs:
      "url": "https://git.test/a"
      "password": !Env "TOKEN"
      "depends_on": [!Find [gatewright_sources.source, [name, "base"]]]
  - model: gatewright_sources.directory
    identifiers:
      name: "etc/gate-wright"
    attrs:
      location: "/etc/gate wright"
"#;
        assert_eq!(text, expected);
        assert!(document(&BTreeMap::new(), &[]).expect("document").ends_with("entries: []\n"));
    }

    #[test]
    fn the_operator_is_known_by_what_he_wrote() {
        let sources: BTreeMap<String, Map<String, Value>> = serde_json::from_value(serde_json::json!({
            "git": { "type": "git", "url": "https://git.test/a" },
            "oci": { "type": "oci", "reference": { "env": "PLACE" } },
            "gone": { "type": "oci", "reference": { "env": "NOTHING" } },
            "inline": { "type": "inline", "content": "" },
        }))
        .expect("declarations");
        let variables = BTreeMap::from([("PLACE".to_owned(), "oci://registry.test/a".to_owned())]);
        let environment = Environment::new(variables, BTreeMap::new(), &[]).expect("no pattern");
        let found = addresses(&sources, &Inputs { environment, ..Inputs::default() });
        let found: Vec<(&str, &str)> = found.iter().map(|(name, place)| (name.as_str(), place.as_str())).collect();
        assert_eq!(found, [("git", "https://git.test/a"), ("oci", "oci://registry.test/a")]);
    }

    #[test]
    fn a_wrong_type_says_which_there_are() {
        let sources = BTreeMap::from([("a".to_owned(), Map::new())]);
        let error = document(&sources, &[]).expect_err("no type").to_string();
        assert_eq!(error, "sources.a.type: \"\" is no type of source; types are directory, git, inline and oci");
    }
}
