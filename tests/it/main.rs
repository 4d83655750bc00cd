//! The one integration test binary.

mod bad_input;
mod engine;
mod floors;
mod fuzz;
mod kinds;
mod mutations;
mod properties;
mod store;
mod support;
