//! What reconciling needs from outside.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::content::Budget;
use crate::{
    base::{
        clock::Clock,
        diagnostic::{Diagnostic, Sources},
        egress::Egress,
    },
    blueprint::inputs::Inputs,
    model::Registry,
    store::Store,
};

/// Shows findings with the texts that they point into.
pub type Report = Arc<dyn Fn(&Sources, &[Diagnostic]) + Send + Sync>;

/// What attempts need from outside.
#[derive(Clone)]
pub struct Surroundings {
    /// The database.
    pub store: Store,
    /// All kinds.
    pub registry: Arc<Registry>,
    /// What blueprints may see at most.
    pub inputs: Inputs,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How this process is known to the others.
    pub holder: String,
    /// Folder for what is fetched.
    pub cache: PathBuf,
    /// Folders that blueprint instances name their files in.
    pub folders: Vec<PathBuf>,
    /// What fetching may cost.
    pub budget: Budget,
    /// How long the right to write for a source lasts when its holder dies.
    pub lease: Duration,
    /// Shows people what was found in the documents of a source.
    pub report: Report,
    /// What sources may reach.
    pub egress: Egress,
    /// Where the sources that the operator declares are, by name. They may be reached wherever that is.
    pub trusted: BTreeMap<String, String>,
    /// Whether sources may be fetched without encryption, as tests do on one machine.
    pub allow_plain: bool,
    /// Set when the process is to end: fetches under way are called off.
    pub stopping: Arc<AtomicBool>,
}

impl Surroundings {
    /// Whether the process is to end.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}
