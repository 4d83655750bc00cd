//! Policies on a store: what they say, what they may do, and what becomes of a flow when they break.

mod expressions;
mod lab;
mod verdicts;
