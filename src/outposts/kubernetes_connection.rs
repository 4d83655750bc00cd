//! The kind `authentik_outposts.kubernetesserviceconnection`: a Kubernetes cluster that outposts run on.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Family, Key, Kind, Report, SecretJson};

/// How to reach a Kubernetes cluster on which outposts are to run.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KubernetesConnection {
    /// Name by which outposts and people choose the connection, unique.
    #[schemars(length(min = 1))]
    pub name: String,
    /// Uses the cluster that the server runs in, by its service account.
    pub local: bool,
    /// The `kubeconfig` of the cluster; its current context is used. May only be empty with `local`.
    #[schemars(with = "SecretJson")]
    pub kubeconfig: Option<SecretJson>,
    /// Whether the certificate of the cluster's API must be valid.
    pub verify_ssl: bool,
}

impl Default for KubernetesConnection {
    fn default() -> Self {
        KubernetesConnection { name: String::new(), local: false, kubeconfig: None, verify_ssl: true }
    }
}

impl Kind for KubernetesConnection {
    const NAME: &'static str = "authentik_outposts.kubernetesserviceconnection";
    const TITLE: &'static str = "Kubernetes connection";
    const FAMILIES: &'static [Family] = &[Family::OutpostConnection];
    const KEYS: &'static [Key] = &[Key::of(&["name"])];
    const REQUIRED: &'static [&'static str] = &["name"];

    // A stored kubeconfig is present but empty here, so only an absent one can be told apart.
    fn check(&self, report: &mut Report) {
        if !self.local && self.kubeconfig.is_none() {
            report.error("kubeconfig", "is missing; give the cluster's kubeconfig, or set local to true");
        }
    }
}
