//! Property mappings: expressions that shape data on its way to a provider or from a source.

pub mod entra;
pub mod evaluate;
pub mod google_workspace;
pub mod kerberos_source;
pub mod ldap_source;
pub mod oauth_source;
pub mod plex_source;
pub mod rac;
pub mod radius;
pub mod saml;
pub mod saml_source;
pub mod scim;
pub mod scim_source;
pub mod scope;

use crate::model::{Family, Key};

/// Natural identifiers of every mapping. The name comes first because every mapping has one; shipped mappings are
/// usually addressed by `managed`.
const KEYS: &[Key] =
    &[Key::in_family(&["name"], Family::PropertyMapping), Key::in_family(&["managed"], Family::PropertyMapping)];
