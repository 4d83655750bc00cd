//! What tests share.

pub mod database;
pub mod forge;
pub mod git;
pub mod lab;
pub mod postgres;
pub mod seeded;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub mod tracer;
