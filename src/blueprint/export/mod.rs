//! From a model back to a blueprint: the whole system, one flow, or some objects with what they need.
//!
//! An export holds no keys of one database. Entries are identified by natural identifiers, refer to each other with
//! `!KeyOf` and to everything else with `!Find`, and stand in an order in which references point backwards. Values that
//! a creation would fill in anyway are left out, so the text is short; what is written is compared with the default of
//! a *creation*, so a flag that is off although its default is on is written. Secrets become `!Env` placeholders,
//! because a model does not know them.
//!
//! The text depends on the objects alone and not on their ids or the time, so two exports of equal systems are equal
//! and an export can be kept under version control.

mod entry;
mod identify;
mod order;
mod select;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod text_tests;
pub(in crate::blueprint) mod yaml_text;

use std::fmt::Write;

use serde::Serialize;
use serde_yaml::{Mapping, Value};
use uuid::Uuid;

use crate::model::{Model, Need};

pub use entry::References;

/// What to export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Every object that a blueprint can create in an empty system. The others are counted in [`Export::left_out`].
    Everything,
    /// The given objects.
    Objects {
        /// Their ids.
        ids: Vec<Uuid>,
        /// Whether to add everything that they refer to, directly or through others, and the bindings whose target is
        /// one of all these. Without it, the text refers to the rest with `!Find`.
        closure: bool,
    },
    /// A flow with its stage bindings, stages, prompts, policies and policy bindings. Other flows, sources, groups and
    /// certificates that these refer to stay outside.
    Flow(Uuid),
}

/// How to export.
#[derive(Clone, Debug)]
pub struct Options {
    /// Writes all fields. Left out fields keep their value when the export is applied over an existing object; with
    /// this they are reset as well.
    pub full: bool,
    /// Gives each user who has a password a placeholder for it. Without it, users are created without a password.
    pub passwords: bool,
    /// Kinds that an export of everything usually leaves out and this one does not.
    pub include: Vec<String>,
    /// Name in the metadata; without one, it says what was selected.
    pub name: Option<String>,
    /// Address of the JSON Schema, for editors.
    pub schema: Option<String>,
    /// Beginning of the names of all placeholders.
    pub prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            full: false,
            passwords: false,
            include: Vec::new(),
            name: None,
            schema: None,
            prefix: "GATEWRIGHT_EXPORT_".to_owned(),
        }
    }
}

/// A blueprint made from a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// The document.
    pub text: String,
    /// Number of entries in it.
    pub entries: usize,
    /// Variables that the document reads, in its order.
    pub placeholders: Vec<Placeholder>,
    /// What was selected but is not in the document.
    pub left_out: Vec<LeftOut>,
    /// Number of users in the document whose password is neither in it nor stood for by a placeholder.
    pub passwords_left_out: usize,
}

/// A variable that stands for a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Placeholder {
    /// Name of the variable.
    pub variable: String,
    /// Kind of the object.
    pub kind: &'static str,
    /// What people call the object.
    pub object: String,
    /// The secret field.
    pub field: String,
}

/// Objects of one kind that are not in the document for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The kind.
    pub kind: &'static str,
    /// How many.
    pub count: usize,
    /// Why, as half a sentence about one of them.
    pub reason: String,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The selection names an object that does not exist.
    #[error("there is no object with the id {0}")]
    UnknownObject(Uuid),
    /// The selection names something else as a flow.
    #[error("{id} is no flow but an object of {kind}")]
    NotAFlow {
        /// The id.
        id: Uuid,
        /// The kind that it belongs to.
        kind: &'static str,
    },
    /// [`Options::include`] names what is no kind of stored objects.
    #[error("there is no kind `{0}` to include")]
    UnknownKind(String),
    /// The model holds only a part of the system.
    #[error("the model does not hold everything that the export needs ({0:?})")]
    Incomplete(Need),
    /// The model is a planned one, with values that are known only once the plan is applied.
    #[error("`{field}` of {kind} is not known before the plan is applied")]
    Planned {
        /// The kind.
        kind: &'static str,
        /// The field.
        field: String,
    },
    /// A value has no YAML form.
    #[error("a value cannot be written as YAML: {0}")]
    Yaml(#[from] serde_yaml::Error),
}

impl From<Need> for ExportError {
    fn from(need: Need) -> Self {
        ExportError::Incomplete(need)
    }
}

/// Makes a blueprint of a stored model, which must hold all objects of all kinds.
///
/// # Errors
/// When the selection or the options name what does not exist, or the model is partial or planned.
pub fn export(model: &Model, selection: &Selection, options: &Options) -> Result<Export, ExportError> {
    let selected = select::select(model, selection, options)?;
    let mut writer = entry::Writer::new(model, options, &selected);
    let ordered = writer.order()?;
    let mut entries = Vec::with_capacity(ordered.len());
    for object in &ordered {
        entries.push(writer.entry(object)?);
    }
    let name = match (&options.name, selection) {
        (Some(name), _) => name.clone(),
        (None, Selection::Everything) => "Export of everything".to_owned(),
        (None, Selection::Flow(id)) => format!("Export of the flow {}", writer.label(*id)?),
        (None, Selection::Objects { ids, .. }) => match ids.as_slice() {
            [id] => format!("Export of {}", writer.label(*id)?),
            several => format!("Export of {} objects", several.len()),
        },
    };
    let (placeholders, passwords_left_out) = writer.finish(&ordered, &mut entries);
    let mut export = Export {
        text: String::new(),
        entries: entries.len(),
        placeholders,
        left_out: selected.left_out,
        passwords_left_out,
    };
    export.text = document(&export, options, name, &entries)?;
    Ok(export)
}

#[derive(Serialize)]
struct Head {
    version: u8,
    metadata: Metadata,
}

#[derive(Serialize)]
struct Metadata {
    name: String,
    labels: Mapping,
}

fn document(
    export: &Export,
    options: &Options,
    name: String,
    entries: &[entry::Entry],
) -> Result<String, serde_yaml::Error> {
    let mut text = comments(export, options);
    let generated = [("blueprints.goauthentik.io/generated".into(), "true".into())];
    let head = Head { version: 1, metadata: Metadata { name, labels: Mapping::from_iter(generated) } };
    if let Value::Mapping(head) = serde_yaml::to_value(head)? {
        yaml_text::mapping(&mut text, &head, 0);
    }
    text.push_str(if entries.is_empty() { "entries: []\n" } else { "entries:\n" });
    for entry in entries {
        yaml_text::item(&mut text, &serde_yaml::to_value(entry)?, 2);
    }
    Ok(text)
}

/// What the reader must know, above the document. Names are quoted, so that none of them can end its comment.
fn comments(export: &Export, options: &Options) -> String {
    let mut text = String::new();
    if let Some(schema) = &options.schema {
        let schema: String = schema.chars().filter(|letter| !letter.is_control()).collect();
        let _ = writeln!(text, "# yaml-language-server: $schema={schema}");
    }
    if !export.placeholders.is_empty() {
        text.push_str(
            "# Secrets are not in this file. Set these variables, with --env-file or by way of --allow-env:\n",
        );
        for Placeholder { variable, kind, object, field } in &export.placeholders {
            let _ = writeln!(text, "#   {variable}: `{field}` of {kind} {}", yaml_text::quoted(object));
        }
    }
    match export.passwords_left_out {
        0 => {}
        1 => text.push_str("# The password of 1 user is not in this file.\n"),
        count => {
            let _ = writeln!(text, "# The passwords of {count} users are not in this file.");
        }
    }
    if !export.left_out.is_empty() {
        text.push_str("# Not in this file:\n");
        for LeftOut { kind, count, reason } in &export.left_out {
            let reason: String = reason.chars().filter(|letter| !letter.is_control()).collect();
            let _ = writeln!(text, "#   {count} of {kind}: {reason}");
        }
    }
    text
}
