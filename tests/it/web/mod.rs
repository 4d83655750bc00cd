//! What the server answers over HTTP, in this process.

pub mod lab;
