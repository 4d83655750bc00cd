//! The trait that makes a struct a kind of object.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::field::{Family, Key, Ref, Reference};

/// A type of object, named as blueprints name it.
///
/// The struct's fields are the writable attributes: serde gives their names, [`Default`] their defaults, doc
/// comments their descriptions, schemars their JSON Schema. The constants add what a schema cannot say. Derive
/// with `#[serde(default, deny_unknown_fields)]`, so that the defaults reach the schema and nothing is optional
/// by accident; [`Kind::REQUIRED`] says what a creation must give.
pub trait Kind: Serialize + DeserializeOwned + JsonSchema + Default + Send + Sync + 'static {
    /// Name in blueprints, lower case: `authentik_flows.flow`.
    const NAME: &'static str;
    /// What people call it, singular, sentence case: `Flow`.
    const TITLE: &'static str;
    /// Old names of other releases under which files may still address this kind.
    const ALIASES: &'static [&'static str] = &[];
    /// Families that the kind belongs to.
    const FAMILIES: &'static [Family] = &[];
    /// Natural identifiers, each unique. The first is the one that exports and messages use.
    const KEYS: &'static [Key];
    /// Fields that a creation must give (identifiers count as given).
    const REQUIRED: &'static [&'static str] = &[];
    /// Reference fields.
    const REFERENCES: &'static [Reference] = &[];
    /// Fields that get a random value when a creation leaves them out.
    const GENERATED: &'static [Generated] = &[];
    /// Fields of other releases and what to do with them.
    const CHANGES: &'static [Change] = &[];
    /// Names that the reference system's API shows for this kind but nobody can write; given in a
    /// blueprint they are ignored with a warning. Names in [`COMMON_READ_ONLY`] need not be repeated.
    const READ_ONLY: &'static [&'static str] = &[];
    /// Fields of the struct that only the server writes: stored like the others, references and secrets among them, but
    /// no part of documents, schemas or exports. Given in a blueprint they are ignored with a warning, as those of
    /// [`Kind::READ_ONLY`] are.
    const SERVER_ONLY: &'static [&'static str] = &[];
    /// Whether API keys of this kind are integers (users, providers, devices).
    const NUMBERED: bool = false;
    /// Whether objects of the kind are all kept in memory or looked up when needed.
    const RESIDENCY: Residency = Residency::Resident;
    /// Whether the kind is an instruction to the engine: nothing of it is stored and it has no identifiers.
    const META: bool = false;
    /// Why a blueprint cannot create objects of this kind, if it cannot. They can still be matched, changed or deleted.
    const NOT_CREATABLE: Option<&'static str> = None;

    /// Judges the whole object across its fields, after the schema has judged each alone.
    ///
    /// Called with the object as it would be stored, so a partial update is judged by its result.
    /// Secrets that are stored already are present as empty values of their type, references as ids.
    fn check(&self, _report: &mut Report) {}
}

/// Names that the reference system's API shows on many kinds and nobody can write.
pub const COMMON_READ_ONLY: [&str; 9] = [
    "pk",
    "component",
    "verbose_name",
    "verbose_name_plural",
    "meta_model_name",
    "flow_set",
    "policybindingmodel_ptr_id",
    "promptstage_set",
    "last_updated",
];

/// Where objects of a kind live while the process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residency {
    /// Configuration: the in-memory model holds every object.
    Resident,
    /// The directory, up to millions: looked up in the store by key, in bulk.
    Paged,
}

/// A field that gets `length` random letters and digits when a creation leaves it out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The field.
    pub field: &'static str,
    /// Number of characters.
    pub length: usize,
}

/// A difference between releases in one field, so that files written for another release keep working with a warning.
#[derive(Clone, Copy, Debug)]
pub enum Change {
    /// The field `from` of some releases is our field `to`.
    Renamed {
        /// Name in the file.
        from: &'static str,
        /// Our name.
        to: &'static str,
        /// Release that has, or last had, the other name; for the message.
        release: &'static str,
    },
    /// The field exists in some releases and has no meaning here; it is ignored with a warning.
    Removed {
        /// Name in the file.
        field: &'static str,
        /// Release that dropped it.
        release: &'static str,
        /// What replaced it, or why nothing does; ends the warning.
        instead: &'static str,
    },
    /// The field's value had another shape in some releases.
    Converted {
        /// Our name.
        field: &'static str,
        /// Release with the other shape; for the message.
        release: &'static str,
        /// Gives the value in our shape, or nothing when the value is not of the other shape.
        convert: fn(&Value) -> Option<Value>,
        /// JSON Schema of the other shape, for the published schemas.
        shape: fn() -> Value,
    },
}

/// What [`Kind::check`] found.
#[derive(Debug, Default)]
pub struct Report {
    /// In the order found.
    pub findings: Vec<Finding>,
    /// Kind names of the objects that the object refers to, as far as they are known.
    pub kinds: HashMap<Uuid, &'static str>,
}

/// One cross-field finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    /// The field to point at.
    pub field: &'static str,
    /// One sentence that says what is wrong and what would be right.
    pub message: String,
    /// Whether the object is refused.
    pub refuses: bool,
}

impl Report {
    /// Name of the kind of an object that the checked one refers to, if it is known.
    pub fn kind_of(&self, target: Ref) -> Option<&'static str> {
        self.kinds.get(&target.0).copied()
    }

    /// Refuses the object, pointing at `field`.
    pub fn error(&mut self, field: &'static str, message: impl Into<String>) {
        self.findings.push(Finding { field, message: message.into(), refuses: true });
    }

    /// Accepts the object but warns, pointing at `field`.
    pub fn warn(&mut self, field: &'static str, message: impl Into<String>) {
        self.findings.push(Finding { field, message: message.into(), refuses: false });
    }
}
