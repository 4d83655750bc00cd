//! The kind `authentik_outposts.outpost`: a part of the server that runs elsewhere and serves providers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{
    base::diagnostic::nearest,
    model::{Key, Kind, Ref, Reference, Report},
};

/// Marks the outpost that runs inside the server.
pub const EMBEDDED: &str = "goauthentik.io/outposts/embedded";
/// Name of the outpost that runs inside the server; it cannot be changed.
pub const EMBEDDED_NAME: &str = "authentik Embedded Outpost";

/// A part of the server that runs elsewhere, near the applications, and serves providers there.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Outpost {
    /// Name of the outpost. Containers are named after it.
    #[schemars(length(min = 1))]
    pub name: String,
    /// What the outpost serves. All its providers must be of the kind that belongs to the type.
    #[serde(rename = "type")]
    pub outpost_type: OutpostType,
    /// The providers that it serves.
    pub providers: Vec<Ref>,
    /// Where the outpost is to run; without one somebody starts it by hand.
    pub service_connection: Option<Ref>,
    /// How the outpost runs.
    pub config: OutpostConfig,
    /// Mark of objects that come with the product; `goauthentik.io/outposts/embedded` is the outpost inside the server.
    #[schemars(length(min = 1))]
    pub managed: Option<String>,
}

impl Default for Outpost {
    fn default() -> Self {
        Outpost {
            name: String::new(),
            outpost_type: OutpostType::Proxy,
            providers: Vec::new(),
            service_connection: None,
            config: OutpostConfig::default(),
            managed: None,
        }
    }
}

impl Kind for Outpost {
    const NAME: &'static str = "authentik_outposts.outpost";
    const TITLE: &'static str = "Outpost";
    const KEYS: &'static [Key] = &[Key::of(&["name"]), Key::of(&["managed"])];
    const REQUIRED: &'static [&'static str] = &["name", "type", "providers", "config"];
    const REFERENCES: &'static [Reference] = &[
        Reference::many("providers", "authentik_core.provider"),
        Reference::one("service_connection", "authentik_outposts.outpostserviceconnection"),
    ];
    const READ_ONLY: &'static [&'static str] =
        &["providers_obj", "service_connection_obj", "refresh_interval_s", "token_identifier"];

    fn check(&self, report: &mut Report) {
        if self.managed.as_deref() == Some(EMBEDDED) {
            if self.name != EMBEDDED_NAME {
                report.error("name", format!("of the embedded outpost is fixed; it must be `{EMBEDDED_NAME}`"));
            }
        } else if self.providers.is_empty() {
            report.error("providers", "is empty; only the embedded outpost may be without, name at least one provider");
        }
        let fitting = self.outpost_type.provider_kind();
        for provider in &self.providers {
            if let Some(kind) = report.kind_of(*provider).filter(|kind| *kind != fitting) {
                report.error("providers", format!("of this type of outpost are of {fitting}, but one is of {kind}"));
            }
        }
        for key in self.config.unknown.keys() {
            let known = serde_json::to_value(OutpostConfig::default()).unwrap_or_default();
            let names = known.as_object().into_iter().flatten().map(|(name, _)| name.as_str());
            let meant = nearest(key, names).map(|name| format!("; `{name}` may be meant")).unwrap_or_default();
            report.warn("config", format!("has `{key}`, which no outpost reads{meant}"));
        }
    }
}

/// What an outpost serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutpostType {
    /// Proxy providers.
    Proxy,
    /// LDAP providers.
    Ldap,
    /// RADIUS providers.
    Radius,
    /// Remote access providers.
    Rac,
}

impl OutpostType {
    /// Kind of the providers that such an outpost serves.
    fn provider_kind(self) -> &'static str {
        match self {
            OutpostType::Proxy => "authentik_providers_proxy.proxyprovider",
            OutpostType::Ldap => "authentik_providers_ldap.ldapprovider",
            OutpostType::Radius => "authentik_providers_radius.radiusprovider",
            OutpostType::Rac => "authentik_providers_rac.racprovider",
        }
    }
}

/// How an outpost runs. Keys that are left out have their defaults.
///
/// Unknown keys are kept, as the reference system does, but warned about: other releases had other keys.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OutpostConfig {
    /// URL at which the outpost reaches the server.
    pub authentik_host: String,
    /// Accepts any TLS certificate of the server; then anyone on the way can pose as the server.
    pub authentik_host_insecure: bool,
    /// URL at which browsers reach the server, if that is another.
    pub authentik_host_browser: String,
    /// Level from which the outpost logs: `trace`, `debug`, `info`, `warning` or `error`.
    pub log_level: String,
    /// Name of the containers and Kubernetes objects; `%(name)s` stands for the outpost's name, `%(uuid)s` for its id.
    pub object_naming_template: String,
    /// How often the outpost fetches its configuration if nothing tells it to, as in `minutes=5`.
    pub refresh_interval: String,
    /// Container image; without one that of the server's version.
    pub container_image: Option<String>,
    /// Docker network that the container joins.
    pub docker_network: Option<String>,
    /// Publishes the container's ports on the Docker host.
    pub docker_map_ports: bool,
    /// Labels of the container.
    pub docker_labels: Option<Map<String, Value>>,
    /// Number of pods.
    pub kubernetes_replicas: i32,
    /// Namespace of the Kubernetes objects.
    pub kubernetes_namespace: String,
    /// Annotations of the ingress.
    pub kubernetes_ingress_annotations: Map<String, Value>,
    /// Secret with the ingress's certificate.
    pub kubernetes_ingress_secret_name: String,
    /// Class of the ingress.
    pub kubernetes_ingress_class_name: Option<String>,
    /// Type of the Kubernetes service.
    pub kubernetes_service_type: String,
    /// Kubernetes objects that are not made: `secret`, `deployment`, `service`, `ingress` and so on.
    pub kubernetes_disabled_components: Vec<String>,
    /// Names of the secrets with which the image is pulled.
    pub kubernetes_image_pull_secrets: Vec<String>,
    /// JSON patches (RFC 6902) by Kubernetes object, applied before it is sent.
    pub kubernetes_json_patches: Option<Map<String, Value>>,
    /// Keys that no outpost reads.
    #[serde(flatten)]
    pub unknown: Map<String, Value>,
}

impl Default for OutpostConfig {
    fn default() -> Self {
        OutpostConfig {
            authentik_host: String::new(),
            authentik_host_insecure: false,
            authentik_host_browser: String::new(),
            log_level: "info".to_owned(),
            object_naming_template: "ak-outpost-%(name)s".to_owned(),
            refresh_interval: "minutes=5".to_owned(),
            container_image: None,
            docker_network: None,
            docker_map_ports: true,
            docker_labels: None,
            kubernetes_replicas: 1,
            kubernetes_namespace: "default".to_owned(),
            kubernetes_ingress_annotations: Map::new(),
            kubernetes_ingress_secret_name: "authentik-outpost-tls".to_owned(),
            kubernetes_ingress_class_name: None,
            kubernetes_service_type: "ClusterIP".to_owned(),
            kubernetes_disabled_components: Vec::new(),
            kubernetes_image_pull_secrets: Vec::new(),
            kubernetes_json_patches: None,
            unknown: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_embedded_outpost_has_rules_of_its_own() {
        let provider = "7c1b5a3e-7d0f-4b46-9d5a-0f6a4c1f7a11";
        for (object, expected) in [
            (json!({ "name": "edge", "providers": [provider] }), vec![]),
            (json!({ "name": "edge", "providers": [] }), vec![("providers", true)]),
            (json!({ "name": EMBEDDED_NAME, "managed": EMBEDDED }), vec![]),
            (json!({ "name": "mine", "managed": EMBEDDED }), vec![("name", true)]),
        ] {
            assert_eq!(findings(&object), expected, "{object}");
        }
    }

    #[test]
    fn a_mistyped_configuration_key_is_warned_about() {
        let outpost = json!({ "name": EMBEDDED_NAME, "managed": EMBEDDED, "config": { "docker_networks": "edge" } });
        let outpost: Outpost = serde_json::from_value(outpost).expect("unknown keys are kept");
        let mut report = Report::default();
        outpost.check(&mut report);
        let messages: Vec<&str> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, ["has `docker_networks`, which no outpost reads; `docker_network` may be meant"]);
    }

    fn findings(object: &Value) -> Vec<(&'static str, bool)> {
        let outpost: Outpost = serde_json::from_value(object.clone()).expect("an outpost");
        let mut report = Report::default();
        outpost.check(&mut report);
        report.findings.iter().map(|finding| (finding.field, finding.refuses)).collect()
    }
}
