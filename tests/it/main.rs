//! Integration tests, in one binary.

mod engine;
mod floors;
mod kinds;
mod schemas;
mod store;
mod support;
