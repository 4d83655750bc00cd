//! The declarative engine: from YAML documents to an exact plan, pure until the plan is applied.

pub mod document;
pub mod format;
pub mod inputs;
pub mod resolve;
pub mod lookup;
pub mod tags;
pub mod value;
pub mod yaml;
