//! What a kind is, what an object is, and the immutable [`Model`] that everything is evaluated against.

pub mod field;
pub mod kind;
pub mod object;
pub mod publish;
pub mod registry;
pub mod schema;
pub mod snapshot;
pub mod symbol;

pub use field::{Family, Key, OnDelete, PasswordText, Ref, Reference, SecretJson, SecretText};
pub use kind::{Change, Generated, Kind, Report, Residency};
pub use object::{Object, SecretState};
pub use registry::{FieldInfo, KindIndex, KindInfo, Registry, RegistryError, SecretMode};
pub use snapshot::{Model, Need};
