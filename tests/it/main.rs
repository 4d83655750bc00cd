//! Integration tests: one binary, one module for each subject.

mod floors;

fn main() {}
