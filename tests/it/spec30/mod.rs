//! Every test idea of the reference behaviour (spec blueprints §30) as a test, named by its number.
//!
//! `s30_14_…` is idea 14; `more_…` are tests of decisions beyond that list. The engine runs over a model in memory;
//! every run of [`Lab`] is also made a second time over a model that loads objects on demand, as a store does, and
//! both must agree. Where the reference system has a defect, the test shows the decision (§31) taken instead.
//!
//! | ideas | file |
//! |---|---|
//! | 9–20, 55–58, 62–64, 68, 69, 85 | `tags` |
//! | 31–35, 52, 61, 70, 76, 79, 82 | `states` |
//! | 2–4, 6, 65–67, 71, 84 | `identity` |
//! | 1, 24, 36, 37, 39, 41, 59, 72, 73, 77, 86, 87 | `documents` |
//! | 5, 7, 8, 22, 23, 25–30, 48–51, 54, 60, 75, 78, 80, 81, 83 | `models` |
//! | beyond the list | `conflicts`, `finding`, `order`, and some in the others |
//!
//! Ideas 42–47 (OCI registries) are in `reconcile::oci`; what 39 and 73 say of rewritten and broken files over time is in
//! `reconcile::attempts`.
//!
//! What of an idea needs a part that does not exist yet has no test here:
//!
//! | ideas | what they show | come with |
//! |---|---|---|
//! | 21 | the list of available files, with the SHA-512 of each | REST API |
//! | 22–24 | the answers to creating instances; what the engine makes of such instances and contents is tested here | REST API |
//! | 38, 40 | files of the blueprint folders appear as instances, with hash and metadata; that disabled instances are left alone is in `reconcile::attempts` | REST API |
//! | 50–52, 54 | the answers of the application wizard; what its documents come to is tested here | REST API |
//! | 53 | a caller without the right to add is refused | REST API |
//! | 74 | `{enabled: false}` alone is a valid change of an instance | REST API |
//!
//! Ideas 5, 7, 8, 75 and 83 go through an export. Their documents are applied here to an empty system as they would
//! be written by hand; the export's own tests join the two halves.

mod conflicts;
mod documents;
mod finding;
mod identity;
mod models;
mod order;
mod states;
mod tags;

use gatewright::base::diagnostic::Code;

use crate::support::lab::{Judged, Lab};

const FLOW: &str = "authentik_flows.flow";
const GROUP: &str = "authentik_core.group";
const USER: &str = "authentik_core.user";

/// The one code that refuses a document.
fn only_error(judged: &Judged) -> Code {
    let mut errors = judged.errors();
    errors.dedup();
    assert_eq!(errors.len(), 1, "{}", judged.report());
    errors[0]
}

/// Plans a document in an empty system, which must be refused by one code alone.
fn refusal(text: &str) -> (Code, Judged) {
    let judged = Lab::new().refused(text);
    (only_error(&judged), judged)
}
