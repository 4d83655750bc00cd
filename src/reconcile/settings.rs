//! What a source is told to do: its declaration, read out of the model.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    content::{Selection, SelectionError},
    declared,
    source::{Approval, OnDrift, directory::DirectorySource, git::GitSource, inline::InlineSource, oci::OciSource},
};
use crate::{
    base::duration,
    identity::blueprint_instance::BlueprintInstance,
    model::{Family, Kind, Object, Registry, SecretState},
    store::{Store, StoreError},
};

/// A source as the reconciler works with it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The declaring object.
    pub id: Uuid,
    /// Name; ownership and state are kept under it.
    pub name: String,
    /// Where the content comes from.
    pub origin: Origin,
    /// Whether to leave it alone.
    pub suspended: bool,
    /// Time between two looks.
    pub interval: Duration,
    /// Values for all documents.
    pub context: Map<String, Value>,
    /// Whether what is no longer declared goes.
    pub prune: bool,
    /// What to do about drift.
    pub on_drift: OnDrift,
    /// Whether plans wait for consent.
    pub approval: Approval,
    /// Most deletions in a plan.
    pub max_deleted: Option<u32>,
    /// Most deletions in a plan, in percent of what the source owns.
    pub max_deleted_percent: u8,
    /// Patterns of kinds that it may touch.
    pub allowed_kinds: Vec<String>,
    /// Names of sources that must be ready first.
    pub depends_on: Vec<String>,
    /// Variables that it may read, as patterns; none for all that the server allows.
    pub allow_env: Option<Vec<String>>,
    /// Folders that it may read; none for all that the server allows.
    pub allow_files: Option<Vec<PathBuf>>,
    /// Keys for encrypted files, one a line.
    pub age_keys: Option<Secret>,
    /// What requests to its hook must know.
    pub hook_secret: Option<Secret>,
    /// Whether what was applied is never looked at again until the content or an input changes.
    pub once: bool,
    /// Changes whenever anything of the above does.
    pub digest: String,
}

/// A secret of a source, opened.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// The secret itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// A copy that is wiped when it is dropped.
    pub fn zeroizing(&self) -> Zeroizing<String> {
        Zeroizing::clone(&self.0)
    }
}

impl From<Zeroizing<String>> for Secret {
    fn from(text: Zeroizing<String>) -> Self {
        Secret(Arc::new(text))
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(secret)")
    }
}

/// Where content comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A folder of this machine.
    Directory {
        /// The folder.
        location: PathBuf,
        /// Its files.
        selection: Selection,
    },
    /// One file of the blueprint folders, as blueprint instances name it.
    File {
        /// Path below one of the folders.
        path: String,
    },
    /// A git repository.
    Git {
        /// How the source declares it.
        declared: Box<GitSource>,
        /// Its files.
        selection: Selection,
        /// Password or token.
        password: Option<Secret>,
        /// Private key.
        private_key: Option<Secret>,
        /// Passphrase of the key.
        passphrase: Option<Secret>,
    },
    /// An artifact of an OCI registry.
    Oci {
        /// The artifact.
        reference: String,
        /// Account.
        username: String,
        /// Password of the account.
        password: Option<Secret>,
        /// Authorities to trust, as PEM.
        ca_certificate: String,
    },
    /// The blueprints that the program carries in itself.
    Shipped,
    /// A text.
    Inline {
        /// The document.
        content: String,
    },
}

impl Origin {
    /// What the origin is, in a word.
    pub fn kind(&self) -> &'static str {
        match self {
            Origin::Directory { .. } => "directory",
            Origin::File { .. } => "file",
            Origin::Git { .. } => "git",
            Origin::Oci { .. } => "oci",
            Origin::Shipped => "shipped",
            Origin::Inline { .. } => "inline",
        }
    }
}

/// A declaration that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The object is not what its kind says; it was written by another release.
    #[error("the source {name} cannot be read: {why}")]
    Unreadable {
        /// Name of the source.
        name: String,
        /// Why.
        why: String,
    },
}

/// The fields that all source kinds share, as [`source_kind`](super::source) declares them.
#[derive(serde::Deserialize)]
#[serde(default)]
struct Common {
    name: String,
    suspended: bool,
    interval: String,
    context: Map<String, Value>,
    prune: bool,
    on_drift: OnDrift,
    approval: Approval,
    max_deleted: Option<u32>,
    max_deleted_percent: u8,
    allowed_kinds: Vec<String>,
    allow_env: Vec<String>,
    allow_files: Vec<PathBuf>,
}

impl Default for Common {
    fn default() -> Self {
        let source = InlineSource::default();
        Common {
            name: source.name,
            suspended: source.suspended,
            interval: source.interval,
            context: source.context,
            prune: source.prune,
            on_drift: source.on_drift,
            approval: source.approval,
            max_deleted: source.max_deleted,
            max_deleted_percent: source.max_deleted_percent,
            allowed_kinds: source.allowed_kinds,
            allow_env: source.allow_env,
            allow_files: source.allow_files.into_iter().map(PathBuf::from).collect(),
        }
    }
}

/// Reads every declared source: those of our own kinds, then blueprint instances.
///
/// A declaration that cannot be read comes as its error, so that the others go on.
///
/// # Errors
/// When the store fails.
pub async fn all(store: &Store, registry: &Registry) -> Result<Vec<Result<Settings, SettingsError>>, StoreError> {
    let mut reader = store.read().await?;
    let mut objects = Vec::new();
    let instances = registry.find(BlueprintInstance::NAME).map(|kind| kind.index);
    for kind in registry.targets(Family::BlueprintSource.name()).into_iter().chain(instances) {
        objects.extend(reader.load_kind(registry, kind).await?);
    }
    drop(reader);
    let names: HashMap<Uuid, String> =
        objects.iter().filter_map(|object| Some((object.id, object.text("name")?))).collect();
    let mut all = Vec::with_capacity(objects.len());
    for object in &objects {
        all.push(read(store, registry, object, &names).await);
    }
    Ok(all)
}

async fn read(
    store: &Store,
    registry: &Registry,
    object: &Object,
    names: &HashMap<Uuid, String>,
) -> Result<Settings, SettingsError> {
    let kind = registry.get(object.kind).name;
    let reveal = async |field: &'static str| -> Result<Option<Secret>, SettingsError> {
        let has = object.secrets.contains_key(field);
        Ok(if has { store.reveal(object.id, field).await?.map(Secret::from) } else { None })
    };
    let digest = digest(object);
    if kind == BlueprintInstance::NAME {
        return Ok(of_instance(object.id, typed(object)?, digest));
    }
    let common: Common = typed(object)?;
    let select = |path: &str, include: &[String], exclude: &[String]| {
        Selection::new(path, include, exclude).map_err(|error: SelectionError| SettingsError::Unreadable {
            name: common.name.clone(),
            why: error.to_string(),
        })
    };
    let origin = match kind {
        DirectorySource::NAME => {
            let source: DirectorySource = typed(object)?;
            let selection = select(&source.path, &source.include, &source.exclude)?;
            Origin::Directory { location: source.location.into(), selection }
        }
        GitSource::NAME => {
            let declared: GitSource = typed(object)?;
            let selection = select(&declared.path, &declared.include, &declared.exclude)?;
            Origin::Git {
                declared: Box::new(declared),
                selection,
                password: reveal("password").await?,
                private_key: reveal("private_key").await?,
                passphrase: reveal("passphrase").await?,
            }
        }
        OciSource::NAME => {
            let source: OciSource = typed(object)?;
            Origin::Oci {
                reference: source.reference,
                username: source.username,
                password: reveal("password").await?,
                ca_certificate: source.ca_certificate,
            }
        }
        InlineSource::NAME => Origin::Inline { content: typed::<InlineSource>(object)?.content },
        other => {
            let why = format!("sources of the kind {other} are unknown to this release");
            return Err(SettingsError::Unreadable { name: common.name, why });
        }
    };
    let depends_on = object.targets("depends_on").iter().filter_map(|id| names.get(id).cloned()).collect();
    Ok(Settings {
        id: object.id,
        origin,
        suspended: common.suspended,
        interval: interval(&common.interval),
        context: common.context,
        prune: common.prune,
        on_drift: common.on_drift,
        approval: common.approval,
        max_deleted: common.max_deleted,
        max_deleted_percent: common.max_deleted_percent,
        allowed_kinds: common.allowed_kinds,
        depends_on,
        allow_env: Some(common.allow_env),
        allow_files: Some(common.allow_files),
        age_keys: reveal("age_keys").await?,
        hook_secret: reveal("hook_secret").await?,
        name: common.name,
        once: false,
        digest,
    })
}

/// A blueprint instance as a source: it takes what the server allows, reports drift and deletes only what its document
/// says is absent (spec blueprints §14).
fn of_instance(id: Uuid, instance: BlueprintInstance, digest: String) -> Settings {
    let origin = if let Some(reference) = instance.path.strip_prefix("oci://") {
        // Here, unlike in our own kind, the account may be part of the address.
        let (account, address) = reference.split_once('/').map_or((reference, ""), |(host, _)| (host, reference));
        let (username, password) =
            account.rsplit_once('@').map_or(("", ""), |(account, _)| account.split_once(':').unwrap_or((account, "")));
        let address = address.split_once('@').filter(|_| account.contains('@')).map_or(address, |(_, rest)| rest);
        Origin::Oci {
            reference: format!("oci://{address}"),
            username: username.to_owned(),
            password: (!password.is_empty()).then(|| Secret::from(Zeroizing::new(password.to_owned()))),
            ca_certificate: String::new(),
        }
    } else if instance.path.is_empty() {
        Origin::Inline { content: instance.content }
    } else {
        Origin::File { path: instance.path }
    };
    Settings {
        id,
        name: format!("blueprints/{}", instance.name),
        origin,
        suspended: !instance.enabled,
        interval: interval(""),
        context: instance.context,
        prune: false,
        on_drift: OnDrift::Report,
        approval: Approval::Automatic,
        max_deleted: None,
        max_deleted_percent: 100,
        allowed_kinds: Vec::new(),
        depends_on: Vec::new(),
        allow_env: None,
        allow_files: None,
        age_keys: None,
        hook_secret: None,
        once: false,
        digest,
    }
}

impl Settings {
    /// A source that the program itself declares: it may do everything, and never waits for anyone.
    fn own(name: &str, origin: Origin) -> Settings {
        Settings {
            id: Uuid::nil(),
            name: name.to_owned(),
            origin,
            suspended: false,
            interval: interval(""),
            context: Map::new(),
            prune: false,
            on_drift: OnDrift::Correct,
            approval: Approval::Automatic,
            max_deleted: None,
            max_deleted_percent: 100,
            allowed_kinds: vec!["*".to_owned()],
            depends_on: Vec::new(),
            allow_env: None,
            allow_files: None,
            age_keys: None,
            hook_secret: None,
            once: false,
            digest: String::new(),
        }
    }

    /// The shipped blueprints. People change what they created, so they are applied once for each release.
    pub fn shipped() -> Settings {
        Settings { once: true, ..Settings::own("shipped", Origin::Shipped) }
    }

    /// The sources that the operator declares, as the document of [`declared::document`].
    pub fn configuration(document: String) -> Settings {
        Settings { prune: true, ..Settings::own(declared::OWNER, Origin::Inline { content: document }) }
    }
}

fn typed<T: DeserializeOwned>(object: &Object) -> Result<T, SettingsError> {
    serde_json::from_value(Value::Object(object.attrs.clone())).map_err(|error| SettingsError::Unreadable {
        name: object.text("name").unwrap_or_else(|| object.id.to_string()),
        why: error.to_string(),
    })
}

fn interval(text: &str) -> Duration {
    let length = duration::microseconds(text).ok().and_then(|length| u64::try_from(length).ok());
    length.map_or(Duration::from_secs(60), |length| Duration::from_micros(length.max(1_000_000)))
}

/// Digest of everything that the object declares, secrets included.
fn digest(object: &Object) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(Value::Object(object.attrs.clone()).to_string().as_bytes());
    for (field, targets) in &object.edges {
        hasher.update(field.as_bytes());
        for target in targets {
            hasher.update(target.as_bytes());
        }
    }
    for (field, state) in &object.secrets {
        hasher.update(field.as_bytes());
        if let SecretState::Sealed(digest) = state {
            hasher.update(digest);
        }
    }
    hasher.finalize().to_hex().to_string()
}
