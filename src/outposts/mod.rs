//! Outposts: parts of the server that run elsewhere.

pub mod docker_connection;
pub mod kubernetes_connection;
pub mod outpost;
