//! From sources to the running state: fetch, verify, plan, gate, apply, record; and drift, history and access impact.

pub mod content;
pub mod impact;
pub mod lockout;
pub mod source;

/// What neutralises the names of others in reports, shared with the plan's.
#[path = "../blueprint/render/escape.rs"]
#[allow(dead_code, reason = "the plan's reports use more of it")]
mod escape;
