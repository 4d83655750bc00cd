//! The one integration test binary.

mod engine;
mod floors;
mod kinds;
mod store;
mod support;
