//! Arguments that name blueprints and what they may see.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use anyhow::{Context, bail};
use indexmap::IndexMap;
use serde_json::Value;
use zeroize::Zeroizing;

use super::Session;
use crate::{
    blueprint::{
        inputs::{Environment, Files, Inputs, parse_env_file},
        sops::SopsKeys,
        value::{MapKey, Val},
    },
    config::Config,
};

/// What blueprints may see, on every command that evaluates them.
#[derive(Debug, clap::Args)]
pub struct InputArgs {
    /// Give a context value, as JSON or else as text; it wins over the documents' own
    #[arg(long = "context", value_name = "KEY=VALUE", value_parser = key_value)]
    context: Vec<(String, String)>,
    /// Let !Env see the variables of this file, which has NAME=value lines
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Let !Env see variables of this process whose name matches the pattern, such as 'APP_*'
    #[arg(long, value_name = "GLOB", value_parser = glob)]
    allow_env: Vec<String>,
    /// Let !File read files below this folder as well as below the blueprints' own
    #[arg(long, value_name = "DIR")]
    allow_files: Vec<PathBuf>,
    /// Decrypt files of SOPS with the age identities of this file, instead of the one named by
    /// GATEWRIGHT_AGE_KEY_FILE or SOPS_AGE_KEY_FILE
    #[arg(long, value_name = "FILE")]
    age_key_file: Vec<PathBuf>,
}

fn key_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

fn glob(text: &str) -> Result<String, String> {
    globset::Glob::new(text).map(|_| text.to_owned()).map_err(|error| format!("{}", error.kind()))
}

impl InputArgs {
    /// The inputs of a run, from flags and configuration.
    pub fn inputs(&self, session: &Session, config: &Config) -> anyhow::Result<Inputs> {
        let mut context: IndexMap<MapKey, Val> = IndexMap::new();
        for (key, value) in &config.blueprints.context {
            context.insert(MapKey::Text(key.as_str().into()), Val::from_json(value));
        }
        for (key, text) in &self.context {
            let value = serde_json::from_str::<Value>(text).unwrap_or_else(|_| Value::String(text.clone()));
            context.insert(MapKey::Text(key.as_str().into()), Val::from_json(&value));
        }
        let mut given = BTreeMap::new();
        for path in &self.env_file {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            match parse_env_file(&text) {
                Ok(variables) => given.extend(variables),
                Err(line) => bail!("{}:{line}: write NAME=value, one a line", path.display()),
            }
        }
        let process =
            session.environment.iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
        let patterns: Vec<String> = config.blueprints.allow_env.iter().chain(&self.allow_env).cloned().collect();
        let environment =
            Environment::new(given, process, &patterns).context("blueprints.allow_env takes globs such as APP_*")?;
        let files = Files::new(config.blueprints.allow_files.iter().chain(&self.allow_files).cloned());
        let sops = Arc::new(self.sops_keys(session)?);
        Ok(Inputs { context, environment, files, sops, ..Inputs::default() })
    }

    /// The keys for encrypted documents.
    fn sops_keys(&self, session: &Session) -> anyhow::Result<SopsKeys> {
        let named = ["GATEWRIGHT_AGE_KEY_FILE", "SOPS_AGE_KEY_FILE"].iter();
        let named = named.filter_map(|name| session.environment.get(name)).find(|path| !path.is_empty());
        let paths = match self.age_key_file.as_slice() {
            [] => named.map(PathBuf::from).into_iter().collect(),
            given => given.to_vec(),
        };
        let mut keys = SopsKeys::default();
        for path in paths {
            let text = std::fs::read_to_string(&path).map(Zeroizing::new);
            let text = text.with_context(|| format!("cannot read {}", path.display()))?;
            match SopsKeys::parse(&text) {
                Ok(more) => keys.append(more),
                Err(line) => bail!("{}:{line}: write age identities (AGE-SECRET-KEY-1…), one a line", path.display()),
            }
        }
        Ok(keys)
    }
}
