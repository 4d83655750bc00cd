//! Sources of blueprints: how they are fetched, what is applied, what is refused, and what is told; against real folders
//! and servers of this machine.

mod attempts;
mod directory;
mod faults;
mod lab;
mod oci;
mod watch;
