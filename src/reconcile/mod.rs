//! From sources to the running state: fetch, verify, plan, gate, apply, record; and drift, history and access impact.

pub mod attempt;
pub mod content;
pub mod declared;
pub mod drift;
pub mod gate;
pub mod hooks;
pub mod obtain;
pub mod settings;
pub mod source;
pub mod state;
pub mod supervisor;
pub mod surroundings;
pub mod tolerate;
pub mod trigger;
