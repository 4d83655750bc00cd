//! Opening the database that the configuration names, with its key.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde_json::json;

use crate::{
    config::{Config, Flag},
    store::{Key, Store, StoreError, StoreOptions},
};

/// Where the database is.
#[derive(Debug, clap::Args)]
pub struct DatabaseArgs {
    /// The database: sqlite://FILE or postgres://USER:PASSWORD@HOST/NAME [default: sqlite://gatewright.db]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
}

impl DatabaseArgs {
    /// The flags that the configuration is loaded with.
    pub fn flags(&self) -> Vec<Flag> {
        self.database.iter().map(|url| Flag { name: "--database", key: "database.url", value: json!(url) }).collect()
    }
}

/// What opening may do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Only look: nothing is created.
    Look,
    /// Create and migrate what is missing.
    Prepare,
}

/// Opens the database. With [`Mode::Look`], nothing when there is none yet.
pub async fn open(config: &Config, mode: Mode) -> anyhow::Result<Option<Store>> {
    let url = &config.database.url;
    let file = sqlite_file(url);
    if mode == Mode::Look && file.as_ref().is_some_and(|file| !file.exists()) {
        return Ok(None);
    }
    let key = match configured_key(config)? {
        Some(key) => Some(key),
        None => kept_key(config, file.as_deref(), mode).await?,
    };
    let Some(key) = key else { return Ok(None) };
    let store = Store::open(url, options(config, key)).await?;
    if mode == Mode::Prepare {
        store.migrate().await?;
    } else if store.check().await?.schema_version == 0 {
        return Ok(None);
    }
    Ok(Some(store))
}

/// Opens the database that must be there; nothing is created.
pub async fn existing(config: &Config) -> anyhow::Result<Store> {
    match open(config, Mode::Look).await? {
        Some(store) => Ok(store),
        None => bail!("there is no database at {} yet; `gatewright serve` creates it", config.database.url),
    }
}

fn options(config: &Config, key: Key) -> StoreOptions {
    StoreOptions { max_connections: config.database.max_connections.get(), ..StoreOptions::new(key) }
}

/// The file of an SQLite URL.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    (path != ":memory:").then(|| PathBuf::from(path))
}

/// The file that a generated key is kept in: next to an SQLite database, else in the working directory.
pub fn key_file(database: Option<&Path>) -> PathBuf {
    database.map_or_else(|| PathBuf::from("gatewright.key"), |path| path.with_extension("key"))
}

/// The key that the configuration holds or names.
fn configured_key(config: &Config) -> anyhow::Result<Option<Key>> {
    if let Some(secret) = &config.secret_key {
        return Ok(Some(Key::of_text(secret.expose())));
    }
    let Some(path) = &config.secret_key_file else { return Ok(None) };
    let text =
        std::fs::read_to_string(path).with_context(|| format!("secret_key_file: cannot read {}", path.display()))?;
    let secret = crate::config::SecretKey::new(&text)
        .map_err(|why| anyhow::anyhow!("secret_key_file {}: {why}", path.display()))?;
    Ok(Some(Key::of_text(secret.expose())))
}

/// The key in its file. One is made for a database that is not there yet, if that may be; nothing when it may not.
async fn kept_key(config: &Config, database: Option<&Path>, mode: Mode) -> anyhow::Result<Option<Key>> {
    let url = &config.database.url;
    if url == "sqlite::memory:" {
        return Ok(Some(Key::generate()?));
    }
    let path = key_file(database);
    if let Some(key) = Key::load(&path)? {
        return Ok(Some(key));
    }
    if database.is_none_or(Path::exists) {
        // A database that belongs to a lost key must not get another one; a key that is thrown away tells.
        match Store::open(url, options(config, Key::generate()?)).await {
            Ok(store) => store.close().await,
            // Another process may have made both since.
            Err(StoreError::WrongKey { .. }) => {
                return Key::load(&path)?.map(Some).with_context(|| {
                    format!(
                        "the key of the database is missing: there is no {}; restore it, or set secret_key",
                        path.display()
                    )
                });
            }
            Err(error) => return Err(error.into()),
        }
    }
    match mode {
        Mode::Prepare => Ok(Some(Key::load_or_create(&path)?)),
        Mode::Look => Ok(None),
    }
}
