//! Sources of blueprints: how they are fetched, what is applied, what is refused, and what is told.

mod attempts;
pub mod drift;
pub mod lab;
