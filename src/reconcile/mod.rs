//! From sources to the running state: fetch, verify, plan, gate, apply, record; and drift, history and access impact.

pub mod content;
pub mod git;
pub mod source;
