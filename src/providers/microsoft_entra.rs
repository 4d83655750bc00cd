//! The kind `authentik_providers_microsoft_entra.microsoftentraprovider`: keeps the users and groups of a
//! Microsoft Entra ID tenant in step with ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DeleteAction;
use crate::model::{Family, Key, Kind, Ref, Reference, SecretText};

/// Sends users and groups to a Microsoft Entra ID tenant. Nothing is sent until an application names the provider.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MicrosoftEntraProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Mappings that shape users.
    pub property_mappings: Vec<Ref>,
    /// Mappings that shape groups.
    pub property_mappings_group: Vec<Ref>,
    /// Application (client) id of the app registration.
    #[schemars(length(min = 1))]
    pub client_id: String,
    /// Client secret of the app registration.
    #[schemars(length(min = 1))]
    pub client_secret: SecretText,
    /// Directory (tenant) id.
    #[schemars(length(min = 1))]
    pub tenant_id: String,
    /// Leaves service accounts out.
    pub exclude_users_service_account: bool,
    /// Only direct members of this group are sent; groups are always sent all. The group cannot be deleted while
    /// it is named here, since every user would then be sent.
    pub filter_group: Option<Ref>,
    /// What happens to the remote account when a user is deleted.
    pub user_delete_action: DeleteAction,
    /// What happens to the remote group when a group is deleted.
    pub group_delete_action: DeleteAction,
    /// Logs each change instead of sending it (2025.4).
    pub dry_run: bool,
}

impl Kind for MicrosoftEntraProvider {
    const NAME: &'static str = "authentik_providers_microsoft_entra.microsoftentraprovider";
    const TITLE: &'static str = "Microsoft Entra provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] = &["name", "client_id", "client_secret", "tenant_id"];
    const REFERENCES: &'static [Reference] = &[
        Reference::many("property_mappings", "authentik_providers_microsoft_entra.microsoftentraprovidermapping"),
        Reference::many("property_mappings_group", "authentik_providers_microsoft_entra.microsoftentraprovidermapping"),
        Reference::one("filter_group", "authentik_core.group").protect(),
    ];
    const READ_ONLY: &'static [&'static str] =
        &["assigned_backchannel_application_slug", "assigned_backchannel_application_name"];
    const NUMBERED: bool = true;
}
