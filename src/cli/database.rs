//! Opening the database that the configuration names, with its key.

use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use crate::{
    config::{Config, Flag},
    store::{Key, Store, StoreOptions},
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
    let key = key(config, file.as_deref(), mode)?;
    let options = StoreOptions { max_connections: config.database.max_connections.get(), ..StoreOptions::new(key) };
    let store = Store::open(url, options).await?;
    if mode == Mode::Prepare {
        store.migrate().await?;
    } else if store.check().await?.schema_version == 0 {
        return Ok(None);
    }
    Ok(Some(store))
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

fn key(config: &Config, database: Option<&Path>, mode: Mode) -> anyhow::Result<Key> {
    if let Some(secret) = &config.secret_key {
        return Ok(Key::of_text(secret.expose()));
    }
    if let Some(path) = &config.secret_key_file {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("secret_key_file: cannot read {}", path.display()))?;
        let secret = crate::config::SecretKey::new(&text)
            .map_err(|why| anyhow::anyhow!("secret_key_file {}: {why}", path.display()))?;
        return Ok(Key::of_text(secret.expose()));
    }
    if config.database.url == "sqlite::memory:" {
        return Ok(Key::generate()?);
    }
    let path = key_file(database);
    match mode {
        Mode::Prepare => Ok(Key::load_or_create(&path)?),
        Mode::Look => Key::load(&path)?.with_context(|| {
            format!("the key of the database is missing: there is no {}; restore it, or set secret_key", path.display())
        }),
    }
}
