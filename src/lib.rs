//! Gatewright: identity as code.
//!
//! The modules are floors, ground first; a floor imports only floors above it in this list
//! (`tests/it/floors.rs` checks it). `docs/architecture.md` tells the whole story.

pub mod base;
pub mod config;
pub mod model;
pub mod store;

pub mod blueprint;

pub mod identity;

pub mod expression;
pub mod policies;

pub mod flows;

pub mod stages;

pub mod outposts;
pub mod providers;
pub mod sources;

pub mod reconcile;

pub mod registry;

pub mod web;

pub mod cli;
