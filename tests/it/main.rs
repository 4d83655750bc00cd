//! The one integration test binary.

mod cli;
mod engine;
mod floors;
mod kinds;
mod store;
mod support;
