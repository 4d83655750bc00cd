//! Integration tests, in one binary.

#![allow(clippy::disallowed_methods, reason = "tests are told by variables where data and peers are")]

mod bad_input;
mod cli;
mod devices;
mod editing;
mod engine;
mod export;
mod expression;
mod floors;
mod fuzz;
mod kinds;
mod mutations;
mod policies;
mod properties;
mod reconcile;
mod rules;
mod schemas;
mod spec30;
mod stages;
mod store;
mod support;
mod web;
