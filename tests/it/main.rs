//! Integration tests, in one binary.

mod bad_input;
mod cli;
mod engine;
mod floors;
mod fuzz;
mod kinds;
mod mutations;
mod properties;
mod rules;
mod schemas;
mod spec30;
mod store;
mod support;
