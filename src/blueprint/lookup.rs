//! Field paths and lookups of `!Find` conditions and identifiers: `slug`, `name__iexact`, `target__slug`,
//! `attributes__department` (spec blueprints §3.1, §7).

use super::value::{MapKey, Val};
use crate::{
    base::diagnostic::nearest,
    model::{KindIndex, KindInfo, Registry},
};

/// A parsed condition path.
#[derive(Clone, Debug, PartialEq)]
pub struct Path {
    /// From the object to the compared value.
    pub steps: Vec<Step>,
    /// How to compare.
    pub lookup: Lookup,
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The primary key.
    Key,
    /// An attribute or reference field of the object.
    Field(String),
    /// A member of a JSON value.
    Member(String),
    /// From the target of a reference back to those who refer: the kinds and their field.
    Back(Vec<(KindIndex, &'static str)>),
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// Equal.
    Exact,
    /// Equal but for letter case.
    IExact,
    /// Text that contains; JSON that contains the given subtree.
    Contains,
    /// Text that contains, whatever the letter case.
    IContains,
    /// Text that starts with.
    StartsWith,
    /// Text that starts with, whatever the letter case.
    IStartsWith,
    /// Text that ends with.
    EndsWith,
    /// Text that ends with, whatever the letter case.
    IEndsWith,
    /// One of a list.
    In,
    /// Null, if compared with true.
    IsNull,
    /// Greater.
    Gt,
    /// Greater or equal.
    Gte,
    /// Less.
    Lt,
    /// Less or equal.
    Lte,
}

const LOOKUPS: [(&str, Lookup); 14] = [
    ("exact", Lookup::Exact),
    ("iexact", Lookup::IExact),
    ("contains", Lookup::Contains),
    ("icontains", Lookup::IContains),
    ("startswith", Lookup::StartsWith),
    ("istartswith", Lookup::IStartsWith),
    ("endswith", Lookup::EndsWith),
    ("iendswith", Lookup::IEndsWith),
    ("in", Lookup::In),
    ("isnull", Lookup::IsNull),
    ("gt", Lookup::Gt),
    ("gte", Lookup::Gte),
    ("lt", Lookup::Lt),
    ("lte", Lookup::Lte),
];

/// Names of the primary key.
pub const KEY_NAMES: [&str; 3] = ["pk", "id", "uuid"];

/// Reads a path as it applies to objects of the given kinds.
///
/// # Errors
/// The part that none of the kinds knows, with the nearest known name.
pub fn parse(registry: &Registry, kinds: &[KindIndex], text: &str) -> Result<Path, (String, Option<String>)> {
    // Nearly all conditions are of this form.
    if let [kind] = kinds
        && !text.contains("__")
        && let Some(field) = registry.get(*kind).fields.get(text)
    {
        return Ok(Path { steps: vec![Step::Field(field.name.clone())], lookup: Lookup::Exact });
    }
    let mut kinds: Vec<KindIndex> = kinds.to_vec();
    let mut path = Path { steps: Vec::new(), lookup: Lookup::Exact };
    let parts: Vec<&str> = text.split("__").collect();
    let mut in_json = false;
    for (at, part) in parts.iter().enumerate() {
        let is_last = at + 1 == parts.len();
        if at > 0
            && is_last
            && let Some((_, lookup)) = LOOKUPS.iter().find(|(name, _)| name == part)
        {
            path.lookup = *lookup;
            break;
        }
        if in_json {
            path.steps.push(Step::Member((*part).to_owned()));
            continue;
        }
        let infos: Vec<&KindInfo> = kinds.iter().map(|kind| registry.get(*kind)).collect();
        if let Some(name) = field_name(&infos, part) {
            let mut next = Vec::new();
            for info in &infos {
                match info.fields.get(name).map(|field| field.reference) {
                    Some(Some(reference)) => next.extend(registry.targets(reference.target)),
                    Some(None) => in_json = true,
                    None => {}
                }
            }
            path.steps.push(Step::Field(name.to_owned()));
            kinds = next;
            in_json &= kinds.is_empty();
            continue;
        }
        if KEY_NAMES.contains(part) {
            path.steps.push(Step::Key);
            in_json = true;
            continue;
        }
        let back: Vec<(KindIndex, &'static str)> = registry
            .kinds()
            .filter(|other| other.short_name() == *part)
            .flat_map(|other| other.references.iter().map(move |reference| (other, reference)))
            .filter(|(_, reference)| {
                reference.inverse.is_none() && infos.iter().any(|info| info.is_a(reference.target))
            })
            .map(|(other, reference)| (other.index, reference.field))
            .collect();
        if back.is_empty() {
            let known = infos.iter().flat_map(|info| info.fields.keys().map(String::as_str)).chain(["pk"]);
            let meant = nearest(part, known).map(str::to_owned);
            return Err(((*part).to_owned(), meant));
        }
        kinds = back.iter().map(|(kind, _)| *kind).collect();
        path.steps.push(Step::Back(back));
    }
    Ok(path)
}

/// The field that a part of a path names, also in the `<field>_id` form that databases use.
fn field_name<'a>(infos: &[&'a KindInfo], part: &str) -> Option<&'a str> {
    let find = |name: &str| infos.iter().find_map(|info| info.fields.get(name)).map(|field| field.name.as_str());
    find(part).or_else(|| {
        let base = part.strip_suffix("_id")?;
        infos.iter().any(|info| info.reference(base).is_some()).then(|| find(base)).flatten()
    })
}

impl Path {
    /// The single field that the path compares for equality, if it is that simple.
    pub fn plain_field(&self) -> Option<&str> {
        match (self.steps.as_slice(), self.lookup) {
            ([Step::Field(field)], Lookup::Exact) => Some(field),
            _ => None,
        }
    }
}

impl Lookup {
    /// Compares a value of an object with the wanted one; none when either is unknown.
    pub fn matches(self, value: &Val, wanted: &Val) -> Option<bool> {
        let (value, wanted) = (value.peel(), wanted.peel());
        if matches!(value, Val::Unknown) || wanted.is_unknown() {
            return None;
        }
        let lower = |value: &Val| value.python_str().to_lowercase();
        let text = |check: fn(&str, &str) -> bool, fold: bool| {
            !matches!(value, Val::Null)
                && if fold {
                    check(&lower(value), &lower(wanted))
                } else {
                    check(&value.python_str(), &wanted.python_str())
                }
        };
        Some(match self {
            Lookup::Exact => equal(value, wanted),
            Lookup::IExact => match (value, wanted) {
                (Val::Null, _) | (_, Val::Null) => value == wanted,
                _ => lower(value) == lower(wanted),
            },
            Lookup::Contains if matches!(value, Val::Map(_) | Val::List(_)) => contains(value, wanted),
            Lookup::Contains => text(|value, wanted| value.contains(wanted), false),
            Lookup::IContains => text(|value, wanted| value.contains(wanted), true),
            Lookup::StartsWith => text(|value, wanted| value.starts_with(wanted), false),
            Lookup::IStartsWith => text(|value, wanted| value.starts_with(wanted), true),
            Lookup::EndsWith => text(|value, wanted| value.ends_with(wanted), false),
            Lookup::IEndsWith => text(|value, wanted| value.ends_with(wanted), true),
            Lookup::In => match wanted {
                Val::List(items) => items.iter().any(|item| equal(value, item.peel())),
                other => equal(value, other),
            },
            Lookup::IsNull => matches!(value, Val::Null) == wanted.truth().unwrap_or(true),
            Lookup::Gt | Lookup::Gte | Lookup::Lt | Lookup::Lte => {
                let order = match (number(value), number(wanted)) {
                    (Some(value), Some(wanted)) => value.partial_cmp(&wanted),
                    _ => Some(value.python_str().cmp(&wanted.python_str())),
                };
                match self {
                    Lookup::Gt => order.is_some_and(std::cmp::Ordering::is_gt),
                    Lookup::Gte => order.is_some_and(std::cmp::Ordering::is_ge),
                    Lookup::Lt => order.is_some_and(std::cmp::Ordering::is_lt),
                    _ => order.is_some_and(std::cmp::Ordering::is_le),
                }
            }
        })
    }
}

fn number(value: &Val) -> Option<f64> {
    match value {
        Val::Int(number) => Some(*number as f64),
        Val::Float(number) => Some(*number),
        _ => None,
    }
}

/// Equality as a database column has it: text and numbers of the same writing are equal, an object equals its key.
pub fn equal(value: &Val, wanted: &Val) -> bool {
    match (value.peel(), wanted.peel()) {
        (Val::Object(one), Val::Object(other)) => one.id == other.id,
        (Val::Null, Val::Null) => true,
        (Val::Null, _) | (_, Val::Null) => false,
        (Val::Bool(one), Val::Bool(other)) => one == other,
        (Val::List(one), Val::List(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| equal(one, other))
        }
        (Val::Map(one), Val::Map(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|found| equal(value, found)))
        }
        (Val::List(_) | Val::Map(_), _) | (_, Val::List(_) | Val::Map(_)) => false,
        (Val::Object(object), text @ Val::Text(_)) | (text @ Val::Text(_), Val::Object(object)) => {
            text.python_str().eq_ignore_ascii_case(&object.id.to_string())
                || object.number.is_some_and(|number| text.python_str() == number.to_string())
        }
        (one, other) => match (number(one), number(other)) {
            (Some(one), Some(other)) => one == other,
            _ => one.python_str() == other.python_str(),
        },
    }
}

/// Whether JSON contains a subtree: mappings by key, lists by having every wanted item, scalars by equality.
pub fn contains(value: &Val, wanted: &Val) -> bool {
    match (value.peel(), wanted.peel()) {
        (Val::Map(mine), Val::Map(theirs)) => {
            theirs.iter().all(|(key, wanted)| mine.get(key).is_some_and(|value| contains(value, wanted)))
        }
        (Val::List(mine), Val::List(theirs)) => {
            theirs.iter().all(|wanted| mine.iter().any(|value| contains(value, wanted)))
        }
        (Val::List(mine), scalar) if !matches!(scalar, Val::Map(_)) => mine.iter().any(|value| equal(value, scalar)),
        (Val::Bool(one), other) | (other, Val::Bool(one)) => matches!(other, Val::Bool(other) if one == other),
        (value, wanted) => equal(value, wanted),
    }
}

/// A member of a JSON value by a path step.
pub fn member(value: &Val, name: &str) -> Val {
    match value.peel() {
        Val::Map(map) => map.get(&MapKey::Text(name.into())).cloned().unwrap_or(Val::Null),
        Val::List(items) => name.parse::<usize>().ok().and_then(|at| items.get(at)).cloned().unwrap_or(Val::Null),
        _ => Val::Null,
    }
}
