//! Flows and the stages bound to them.

pub mod flow;
pub mod stage_binding;
