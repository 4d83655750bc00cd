//! People, groups, applications, brands and what else the server runs on: one kind in one file. [`membership`] says which
//! groups somebody belongs to, [`bearer`] who shows a token.

pub mod application;
pub mod application_entitlement;
pub mod attempts;
pub mod avatar;
pub mod bearer;
pub mod blueprint_instance;
pub mod brand;
pub mod certificate_key_pair;
mod engine_mode;
pub mod event;
pub mod events;
pub mod group;
pub mod initial_permissions;
pub mod license;
pub mod membership;
pub mod meta_apply_blueprint;
pub mod notification;
pub mod notification_rule;
pub mod notification_transport;
pub mod notification_webhook_mapping;
pub mod object_permission;
pub mod person;
pub mod place;
pub mod role;
pub mod schedule;
pub mod sessions;
pub mod tenant_domain;
pub mod token;
pub mod user;
pub mod visit;
pub mod world;
pub mod write;

pub use engine_mode::EngineMode;

use crate::{base::timestamp, model::Report};

/// Refuses a field that holds a text which is no point in time.
fn check_timestamp(report: &mut Report, field: &'static str, value: Option<&str>) {
    if let Some(text) = value
        && timestamp::parse(text).is_none()
    {
        report.error(field, format!("{text:?} is not a point in time; write it as 2030-12-31T23:59:59Z"));
    }
}

/// Refuses global permissions that are not of the form `app.codename`.
fn check_permissions(report: &mut Report, permissions: &[String]) {
    for permission in permissions {
        let well_formed = permission.split_once('.').is_some_and(|(app, codename)| {
            !app.is_empty() && !codename.is_empty() && !codename.contains('.') && !permission.contains(' ')
        });
        if !well_formed {
            report.error(
                "permissions",
                format!("{permission:?} is not a permission; write it as app.codename, as in authentik_core.view_user"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::Kind;

    /// What a kind finds in an object: the fields, with `!` where it is refused.
    fn findings<K: Kind>(object: &Value) -> Vec<String> {
        let kind: K = serde_json::from_value(object.clone()).expect("the object fits the kind");
        let mut report = Report::default();
        kind.check(&mut report);
        report.findings.iter().map(|found| format!("{}{}", found.field, if found.refuses { "!" } else { "" })).collect()
    }

    #[test]
    fn whole_objects_are_judged() {
        type Judge = fn(&Value) -> Vec<String>;
        let pem = |label: &str| format!("-----BEGIN {label}-----\nMIIB\n-----END {label}-----\n");
        let (certificate, key) = (pem("CERTIFICATE"), pem("PRIVATE KEY"));
        let ec_key = pem("EC PARAMETERS") + &pem("EC PRIVATE KEY");
        let user: Judge = findings::<user::User>;
        let token: Judge = findings::<token::Token>;
        let pair: Judge = findings::<certificate_key_pair::CertificateKeyPair>;
        let transport: Judge = findings::<notification_transport::NotificationTransport>;
        let instance: Judge = findings::<blueprint_instance::BlueprintInstance>;
        let application: Judge = findings::<application::Application>;
        let table: Vec<(Judge, Value, &[&str])> = vec![
            (user, json!({"path": "users/staff", "email": "a.b+c@example.com"}), &[]),
            (user, json!({"path": "/users"}), &["path!"]),
            (user, json!({"path": "users//staff"}), &["path!"]),
            (user, json!({"type": "internal_service_account"}), &["type!"]),
            (user, json!({"email": "a@b\nBcc: c@d"}), &["email!"]),
            (user, json!({"permissions": ["authentik_core.view_user", "view_user"]}), &["permissions!"]),
            (token, json!({"intent": "app_password", "expires": "2030-01-01T00:00:00Z"}), &[]),
            (token, json!({"intent": "recovery"}), &["intent!"]),
            (token, json!({"expires": "soon"}), &["expires!"]),
            (token, json!({"expiring": false, "expires": "2030-01-01T00:00:00Z"}), &["expires"]),
            (pair, json!({"certificate_data": certificate}), &[]),
            (pair, json!({"certificate_data": certificate, "key_data": key}), &[]),
            (pair, json!({"certificate_data": certificate, "key_data": ec_key}), &[]),
            (pair, json!({"certificate_data": certificate, "key_data": ""}), &[]),
            (pair, json!({"certificate_data": key, "key_data": certificate}), &["certificate_data!", "key_data!"]),
            (pair, json!({"certificate_data": certificate, "key_data": pem("ENCRYPTED PRIVATE KEY")}), &["key_data!"]),
            (transport, json!({"mode": "email"}), &[]),
            (transport, json!({"mode": "webhook"}), &["webhook_url!"]),
            (transport, json!({"mode": "webhook_slack", "webhook_url": "https://example.com/hook"}), &[]),
            (transport, json!({"mode": "webhook", "webhook_url": "file:///etc/passwd"}), &["webhook_url!"]),
            (instance, json!({}), &["path!"]),
            (instance, json!({"path": "oci://ghcr.io/example/blueprints:latest"}), &[]),
            (instance, json!({"path": "../secrets.yaml"}), &["path!"]),
            (instance, json!({"path": "a.yaml", "content": "version: 1"}), &["content"]),
            (application, json!({"meta_launch_url": "https://example.com/%(username)s"}), &[]),
            (application, json!({"meta_launch_url": " Java\tScript:alert(1)"}), &["meta_launch_url!"]),
            (findings::<brand::Brand>, json!({"domain": "https://login.example.com"}), &["domain!"]),
            (findings::<notification_rule::NotificationRule>, json!({}), &["group"]),
        ];
        for (judge, object, expected) in table {
            assert_eq!(judge(&object), expected, "{object}");
        }
    }
}
