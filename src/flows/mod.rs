//! Flows and the stages bound to them.

pub mod flow;
