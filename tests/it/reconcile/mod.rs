//! Sources of blueprints, against real folders and servers of this machine.

mod directory;
mod oci;
mod watch;
