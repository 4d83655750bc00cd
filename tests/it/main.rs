//! The one integration test binary.

mod engine;
mod floors;
mod kinds;
mod spec30;
mod store;
mod support;
