//! The one integration test binary.

mod engine;
mod floors;
mod kinds;
mod mutations;
mod store;
mod support;
