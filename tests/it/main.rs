//! Integration tests, in one binary.

mod cli;
mod engine;
mod floors;
mod kinds;
mod rules;
mod schemas;
mod spec30;
mod store;
mod support;
