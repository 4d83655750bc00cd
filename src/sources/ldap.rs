//! The kind `authentik_sources_ldap.ldapsource`: users and groups of an LDAP directory.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{USER_PATH_TEMPLATE, UserMatchingMode};
use crate::{
    model::{Change, Family, Key, Kind, Ref, Reference, Report, SecretText},
    policies::EngineMode,
};

/// Copies users and groups from an LDAP directory and checks passwords there.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LdapSource {
    /// Name that people see, unique among all sources.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Part of the source's URLs, unique among all sources.
    #[schemars(length(min = 1, max = 50), regex(pattern = "^[-a-zA-Z0-9_]+$"))]
    pub slug: String,
    /// Whether the source is in use; a source that is off neither synchronizes nor checks passwords.
    pub enabled: bool,
    /// Without effect, since nobody is sent to the directory to sign in.
    pub authentication_flow: Option<Ref>,
    /// Without effect, since users are copied and not enrolled.
    pub enrollment_flow: Option<Ref>,
    /// Whether all bound policies must pass or any one.
    pub policy_engine_mode: EngineMode,
    /// Without effect, since users are matched by `object_uniqueness_field`.
    pub user_matching_mode: UserMatchingMode,
    /// Folder of users that the source creates; `%(slug)s` stands for its slug.
    #[schemars(length(min = 1))]
    pub user_path_template: String,
    /// Picture on the sign-in page: a URL or a path below the static files.
    #[schemars(length(min = 1))]
    pub icon: Option<String>,
    /// URLs of the directory's servers, `ldap://` or `ldaps://`, separated by commas; one is chosen at random.
    #[schemars(length(min = 1))]
    pub server_uri: String,
    /// Certificate, or that of the authority, by which the servers are recognized; without one any certificate is
    /// accepted. It cannot be deleted while it is named here.
    pub peer_certificate: Option<Ref>,
    /// Certificate and key that we present to the servers.
    pub client_certificate: Option<Ref>,
    /// Distinguished name or user name that we bind with.
    pub bind_cn: String,
    /// Password of `bind_cn`.
    pub bind_password: SecretText,
    /// Starts TLS on an `ldap://` connection.
    pub start_tls: bool,
    /// Names the server in the TLS handshake.
    pub sni: bool,
    /// Distinguished name below which everything is looked for.
    #[schemars(length(min = 1))]
    pub base_dn: String,
    /// Put before `base_dn` when looking for users, as in `ou=people`.
    pub additional_user_dn: String,
    /// Put before `base_dn` when looking for groups, as in `ou=groups`.
    pub additional_group_dn: String,
    /// LDAP filter of the objects that are users.
    #[schemars(length(min = 1))]
    pub user_object_filter: String,
    /// LDAP filter of the objects that are groups.
    #[schemars(length(min = 1))]
    pub group_object_filter: String,
    /// Attribute that holds the membership: the members of a group, or with `lookup_groups_from_user` the groups of
    /// a user.
    #[schemars(length(min = 1))]
    pub group_membership_field: String,
    /// Attribute of a user that `group_membership_field` of a group lists (2025.6).
    #[schemars(length(min = 1))]
    pub user_membership_attribute: String,
    /// Attribute by which an object is recognized after it was renamed or moved. It must never change.
    #[schemars(length(min = 1))]
    pub object_uniqueness_field: String,
    /// Keeps a hash of a password that the directory accepted, so that the user can sign in while the directory is
    /// away.
    pub password_login_update_internal_password: bool,
    /// Copies users.
    pub sync_users: bool,
    /// Writes a password that is changed here back to the directory. Only one source may do so.
    pub sync_users_password: bool,
    /// Copies groups and memberships.
    pub sync_groups: bool,
    /// Group that all copied groups are put below.
    pub sync_parent_group: Option<Ref>,
    /// Mappings that shape users.
    pub property_mappings: Vec<Ref>,
    /// Mappings that shape groups.
    pub property_mappings_group: Vec<Ref>,
    /// Reads memberships from the users, as in `memberOf`, and not from the groups (2025.4).
    pub lookup_groups_from_user: bool,
    /// Deletes users and groups here that the directory does not have any more (2025.6). A filter that is changed by
    /// mistake deletes as well.
    pub delete_not_found_objects: bool,
}

impl Default for LdapSource {
    fn default() -> Self {
        LdapSource {
            name: String::new(),
            slug: String::new(),
            enabled: true,
            authentication_flow: None,
            enrollment_flow: None,
            policy_engine_mode: EngineMode::Any,
            user_matching_mode: UserMatchingMode::Identifier,
            user_path_template: USER_PATH_TEMPLATE.to_owned(),
            icon: None,
            server_uri: String::new(),
            peer_certificate: None,
            client_certificate: None,
            bind_cn: String::new(),
            bind_password: SecretText::default(),
            start_tls: false,
            sni: false,
            base_dn: String::new(),
            additional_user_dn: String::new(),
            additional_group_dn: String::new(),
            user_object_filter: "(objectClass=person)".to_owned(),
            group_object_filter: "(objectClass=group)".to_owned(),
            group_membership_field: "member".to_owned(),
            user_membership_attribute: "distinguishedName".to_owned(),
            object_uniqueness_field: "objectSid".to_owned(),
            password_login_update_internal_password: false,
            sync_users: true,
            sync_users_password: true,
            sync_groups: true,
            sync_parent_group: None,
            property_mappings: Vec::new(),
            property_mappings_group: Vec::new(),
            lookup_groups_from_user: false,
            delete_not_found_objects: false,
        }
    }
}

impl Kind for LdapSource {
    const NAME: &'static str = "authentik_sources_ldap.ldapsource";
    const TITLE: &'static str = "LDAP source";
    const FAMILIES: &'static [Family] = &[Family::Source, Family::BindingTarget];
    const KEYS: &'static [Key] = &[
        Key::in_family(&["slug"], Family::Source),
        Key::in_family(&["name"], Family::Source),
        Key::at_most_one(&["sync_users_password"]),
    ];
    const REQUIRED: &'static [&'static str] = &["name", "slug", "server_uri", "base_dn"];
    const REFERENCES: &'static [Reference] = &[
        Reference::one("authentication_flow", "authentik_flows.flow"),
        Reference::one("enrollment_flow", "authentik_flows.flow"),
        // Clearing would silently accept any server.
        Reference::one("peer_certificate", "authentik_crypto.certificatekeypair").protect(),
        Reference::one("client_certificate", "authentik_crypto.certificatekeypair"),
        Reference::one("sync_parent_group", "authentik_core.group"),
        Reference::many("property_mappings", "authentik_sources_ldap.ldapsourcepropertymapping"),
        Reference::many("property_mappings_group", "authentik_sources_ldap.ldapsourcepropertymapping"),
    ];
    const CHANGES: &'static [Change] = &[
        Change::Renamed { from: "user_property_mappings", to: "property_mappings", release: "2024.8" },
        Change::Renamed { from: "group_property_mappings", to: "property_mappings_group", release: "2024.8" },
    ];
    const READ_ONLY: &'static [&'static str] = &["managed", "connectivity"];

    fn check(&self, report: &mut Report) {
        for uri in self.server_uri.split(',').map(str::trim) {
            if !uri.starts_with("ldap://") && !uri.starts_with("ldaps://") {
                report.error(
                    "server_uri",
                    format!("`{uri}` is no URL of an LDAP server; write it like ldaps://directory.example.com"),
                );
            } else if self.start_tls && uri.starts_with("ldaps://") {
                report.warn("start_tls", format!("`{uri}` is encrypted from the start; use it with ldap:// URLs only"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_of_the_list_is_judged() {
        let source = LdapSource {
            server_uri: "ldap://a.example.com, ldaps://b.example.com,c.example.com".to_owned(),
            start_tls: true,
            ..LdapSource::default()
        };
        let mut report = Report::default();
        source.check(&mut report);
        let found: Vec<_> = report.findings.iter().map(|finding| (finding.field, finding.refuses)).collect();
        assert_eq!(found, [("start_tls", false), ("server_uri", true)]);
    }
}
