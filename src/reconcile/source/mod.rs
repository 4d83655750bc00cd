//! Sources: where blueprints come from, as kinds that blueprints and the configuration file declare.
//!
//! The kinds differ in where their content comes from; what is done with it, they share: [`source_kind!`] gives each the
//! same fields. Serde's `flatten` would share a struct instead, but does not go with `deny_unknown_fields`.

pub mod directory;
pub mod git;
pub mod inline;
pub mod oci;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{base::duration, model::Report};

/// What happens when objects no longer are as the source left them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnDrift {
    /// The source's condition says so; nothing is written.
    #[default]
    Report,
    /// The declared state is put back.
    Correct,
}

/// Whether a plan needs a person's consent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Approval {
    /// Plans are applied as they come.
    #[default]
    Automatic,
    /// A plan waits until it is approved by `gatewright approve`.
    Manual,
}

/// Defines the struct of a source kind: its own fields, then the ones that all sources share, and the constants of
/// [`Kind`](crate::model::Kind).
macro_rules! source_kind {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            $($(#[$field_attribute:meta])* pub $field:ident: $type:ty = $default:expr,)*
        }
        kind $kind:literal, $title:literal, required $required:expr;
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            /// Name of the source, unique among all sources of blueprints. Ownership is recorded under it.
            #[schemars(length(min = 1, max = 200), regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._/-]*$"))]
            pub name: String,
            $($(#[$field_attribute])* pub $field: $type,)*
            /// Whether nothing is fetched or applied until this is taken back. What was applied stays.
            pub suspended: bool,
            /// Time between two looks at the source when nothing else triggers one, at least one second.
            pub interval: String,
            /// Values that override the `context` of every document. Mappings are merged, lists are appended.
            pub context: serde_json::Map<String, serde_json::Value>,
            /// Whether an object that the source owns and no longer declares is deleted. Otherwise it stays as it is.
            pub prune: bool,
            /// What happens when an object no longer is as the source left it.
            pub on_drift: $crate::reconcile::source::OnDrift,
            /// Whether each plan needs a person's consent.
            pub approval: $crate::reconcile::source::Approval,
            /// Largest number of objects that one plan may delete; no limit when null.
            pub max_deleted: Option<u32>,
            /// Largest share of the source's objects that one plan may delete, in percent. Up to three objects may always
            /// go, so that a small source can lose one; what deletes them all never passes.
            #[schemars(range(max = 100))]
            pub max_deleted_percent: u8,
            /// Kinds that the source may touch, such as `authentik_flows.*`; all but sources themselves when empty.
            pub allowed_kinds: Vec<String>,
            /// Sources that must be ready at their newest revision before this one is applied.
            pub depends_on: Vec<$crate::model::Ref>,
            /// Variables that `!Env` may read, as patterns. The server must allow them as well (`--allow-env`).
            pub allow_env: Vec<String>,
            /// Folders that `!File` may read from. The server must allow them as well (`--allow-files`).
            pub allow_files: Vec<String>,
            /// Identities (`AGE-SECRET-KEY-1…`, one a line) that decrypt files encrypted by SOPS.
            pub age_keys: Option<$crate::model::SecretText>,
            /// Secret that a request to `/hooks/{name}` must know; without one, requests are refused.
            pub hook_secret: Option<$crate::model::SecretText>,
        }

        impl Default for $name {
            fn default() -> Self {
                $name {
                    name: String::new(),
                    $($field: $default,)*
                    suspended: false,
                    interval: $crate::reconcile::source::INTERVAL.to_owned(),
                    context: serde_json::Map::new(),
                    prune: false,
                    on_drift: Default::default(),
                    approval: Default::default(),
                    max_deleted: None,
                    max_deleted_percent: 20,
                    allowed_kinds: Vec::new(),
                    depends_on: Vec::new(),
                    allow_env: Vec::new(),
                    allow_files: Vec::new(),
                    age_keys: None,
                    hook_secret: None,
                }
            }
        }

        impl $crate::model::Kind for $name {
            const NAME: &'static str = $kind;
            const TITLE: &'static str = $title;
            const FAMILIES: &'static [$crate::model::Family] = &[$crate::model::Family::BlueprintSource];
            const KEYS: &'static [$crate::model::Key] =
                &[$crate::model::Key::in_family(&["name"], $crate::model::Family::BlueprintSource)];
            const REQUIRED: &'static [&'static str] = $required;
            const REFERENCES: &'static [$crate::model::Reference] =
                &[$crate::model::Reference::many("depends_on", "gatewright_sources.source").acyclic()];

            fn check(&self, report: &mut $crate::model::Report) {
                $crate::reconcile::source::check_interval(&self.interval, report);
                self.check_own(report);
            }
        }
    };
}
use source_kind;

/// The usual time between two looks at a source.
const INTERVAL: &str = "minutes=1";

/// Judges the time between two looks.
fn check_interval(interval: &str, report: &mut Report) {
    match duration::microseconds(interval) {
        Ok(length) if length < 1_000_000 => report.error("interval", "is shorter than a second"),
        Ok(_) => {}
        Err(error) => report.error("interval", error.to_string()),
    }
}

/// Judges folder and patterns of a source that has files.
fn check_selection(path: &str, include: &[String], exclude: &[String], report: &mut Report) {
    use super::content::{Selection, SelectionError};
    match Selection::new(path, include, exclude) {
        Ok(_) => {}
        Err(error @ SelectionError::Climbs(_)) => report.error("path", error.to_string()),
        Err(error @ SelectionError::Glob(..)) => report.error("include", error.to_string()),
    }
}
