//! Flows: what they are, planning one for somebody, and walking through it.
//!
//! | file | job |
//! |---|---|
//! | `flow`, `stage_binding` | the kinds |
//! | `slice` | a flow with all that it consists of, frozen at the revision at which somebody began it |
//! | `plan`, `planner` | the steps that somebody will take |
//! | `stage` | what a stage is, and what it may do to the flow that it is in |
//! | `proof` | evidence, without which no step is passed |
//! | `challenge` | what is shown and asked |
//! | `executor` | one request to a flow, from the session to the answer |
//! | `query` | the query of a flow's page |
//! | `redirect` | where a flow may send somebody afterwards |

pub mod challenge;
pub mod executor;
pub mod flow;
pub mod plan;
pub mod planner;
pub mod proof;
pub mod query;
pub mod redirect;
pub mod slice;
pub mod stage;
pub mod stage_binding;
