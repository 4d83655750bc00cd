//! Integration tests, in one binary.

mod kinds;
