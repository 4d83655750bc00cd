//! Integration tests, in one binary.

#![allow(clippy::disallowed_methods, reason = "tests are told by variables where data and peers are")]

mod cli;
mod engine;
mod floors;
mod kinds;
mod rules;
mod schemas;
mod spec30;
mod store;
mod support;
