//! Providers: the protocols by which applications use the identities.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub mod google_workspace;
pub mod ldap;
pub mod microsoft_entra;
pub mod oauth2;
pub mod proxy;
pub mod rac;
pub mod rac_endpoint;
pub mod radius;
pub mod saml;
pub mod scim;
pub mod ssf;

/// What a sync provider does at the other side when a user or group is deleted here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeleteAction {
    /// Leaves the remote object alone.
    DoNothing,
    /// Deletes the remote object.
    #[default]
    Delete,
    /// Suspends the remote account. Groups cannot be suspended and are left alone.
    Suspend,
}
