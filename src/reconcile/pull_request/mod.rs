//! What a branch would change: the blueprints of one revision of a repository planned against those of another, without a
//! database.
//!
//! [`revisions`] reads both, [`compare`](mod@compare) makes a model of the one and plans the other against it, and
//! [`renames`] finds out what only got another name, and [`consequences`](mod@consequences) says what the change does to
//! people.

pub mod compare;
pub mod consequences;
pub mod live;
mod renames;
pub mod revisions;
