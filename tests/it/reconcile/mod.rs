//! Where blueprints come from, with the real programs on the other side.

mod git;
mod git_https;
mod git_signatures;
mod git_ssh;
