//! What an expression may ask of the world: one trait, three functions.
//!
//! The sandbox has no other door. Everything an expression does beyond computing (a look-up in the directory, an
//! event, an HTTP request, a random number, the time) is one of these calls, made while the expression is suspended.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::value::{Map, Value};

/// The identity of an object of the model.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectRef {
    /// The kind, as in [`Handle::kind`](super::Handle::kind).
    pub kind: String,
    /// The identity within the kind, empty for an object that was never stored.
    pub id: String,
}

/// Which attributes of objects are needed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Names {
    /// The expression looks attributes up by names that are computed: all of them.
    All,
    /// The names that occur in the expression; there may be some among them that are no attributes.
    Only(BTreeSet<String>),
}

impl Names {
    /// Whether an attribute of this name is needed.
    pub fn wants(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// A question to the directory, in the words of the expression: a Django-like query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The kind of the rows (`authentik_core.group`). `authentik_core.device` stands for all authenticator devices.
    pub model: String,
    /// The object and relation that the rows hang off: `(user, "ak_groups")`, `(group, "users")`. `None`: all objects of
    /// the kind. `all_groups` of a user includes inherited groups.
    pub related: Option<(ObjectRef, String)>,
    /// What narrows and orders, to be applied in this order.
    pub steps: Vec<Step>,
    /// What is asked of the rows.
    pub answer: Answer,
    /// Which attributes the objects of an answer need.
    pub names: Names,
}

/// One step of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Step {
    /// Rows for which all conditions hold.
    Filter(Vec<Condition>),
    /// Rows for which not all conditions hold.
    Exclude(Vec<Condition>),
    /// Order by these fields; a leading `-` turns a field's order round, `?` is no order at all.
    OrderBy(Vec<String>),
    /// The other way round.
    Reverse,
    /// Each row once.
    Distinct,
    /// The rows from here to there.
    Slice(u64, Option<u64>),
}

/// A look-up as it is written: `name__startswith="x"`, `attributes__role__in=[…]`. [`super::Lookup`] takes the path apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// The key: field, path into JSON, suffix.
    pub path: String,
    /// What it is compared with. Handles stand for objects, lists of handles come from nested queries.
    pub value: Value,
}

/// What is asked of the rows of a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    /// A list of handles with their attributes.
    Objects,
    /// A list of maps with these fields, all if empty.
    Values(Vec<String>),
    /// A list of tuples of these fields, all if empty.
    Tuples(Vec<String>),
    /// A number.
    Count,
    /// Whether there is a row.
    Exists,
    /// Sets these fields on all rows; answers their number.
    Update(Map),
    /// Deletes all rows; answers their number.
    Delete,
}

/// A function of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Call {
    /// A method of an object that the sandbox does not compute itself, such as `group_attributes`, `locale`,
    /// `has_usable_password`, `set_password`, `app_entitlements` of a user, `get_user_path` of a source. A method that the
    /// object does not have is an `AttributeError`.
    Method {
        /// The object.
        object: ObjectRef,
        /// The name of the method.
        name: String,
        /// Positional arguments.
        arguments: Vec<Value>,
        /// Named arguments.
        named: Map,
    },
    /// Creates an object; answers its handle with attributes.
    Create {
        /// The kind.
        model: String,
        /// Fields and their values.
        fields: Map,
    },
    /// Stores what the expression changed of an object. Answers nothing.
    Save {
        /// The object; its id is empty if it is to be created, and then its new handle is the answer.
        object: ObjectRef,
        /// The attributes whose value differs from what the host gave.
        changes: Map,
    },
    /// Deletes an object.
    Delete {
        /// The object.
        object: ObjectRef,
    },
    /// Changes the members of a relation: `user.ak_groups.set([...])`.
    Relate {
        /// The object that has the relation.
        object: ObjectRef,
        /// The name of the relation.
        relation: String,
        /// What to do.
        change: Relate,
        /// The objects on the other side.
        members: Vec<ObjectRef>,
    },
    /// `ak_user_has_authenticator`: whether a user has a confirmed device.
    HasAuthenticator {
        /// The user.
        user: ObjectRef,
        /// `totp`, `duo`, `static`, `webauthn`, `sms`; `None` is any.
        device_type: Option<String>,
    },
    /// `ak_call_policy`: runs a policy with the current request. Answers a map with `passing`, `messages`, `raw_result`,
    /// and `context` if the policy changed it. An unknown name is a `ValueError`.
    CallPolicy {
        /// The policy's name.
        name: String,
        /// The context as it is now, the named arguments merged into it.
        context: Map,
    },
    /// `ak_create_event`.
    CreateEvent {
        /// The action as written, without `custom_`.
        action: String,
        /// The current variables and the named arguments; not yet cleaned of secrets.
        context: Map,
    },
    /// `ak_create_jwt`: a token's text or nothing.
    CreateJwt {
        /// Its subject.
        user: ObjectRef,
        /// The provider: its name or its handle.
        provider: Value,
        /// The scopes.
        scopes: Vec<String>,
        /// How long it is valid, as `seconds=60`.
        validity: String,
    },
    /// `resolve_dns`: a list of texts, empty on failure.
    ResolveDns {
        /// The name.
        host: String,
        /// 4, 6 or both.
        version: Option<u8>,
    },
    /// `reverse_dns`: a name, or the input on failure.
    ReverseDns {
        /// The address.
        address: String,
    },
    /// `define_attribute` of RADIUS mappings: makes an attribute known to the dictionary.
    DefineAttribute(Map),
    /// An outgoing HTTP request, to be held to the egress rules.
    Http(HttpCall),
    /// So many random bytes of the operating system.
    Random(u16),
    /// The time: an aware moment in UTC.
    Now,
}

/// How a relation changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Relate {
    /// Exactly these members.
    Set,
    /// These members as well.
    Add,
    /// Without these members.
    Remove,
    /// No members.
    Clear,
}

/// An outgoing HTTP request. The answer is a map: `status_code` (int), `headers` (map), `content` (bytes), `url` (text),
/// `reason` (text). A failure to get any response is a `ConnectionError` or `TimeoutError`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HttpCall {
    /// `GET`, `POST`, …
    pub method: String,
    /// The URL without `params`.
    pub url: String,
    /// To be appended to the URL's query.
    pub params: Vec<(String, String)>,
    /// Headers as given.
    pub headers: Vec<(String, String)>,
    /// User and password of basic authentication.
    pub auth: Option<(String, String)>,
    /// The body and its type.
    pub body: HttpBody,
    /// Seconds; `None` leaves it to the host. It never exceeds the evaluation's own time.
    pub timeout: Option<f64>,
    /// Whether redirects are followed, if the host allows it at all.
    pub follow: bool,
}

/// The body of an outgoing request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum HttpBody {
    /// None.
    Empty,
    /// As it is.
    Bytes(Vec<u8>),
    /// A form.
    Form(Vec<(String, String)>),
    /// JSON, to be written by the host.
    Json(Value),
}

/// Why the host did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostError {
    /// The name of the built-in exception that the expression sees, such as `ValueError`; unknown names become
    /// `RuntimeError`. `None` ends the evaluation, and no `except` catches it: the store is out of reach, say.
    pub exception: Option<String>,
    /// The text, fit to be shown to an administrator.
    pub message: String,
}

impl HostError {
    /// An exception inside the expression.
    pub fn raise(exception: impl Into<String>, message: impl Into<String>) -> Self {
        Self { exception: Some(exception.into()), message: message.into() }
    }

    /// The end of the evaluation.
    pub fn fatal(message: impl Into<String>) -> Self {
        Self { exception: None, message: message.into() }
    }
}

/// The world as an expression may see it.
///
/// Implementations decide what is allowed; the engine only counts and times the calls. Values that cross are plain
/// data, so an implementation can be a store, a model in memory, a recording or a fixture.
pub trait Host: Send + Sync {
    /// The attributes of objects of a scope that have none yet, in the order of `objects`; `None` for an object that no
    /// longer exists. Derived ones (`is_superuser`, `avatar`, `uid`) belong to them where `names` wants them.
    fn attributes<'a>(
        &'a self,
        objects: &'a [ObjectRef],
        names: &'a Names,
    ) -> BoxFuture<'a, Result<Vec<Option<Map>>, HostError>>;

    /// Answers a query. An unknown kind, field or suffix is a `FieldError` of the reference, here a `ValueError`.
    fn query(&self, query: Query) -> BoxFuture<'_, Result<Value, HostError>>;

    /// Runs a function.
    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, HostError>>;
}
