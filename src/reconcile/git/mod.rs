//! Fetches blueprints from git repositories, without ever checking one out.
//!
//! What is received lands as packs in a bare repository that serves as the source's cache, and files are read from its
//! object store. Everything that comes from the other side is hostile until shown otherwise: sizes are looked at before
//! content, names before use, and every wait ends with the budget of time.
//!
//! `https` is spoken by our own small client of git's smart protocol ([`http`], [`wire`]) over the program's HTTP client:
//! private authorities, redirects, time limits and received bytes are then under one control, which libgit2 offers only
//! through process-wide settings. `ssh` and `git://` go through libgit2, whose socket is led through a relay on loopback
//! ([`relay`]) for the same limits.

mod ask;
mod cache;
mod fetch;
mod history;
mod hosts;
mod http;
mod limits;
mod local;
mod location;
mod native;
mod origin;
mod relay;
mod remote;
mod select;
mod signature;
mod tree;
mod wire;

pub use fetch::{describe, fetch};
pub use origin::{Credentials, Follow, Origin, Trust, Verification};
pub use tree::held;
