//! The declarative engine: from YAML documents to an exact plan, pure until the plan is applied.

pub mod desired;
pub mod document;
pub mod export;
pub mod format;
pub mod inputs;
pub mod lookup;
pub mod plan;
pub mod resolve;
pub mod tags;
pub mod value;
pub mod yaml;
