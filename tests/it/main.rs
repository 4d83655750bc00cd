//! Integration tests, in one binary.

mod cli;
mod engine;
mod floors;
mod kinds;
mod rules;
mod schemas;
mod store;
mod support;
