//! What a kind says about its fields beyond their JSON type: references, natural identifiers, secrets.

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

/// A base type that several kinds share, so that one reference can point to any of them.
///
/// Families carry the names that blueprints use in `!Find` (source: spec blueprints §10, §28.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Steps of a flow.
    Stage,
    /// Decisions bound to something.
    Policy,
    /// Protocol endpoints that serve an application.
    Provider,
    /// Places that users come from.
    Source,
    /// Expressions that shape data for a provider or source.
    PropertyMapping,
    /// Everything that a policy binding may target.
    BindingTarget,
    /// How outposts reach the platform that they run on.
    OutpostConnection,
    /// A user's account at a source.
    UserSourceConnection,
    /// A group's counterpart at a source.
    GroupSourceConnection,
    /// Places that blueprints come from.
    BlueprintSource,
    /// Every stored kind, without saying so; for references that may point at anything.
    Anything,
}

impl Family {
    /// All families.
    pub const ALL: [Family; 11] = [
        Family::Stage,
        Family::Policy,
        Family::Provider,
        Family::Source,
        Family::PropertyMapping,
        Family::BindingTarget,
        Family::OutpostConnection,
        Family::UserSourceConnection,
        Family::GroupSourceConnection,
        Family::BlueprintSource,
        Family::Anything,
    ];

    /// The name under which blueprints address the family.
    pub const fn name(self) -> &'static str {
        match self {
            Family::Stage => "authentik_flows.stage",
            Family::Policy => "authentik_policies.policy",
            Family::Provider => "authentik_core.provider",
            Family::Source => "authentik_core.source",
            Family::PropertyMapping => "authentik_core.propertymapping",
            Family::BindingTarget => "authentik_policies.policybindingmodel",
            Family::OutpostConnection => "authentik_outposts.outpostserviceconnection",
            Family::UserSourceConnection => "authentik_core.usersourceconnection",
            Family::GroupSourceConnection => "authentik_core.groupsourceconnection",
            Family::BlueprintSource => "gatewright_sources.source",
            Family::Anything => "gatewright.object",
        }
    }
}

/// A set of fields that together name one object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Attribute or single-reference fields; an object without a value in one of them is not indexed by this key.
    pub fields: &'static [&'static str],
    /// When set, the key is unique over all kinds of the family and not only within the kind.
    pub family: Option<Family>,
    /// Whether only objects count whose (single, boolean) field is true: at most one of them may have it set.
    pub only_true: bool,
}

impl Key {
    /// Unique within the kind.
    pub const fn of(fields: &'static [&'static str]) -> Self {
        Key { fields, family: None, only_true: false }
    }

    /// Unique over all kinds of a family.
    pub const fn in_family(fields: &'static [&'static str], family: Family) -> Self {
        Key { fields, family: Some(family), only_true: false }
    }

    /// At most one object of the kind may have the boolean field set.
    pub const fn at_most_one(field: &'static [&'static str; 1]) -> Self {
        Key { fields: field, family: None, only_true: true }
    }
}

/// What happens to an object when the target of one of its references is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDelete {
    /// It is deleted as well.
    Cascade,
    /// The reference is dropped, the object stays.
    Clear,
    /// The target cannot be deleted while the reference stands.
    Protect,
}

/// One reference field of a kind.
///
/// The struct field has the type [`Ref`], `Option<Ref>` or `Vec<Ref>`; this entry adds what the type cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Name of the struct field.
    pub field: &'static str,
    /// Name of the target kind, or of a [`Family`].
    pub target: &'static str,
    /// Whether the field holds a list. Lists of references are sets: their order has no meaning.
    pub many: bool,
    /// What the target's deletion does to the holder. Lists only ever drop the entry.
    pub on_delete: OnDelete,
    /// Whether at most one object may refer to the same target by this field (one-to-one).
    pub exclusive: bool,
    /// Set when this field is the far side of another kind's list field: the edges belong to that
    /// field of the target, and writing here replaces them from the other end.
    pub inverse: Option<&'static str>,
    /// Whether following the field from object to object must come to an end.
    pub acyclic: bool,
}

impl Reference {
    /// A reference to one object; cleared when the target goes.
    pub const fn one(field: &'static str, target: &'static str) -> Self {
        Reference {
            field,
            target,
            many: false,
            on_delete: OnDelete::Clear,
            exclusive: false,
            inverse: None,
            acyclic: false,
        }
    }

    /// A set of references; a target that goes leaves the set.
    pub const fn many(field: &'static str, target: &'static str) -> Self {
        Reference {
            field,
            target,
            many: true,
            on_delete: OnDelete::Clear,
            exclusive: false,
            inverse: None,
            acyclic: false,
        }
    }

    /// The far side of the list field `there` of kind `target`.
    pub const fn inverse(field: &'static str, target: &'static str, there: &'static str) -> Self {
        Reference {
            field,
            target,
            many: true,
            on_delete: OnDelete::Clear,
            exclusive: false,
            inverse: Some(there),
            acyclic: false,
        }
    }

    /// The holder is deleted with its target.
    pub const fn cascade(mut self) -> Self {
        self.on_delete = OnDelete::Cascade;
        self
    }

    /// The target cannot be deleted while it is referred to.
    pub const fn protect(mut self) -> Self {
        self.on_delete = OnDelete::Protect;
        self
    }

    /// Following the field never leads back.
    pub const fn acyclic(mut self) -> Self {
        self.acyclic = true;
        self
    }

    /// At most one holder per target.
    pub const fn exclusive(mut self) -> Self {
        self.exclusive = true;
        self
    }
}

/// The value of a reference field: the id of another object.
///
/// In blueprints it is written as `!KeyOf`, `!Find`, a UUID, or (users and providers) a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ref(pub Uuid);

impl JsonSchema for Ref {
    fn schema_name() -> Cow<'static, str> {
        "Ref".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "integer"], "x-reference": true })
    }
}

macro_rules! secret {
    ($(#[$doc:meta])* $name:ident($inner:ty), $schema:tt) => {
        $(#[$doc])*
        #[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("(secret)")
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

secret! {
    /// Secret text: sealed at rest, compared by keyed digest, never printed.
    SecretText(String), { "type": "string", "x-secret": "sealed" }
}

secret! {
    /// Secret JSON (service-account keys, kubeconfig): sealed at rest as a whole, never printed.
    SecretJson(Value), { "type": ["object", "string"], "x-secret": "sealed" }
}

secret! {
    /// A password: only a salted hash is kept, in a table of its own, and comparing means verifying.
    PasswordText(String), { "type": "string", "minLength": 1, "x-secret": "password" }
}
