//! The erased descriptors of all kinds, and the look-ups that engines make in them.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashMap},
    fmt,
};

use serde::de::value::MapDeserializer;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    field::{Family, Key, Reference},
    kind::{Change, Generated, Kind, Report, Residency},
    schema,
};
use crate::base::{
    diagnostic::nearest,
    hash::{FastIndexMap, FastMap},
};

/// How the value of a secret field is kept and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretMode {
    /// Encrypted in the object's row; compared by keyed digest.
    Sealed,
    /// A salted hash in a table of its own; compared by verification.
    Password,
}

/// What the engines need to know about one attribute of a kind.
#[derive(Debug)]
pub struct FieldInfo {
    /// Name in JSON.
    pub name: String,
    /// JSON Schema of the value, with title and description.
    pub schema: Value,
    /// Value of a creation that leaves the field out; null for references and secrets without one.
    pub default: Value,
    /// Whether null is a value of the field.
    pub nullable: bool,
    /// Whether a creation must give the field.
    pub required: bool,
    /// Set for secret fields.
    pub secret: Option<SecretMode>,
    /// Set for reference fields.
    pub reference: Option<&'static Reference>,
    /// The JSON types of [`schema::TYPES`] that the schema allows, one bit each: asked for every value of every entry.
    types: u8,
}

impl FieldInfo {
    /// Whether the schema allows a JSON type (`string`, `integer`, …) at the top of the value.
    pub fn allows(&self, json_type: &str) -> bool {
        match schema::TYPES.iter().position(|known| *known == json_type) {
            Some(at) => self.types & 1 << at != 0,
            None => schema::allows(&self.schema, json_type),
        }
    }
}

/// Judges the fields of an object, given the kinds of what it refers to.
type Check = fn(&[(&str, Cow<'_, Value>)], HashMap<Uuid, &'static str>) -> Result<Report, String>;

/// Everything about one kind, without its Rust type.
pub struct KindInfo {
    /// Position in the registry; small and dense, valid for one process.
    pub index: KindIndex,
    /// See [`Kind::NAME`].
    pub name: &'static str,
    /// See [`Kind::TITLE`].
    pub title: &'static str,
    /// First paragraphs of the struct's documentation.
    pub description: String,
    /// See [`Kind::ALIASES`].
    pub aliases: &'static [&'static str],
    /// See [`Kind::FAMILIES`].
    pub families: &'static [Family],
    /// See [`Kind::KEYS`].
    pub keys: &'static [Key],
    /// See [`Kind::REFERENCES`].
    pub references: &'static [Reference],
    /// See [`Kind::GENERATED`].
    pub generated: &'static [Generated],
    /// See [`Kind::CHANGES`].
    pub changes: &'static [Change],
    /// Names that documents cannot write: [`Kind::READ_ONLY`] and [`Kind::SERVER_ONLY`].
    pub read_only: Vec<&'static str>,
    /// See [`Kind::NUMBERED`].
    pub numbered: bool,
    /// See [`Kind::RESIDENCY`].
    pub residency: Residency,
    /// See [`Kind::META`].
    pub meta: bool,
    /// See [`Kind::NOT_CREATABLE`].
    pub not_creatable: Option<&'static str>,
    /// Attributes that documents may write, in declaration order.
    pub fields: FastIndexMap<String, FieldInfo>,
    secrets: Vec<(&'static str, SecretMode)>,
    check: Check,
}

impl fmt::Debug for KindInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KindInfo({})", self.name)
    }
}

impl KindInfo {
    /// The part after the dot: `flow` of `authentik_flows.flow`.
    pub fn short_name(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, short)| short)
    }

    /// Scope within which integer keys are given out: providers share one sequence, other kinds have their own.
    pub fn number_scope(&self) -> &'static str {
        if self.families.contains(&Family::Provider) { Family::Provider.name() } else { self.name }
    }

    /// The field that people recognise an object by: `name` where there is one, else the first key's first field.
    pub fn name_field(&self) -> &str {
        if self.fields.contains_key("name") {
            return "name";
        }
        self.keys.first().and_then(|key| key.fields.first()).copied().unwrap_or("id")
    }

    /// Whether the kind belongs to a family or is the kind itself of the given name.
    pub fn is_a(&self, target: &str) -> bool {
        target == Family::Anything.name()
            || self.name == target
            || self.families.iter().any(|family| family.name() == target)
    }

    /// The declared reference of a field.
    pub fn reference(&self, field: &str) -> Option<&'static Reference> {
        self.references.iter().find(|reference| reference.field == field)
    }

    /// Secret fields with static names, as [`Object`](super::object::Object) keys them.
    pub fn secret_names(&self) -> impl Iterator<Item = (&'static str, SecretMode)> {
        self.secrets.iter().copied()
    }

    /// Runs the kind's cross-field check on a whole object (attributes, references as ids, secrets as text), given the
    /// kind names of the objects that it refers to.
    ///
    /// # Errors
    /// The text of the deserializer when the object does not fit the struct; the schema normally refuses it before.
    pub fn check(
        &self,
        object: &[(&str, Cow<'_, Value>)],
        kinds: HashMap<Uuid, &'static str>,
    ) -> Result<Report, String> {
        (self.check)(object, kinds)
    }
}

/// Position of a kind in its [`Registry`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindIndex(pub u16);

/// A kind on its way into a [`Registry`].
pub struct Registration {
    build: fn() -> Result<KindInfo, RegistryError>,
}

impl Registration {
    /// Registers the struct `K`.
    pub const fn of<K: Kind>() -> Self {
        Registration { build: describe::<K> }
    }
}

/// A declaration that contradicts itself or another; found by a test, never by a user.
#[derive(Debug, thiserror::Error)]
#[error("kind {kind}: {problem}")]
pub struct RegistryError {
    /// The kind.
    pub kind: String,
    /// What is wrong with its declaration.
    pub problem: String,
}

impl RegistryError {
    fn new(kind: &str, problem: impl Into<String>) -> Self {
        RegistryError { kind: kind.to_owned(), problem: problem.into() }
    }
}

/// All kinds, by index, name, alias and family.
#[derive(Debug)]
pub struct Registry {
    kinds: Vec<KindInfo>,
    by_name: FastMap<String, KindIndex>,
    families: BTreeMap<Family, Vec<KindIndex>>,
}

impl Registry {
    /// Builds the descriptors of a list of kinds and checks them against each other.
    ///
    /// # Errors
    /// The first contradiction: a name given twice, a reference to an unknown kind, a key over a missing field.
    pub fn build(list: &[Registration]) -> Result<Registry, RegistryError> {
        let mut registry =
            Registry { kinds: Vec::with_capacity(list.len()), by_name: FastMap::default(), families: BTreeMap::new() };
        for registration in list {
            let mut info = (registration.build)()?;
            info.index = KindIndex(registry.kinds.len() as u16);
            for name in std::iter::once(&info.name).chain(info.aliases) {
                if registry.by_name.insert((*name).to_owned(), info.index).is_some() {
                    return Err(RegistryError::new(info.name, format!("the name {name} is taken")));
                }
            }
            for family in info.families {
                registry.families.entry(*family).or_default().push(info.index);
            }
            if !info.meta {
                registry.families.entry(Family::Anything).or_default().push(info.index);
            }
            registry.kinds.push(info);
        }
        registry.check_references()?;
        Ok(registry)
    }

    fn check_references(&self) -> Result<(), RegistryError> {
        for info in &self.kinds {
            for reference in info.references {
                let wrong = |problem: &str| {
                    Err(RegistryError::new(info.name, format!("reference {}: {problem}", reference.field)))
                };
                let targets = self.targets(reference.target);
                if targets.is_empty() {
                    return wrong(&format!("unknown target {}", reference.target));
                }
                // An alias would be found here and be refused by every comparison of names later.
                if self.find(reference.target).is_some_and(|kind| kind.name != reference.target) {
                    return wrong(&format!("target {} is an alias", reference.target));
                }
                if let Some(there) = reference.inverse {
                    let far = targets.iter().all(|kind| {
                        self.get(*kind).reference(there).is_some_and(|far| far.many && far.inverse.is_none())
                    });
                    if !far || !reference.many {
                        return wrong(&format!("{there} is not a list of references at {}", reference.target));
                    }
                }
            }
        }
        Ok(())
    }

    /// All kinds in registration order.
    pub fn kinds(&self) -> impl Iterator<Item = &KindInfo> {
        self.kinds.iter()
    }

    /// The kind of an index that this registry gave out.
    pub fn get(&self, index: KindIndex) -> &KindInfo {
        &self.kinds[index.0 as usize]
    }

    /// Finds a kind by its blueprint name or an alias. The part before the dot is case-sensitive, the
    /// part after it is not (spec blueprints §1).
    pub fn find(&self, name: &str) -> Option<&KindInfo> {
        let index = match self.by_name.get(name) {
            Some(index) => *index,
            None => {
                let (app, model) = name.split_once('.')?;
                *self.by_name.get(&format!("{app}.{}", model.to_lowercase()))?
            }
        };
        Some(self.get(index))
    }

    /// The kinds that a reference target or a `!Find` model names: one kind, or all of a family.
    pub fn targets(&self, name: &str) -> Vec<KindIndex> {
        if let Some(family) = Family::ALL.into_iter().find(|family| family.name().eq_ignore_ascii_case(name)) {
            return self.families.get(&family).cloned().unwrap_or_default();
        }
        self.find(name).map(|info| vec![info.index]).unwrap_or_default()
    }

    /// The known kind name nearest to a mistyped one.
    pub fn nearest(&self, wrong: &str) -> Option<&'static str> {
        let names = self.kinds.iter().map(|info| info.name);
        if let Some(name) = nearest(wrong, names.clone()) {
            return Some(name);
        }
        let short = wrong.rsplit('.').next().unwrap_or(wrong);
        let found = nearest(short, self.kinds.iter().map(KindInfo::short_name))?;
        self.kinds.iter().find(|info| info.short_name() == found).map(|info| info.name)
    }
}

fn describe<K: Kind>() -> Result<KindInfo, RegistryError> {
    let wrong = |problem: String| Err(RegistryError::new(K::NAME, problem));
    let mut root = schema::of_struct::<K>();
    let defaults = serde_json::to_value(K::default())
        .map_err(|error| RegistryError::new(K::NAME, format!("the default does not serialize: {error}")))?;
    let properties = match root.get_mut("properties").map(Value::take) {
        Some(Value::Object(properties)) => properties,
        _ => Map::new(),
    };
    let mut fields = FastIndexMap::default();
    for (name, property) in properties {
        let marked = schema::mark(&property, "x-reference").is_some();
        let reference = K::REFERENCES.iter().find(|reference| reference.field == name);
        let is_list = property.get("items").is_some();
        match reference {
            Some(reference) if !marked => {
                return wrong(format!("{} is declared as a reference but is no Ref", reference.field));
            }
            Some(reference) if reference.many != is_list => {
                return wrong(format!("{name}: the struct and REFERENCES disagree on whether it is a list"));
            }
            None if marked => return wrong(format!("{name} is a Ref without an entry in REFERENCES")),
            _ => {}
        }
        let secret = match schema::mark(&property, "x-secret").and_then(Value::as_str) {
            Some("password") => Some(SecretMode::Password),
            Some(_) => Some(SecretMode::Sealed),
            None => None,
        };
        let is_single_reference = reference.is_some_and(|reference| !reference.many);
        let default = match defaults.get(&name) {
            Some(default) if secret.is_none() && !is_single_reference => default.clone(),
            _ => Value::Null,
        };
        let nullable = schema::allows(&property, "null");
        let schema = schema::finish_field(&name, property, reference, &default);
        let field = FieldInfo {
            name: name.clone(),
            types: schema::TYPES
                .iter()
                .enumerate()
                .fold(0, |types, (at, json_type)| types | u8::from(schema::allows(&schema, json_type)) << at),
            schema,
            nullable,
            required: K::REQUIRED.contains(&name.as_str()),
            default,
            secret,
            reference,
        };
        fields.insert(name, field);
    }
    let mut secrets = Vec::new();
    for field in fields.values().filter(|field: &&FieldInfo| field.secret.is_some()) {
        // Names of struct fields live as long as the program; the few bytes are given away once per start.
        let name: &'static str = Box::leak(field.name.clone().into_boxed_str());
        secrets.extend(field.secret.map(|mode| (name, mode)));
    }
    let named = K::REQUIRED
        .iter()
        .chain(K::KEYS.iter().flat_map(|key| key.fields))
        .chain(K::REFERENCES.iter().map(|reference| &reference.field))
        .chain(K::GENERATED.iter().map(|generated| &generated.field))
        .chain(K::SERVER_ONLY);
    for field in named {
        if !fields.contains_key(*field) {
            return wrong(format!("the declaration names {field}, which the struct does not have"));
        }
    }
    // They are stored by what `references` and `secrets` say; whatever is offered to or taken from people looks here.
    fields.retain(|name, _| !K::SERVER_ONLY.contains(&name.as_str()));
    for change in K::CHANGES {
        let (theirs, ours) = match change {
            Change::Renamed { from, to, .. } => (Some(*from), Some(*to)),
            Change::Removed { field, .. } => (Some(*field), None),
            Change::Converted { field, .. } => (None, Some(*field)),
        };
        if ours.is_some_and(|ours| !fields.contains_key(ours))
            || theirs.is_some_and(|theirs| fields.contains_key(theirs))
        {
            return wrong(format!("CHANGES does not fit the struct: {change:?}"));
        }
    }
    Ok(KindInfo {
        index: KindIndex(0),
        name: K::NAME,
        title: K::TITLE,
        description: root.get("description").and_then(Value::as_str).unwrap_or_default().to_owned(),
        aliases: K::ALIASES,
        families: K::FAMILIES,
        keys: K::KEYS,
        references: K::REFERENCES,
        generated: K::GENERATED,
        changes: K::CHANGES,
        read_only: K::READ_ONLY.iter().chain(K::SERVER_ONLY).copied().collect(),
        numbered: K::NUMBERED,
        residency: K::RESIDENCY,
        meta: K::META,
        not_creatable: K::NOT_CREATABLE,
        fields,
        secrets,
        check: |object, kinds| {
            let fields = object.iter().map(|(name, value)| (*name, &**value));
            let fields = MapDeserializer::<_, serde_json::Error>::new(fields);
            let kind = K::deserialize(fields).map_err(|error| error.to_string())?;
            let mut report = Report { kinds, ..Report::default() };
            kind.check(&mut report);
            Ok(report)
        },
    })
}
