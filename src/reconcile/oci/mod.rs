//! Fetches the blueprint of an artifact from an OCI registry (spec blueprints §16).
//!
//! What is taken is the last layer of the blueprint media type. Unlike the reference system, an artifact can be named by
//! its digest, and manifest and layer must have the digests that they are named by.

mod reference;
mod registry;

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest, Sha256};

use self::{
    reference::{Reference, is_digest},
    registry::Registry,
};
use super::content::{Budget, Content, FetchError, FetchReason, Revision, SourceFile};
use crate::{base::egress::Egress, model::SecretText};

/// The media type of a layer that is a blueprint.
pub const LAYER: &str = "application/vnd.goauthentik.blueprint.v1+yaml";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Largest manifest, as registries limit them.
const MAX_MANIFEST: u64 = 4 << 20;
/// The annotation that names the file of a layer.
const TITLE: &str = "org.opencontainers.image.title";
/// The file's name when the artifact does not say one.
const FILE: &str = "blueprint.yaml";

/// Where an artifact is and as whom to ask for it.
#[derive(Clone, Default)]
pub struct Origin {
    /// `oci://[user:password@]host[:port]/repository[:tag][@sha256:digest]`.
    pub reference: String,
    /// Account; when empty, the one in the reference, or none.
    pub username: String,
    /// Password or token of the account.
    pub password: Option<SecretText>,
    /// Certificates, as PEM, of the authorities to trust besides the system's.
    pub ca_certificate: String,
    /// Whether registries of this machine are asked without TLS.
    pub allow_plain: bool,
    /// Which hosts may be reached; the registry may send to further ones for tokens and blobs.
    pub egress: Egress,
}

/// Fetches the artifact; nothing when it is the revision `last` still, which only costs the manifest, or not even that
/// when the reference has a digest.
///
/// Of the budget, time, received bytes and the size of the content count.
///
/// # Errors
/// Why the content is not to be had, without any credential.
pub async fn fetch(origin: &Origin, budget: &Budget, last: Option<&Revision>) -> Result<Option<Content>, FetchError> {
    let reference = Reference::parse(&origin.reference, origin.allow_plain)?;
    let timed_out = || {
        let message = format!("fetching {} took longer than {} s", reference.place(), budget.time.as_secs_f32());
        FetchError::new(FetchReason::TimedOut, message)
    };
    let work = fetch_from(&reference, origin, budget, last);
    tokio::time::timeout(budget.time, work).await.unwrap_or_else(|_| Err(timed_out()))
}

async fn fetch_from(
    reference: &Reference,
    origin: &Origin,
    budget: &Budget,
    last: Option<&Revision>,
) -> Result<Option<Content>, FetchError> {
    let is_last = |digest: &str| last.is_some_and(|last| last.digest == digest);
    if reference.digest.as_deref().is_some_and(is_last) {
        return Ok(None);
    }
    let password = origin.password.as_ref().map(|password| password.0.clone());
    let credentials = match (origin.username.as_str(), password) {
        ("", None) => reference.credentials.clone(),
        (user, password) => Some((user.to_owned(), password.unwrap_or_default())),
    };
    let mut registry = Registry::new(reference, credentials, origin, budget.received)?;

    let manifest = registry.get(&format!("manifests/{}", reference.wanted()), MANIFEST, MAX_MANIFEST).await?;
    let digest = digest(&manifest.body);
    let said = manifest.headers.get("docker-content-digest").and_then(|digest| digest.to_str().ok());
    for expected in [reference.digest.as_deref(), said.filter(|said| is_digest(said))].into_iter().flatten() {
        if expected != digest {
            let why = format!("sent a manifest whose digest is {digest} and not {expected}");
            return Err(registry.wrong(FetchReason::Corrupt, &why));
        }
    }
    if is_last(&digest) {
        return Ok(None);
    }
    let layer = last_layer(&registry, reference, &manifest.body)?;
    if layer.size > budget.content {
        let message =
            format!("the blueprint of {} has {} bytes, the limit is {}", reference.place(), layer.size, budget.content);
        return Err(FetchError::new(FetchReason::TooLarge, message));
    }
    let blob = registry.get(&format!("blobs/{}", layer.digest), "*/*", layer.size).await?;
    if self::digest(&blob.body) != layer.digest {
        return Err(registry.wrong(FetchReason::Corrupt, "sent a blueprint that does not have the digest of its layer"));
    }
    let path = layer.annotations.get(TITLE).filter(|title| is_file_name(title)).map_or(FILE, String::as_str);
    let name = match reference.digest {
        Some(_) => digest.clone(),
        None => format!("{}@{digest}", reference.tag),
    };
    Ok(Some(Content {
        revision: Revision { name, digest, commit: None, signer: None },
        files: vec![SourceFile { path: path.to_owned(), bytes: blob.body.into() }],
        beside: None,
    }))
}

fn digest(bytes: &[u8]) -> String {
    let digits: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{digits}")
}

/// What is read of a manifest.
#[derive(Deserialize)]
struct Manifest {
    #[serde(rename = "schemaVersion")]
    schema_version: Option<u32>,
    layers: Option<Vec<Layer>>,
    manifests: Option<serde::de::IgnoredAny>,
    errors: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Layer {
    #[serde(rename = "mediaType")]
    media_type: String,
    digest: String,
    size: u64,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

fn last_layer(registry: &Registry<'_>, reference: &Reference, body: &[u8]) -> Result<Layer, FetchError> {
    let Ok(manifest) = serde_json::from_slice::<Manifest>(body) else {
        return Err(registry.wrong(FetchReason::Corrupt, "sent a manifest that cannot be read"));
    };
    if manifest.errors.is_some() {
        return Err(registry.refusal(None, body));
    }
    if manifest.manifests.is_some() {
        let why = "has an index of several artifacts there; name one of them by its tag or digest";
        return Err(registry.wrong(FetchReason::Corrupt, why));
    }
    if manifest.schema_version != Some(2) {
        return Err(registry.wrong(FetchReason::Corrupt, "sent a manifest of an unknown version"));
    }
    let mut layers = manifest.layers.unwrap_or_default().into_iter();
    let Some(layer) = layers.rfind(|layer| layer.media_type == LAYER) else {
        let message = format!("the artifact {} has no layer of the type {LAYER}", reference.place());
        return Err(FetchError::new(FetchReason::Empty, message));
    };
    if !is_digest(&layer.digest) {
        return Err(registry.wrong(FetchReason::Corrupt, "names its layer by a digest that is not sha256"));
    }
    Ok(layer)
}

/// Whether an annotation can be the name of a blueprint file.
fn is_file_name(title: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(char::is_control);
    title.len() <= 200
        && (title.ends_with(".yaml") || title.ends_with(".yml"))
        && !title.contains('\\')
        && title.split('/').all(is_part)
}
