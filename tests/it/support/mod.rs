//! What tests share.

pub mod database;
pub mod git;
pub mod lab;
pub mod postgres;
pub mod seeded;
