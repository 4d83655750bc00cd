//! What the server answers over HTTP, in this process.

mod api;
mod flows;
pub mod lab;
mod sessions;
