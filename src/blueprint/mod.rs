//! The blueprint engine: from text to a plan.

pub mod yaml;
