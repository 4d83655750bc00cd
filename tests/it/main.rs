//! The one integration test binary.

mod floors;
mod kinds;
mod schemas;
