//! The declarative engine: from YAML documents to an exact plan, pure until the plan is applied.

pub mod adopt;
pub mod apply;
pub mod desired;
pub mod document;
pub mod drive;
pub mod edit;
pub mod engine;
pub mod export;
pub mod format;
pub mod inputs;
pub mod load;
pub mod lookup;
pub mod meta;
pub mod migrate;
pub mod plan;
pub mod planfile;
pub mod render;
pub mod resolve;
pub mod secrecy;
pub mod shipped;
pub mod sops;
pub mod tags;
pub mod value;
pub mod yaml;
