//! From sources to the running state: fetch, verify, plan, gate, apply, record; and drift, history and access impact.

pub mod attempt;
pub mod content;
pub mod declared;
pub mod directory;
pub mod documents;
pub mod drift;
pub mod forge;
pub mod gate;
pub mod git;
pub mod guard;
pub mod history;
pub mod hooks;
pub mod impact;
pub mod lockout;
pub mod obtain;
pub mod oci;
pub mod pull_request;
pub mod rollback;
pub mod settings;
pub mod source;
pub mod state;
pub mod supervisor;
pub mod surroundings;
pub mod tolerate;
pub mod trigger;
pub mod watch;
