//! What tests share.

pub mod database;
pub mod forge;
pub mod git;
pub mod lab;
pub mod postgres;
pub mod published;
pub mod seeded;
mod shapes;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod tracer;
mod typescript;
