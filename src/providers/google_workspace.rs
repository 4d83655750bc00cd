//! The kind `authentik_providers_google_workspace.googleworkspaceprovider`: keeps the users and groups of a
//! Google Workspace in step with ours.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DeleteAction;
use crate::model::{Family, Key, Kind, Ref, Reference, Report, SecretJson};

/// Sends users and groups to a Google Workspace. Nothing is sent until an application names the provider.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GoogleWorkspaceProvider {
    /// Name of the provider, unique among all providers.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Mappings that shape users.
    pub property_mappings: Vec<Ref>,
    /// Mappings that shape groups.
    pub property_mappings_group: Vec<Ref>,
    /// E-mail address of the workspace administrator in whose name the service account acts.
    #[schemars(email, length(min = 1, max = 254))]
    pub delegated_subject: String,
    /// Key of the service account: the whole JSON document that Google gives out.
    pub credentials: SecretJson,
    /// Scopes to ask for, separated by commas. The service account's domain-wide delegation must cover all of them.
    #[schemars(length(min = 1))]
    pub scopes: String,
    /// Leaves service accounts out.
    pub exclude_users_service_account: bool,
    /// Only direct members of this group are sent; groups are always sent all. The group cannot be deleted while
    /// it is named here, since every user would then be sent.
    pub filter_group: Option<Ref>,
    /// What happens to the remote account when a user is deleted.
    pub user_delete_action: DeleteAction,
    /// What happens to the remote group when a group is deleted.
    pub group_delete_action: DeleteAction,
    /// Domain of the e-mail addresses that new remote groups get.
    #[schemars(length(min = 1))]
    pub default_group_email_domain: String,
    /// Logs each change instead of sending it (2025.4).
    pub dry_run: bool,
}

impl Default for GoogleWorkspaceProvider {
    fn default() -> Self {
        GoogleWorkspaceProvider {
            name: String::new(),
            property_mappings: Vec::new(),
            property_mappings_group: Vec::new(),
            delegated_subject: String::new(),
            credentials: SecretJson::default(),
            scopes: [
                "https://www.googleapis.com/auth/admin.directory.user",
                "https://www.googleapis.com/auth/admin.directory.group",
                "https://www.googleapis.com/auth/admin.directory.group.member",
                "https://www.googleapis.com/auth/admin.directory.domain.readonly",
            ]
            .join(","),
            exclude_users_service_account: false,
            filter_group: None,
            user_delete_action: DeleteAction::Delete,
            group_delete_action: DeleteAction::Delete,
            default_group_email_domain: String::new(),
            dry_run: false,
        }
    }
}

impl Kind for GoogleWorkspaceProvider {
    const NAME: &'static str = "authentik_providers_google_workspace.googleworkspaceprovider";
    const TITLE: &'static str = "Google Workspace provider";
    const FAMILIES: &'static [Family] = &[Family::Provider];
    const KEYS: &'static [Key] = &[Key::in_family(&["name"], Family::Provider)];
    const REQUIRED: &'static [&'static str] =
        &["name", "delegated_subject", "credentials", "default_group_email_domain"];
    const REFERENCES: &'static [Reference] = &[
        Reference::many("property_mappings", "authentik_providers_google_workspace.googleworkspaceprovidermapping"),
        Reference::many(
            "property_mappings_group",
            "authentik_providers_google_workspace.googleworkspaceprovidermapping",
        ),
        Reference::one("filter_group", "authentik_core.group").protect(),
    ];
    const READ_ONLY: &'static [&'static str] =
        &["assigned_backchannel_application_slug", "assigned_backchannel_application_name"];
    const NUMBERED: bool = true;

    fn check(&self, report: &mut Report) {
        let Value::Object(key) = &self.credentials.0 else { return };
        let needed = ["client_email", "private_key", "token_uri"];
        let missing: Vec<&str> = needed.into_iter().filter(|member| !key.contains_key(*member)).collect();
        if !key.is_empty() && !missing.is_empty() {
            report.warn(
                "credentials",
                format!("has no {}; give the service account's key as Google gave it out", missing.join(", ")),
            );
        }
    }
}
