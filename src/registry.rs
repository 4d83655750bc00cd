//! The list of all kinds. Adding a kind is its one file and one line here.

use crate::{
    flows,
    model::registry::{Registration, Registry, RegistryError},
    stages,
};

/// Every kind once, grouped by the floor that it lives on.
pub const KINDS: &[Registration] = &[
    // identity
    // policies and mappings
    // flows
    Registration::of::<flows::flow::Flow>(),
    // stages
    Registration::of::<stages::password::PasswordStage>(),
    // sources
    // providers
    // outposts
];

/// Builds the registry of all kinds.
///
/// # Errors
/// When two declarations contradict each other; a test keeps this from ever reaching a user.
pub fn registry() -> Result<Registry, RegistryError> {
    Registry::build(KINDS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_kinds_fit_together() {
        let registry = registry().expect("the declarations agree");
        assert_eq!(registry.kinds().count(), KINDS.len());
    }
}
