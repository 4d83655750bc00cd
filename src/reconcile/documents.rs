//! The documents of a source: what they may see, what they have read, and what is wrong with them.

use std::{collections::BTreeMap, sync::Arc};

use indexmap::IndexMap;

use super::{content::Content, obtain, settings::Settings, surroundings::Surroundings};
use crate::{
    base::diagnostic::Diagnostic,
    blueprint::{
        inputs::Inputs,
        load::Loaded,
        sops::SopsKeys,
        value::{MapKey, Val},
    },
};

/// What the documents of a source may see: at most what the server allows.
///
/// # Errors
/// When a pattern of its allow-list is none, or a line of its age keys is no key; the text says which.
pub fn inputs(around: &Surroundings, settings: &Settings) -> Result<Inputs, String> {
    let base = &around.inputs;
    let mut context: IndexMap<MapKey, Val> = base.context.clone();
    for (key, value) in &settings.context {
        context.insert(MapKey::Text(key.as_str().into()), Val::from_json(value));
    }
    let environment = match &settings.allow_env {
        Some(patterns) => {
            let narrowed = base.environment.narrowed(patterns);
            narrowed.map_err(|error| format!("`allow_env` holds a pattern that is none: {error}"))?
        }
        None => base.environment.clone(),
    };
    let files = match &settings.allow_files {
        Some(folders) => base.files.narrowed(folders),
        None => base.files.clone(),
    };
    let sops = match &settings.age_keys {
        Some(keys) => SopsKeys::parse(keys.expose())
            .map(Arc::new)
            .map_err(|line| format!("line {line} of `age_keys` is no identity of age"))?,
        None => base.sops.clone(),
    };
    Ok(Inputs { context, environment, files, sops, ..Inputs::default() })
}

/// Digests of what was read, under the store's key, since that of a short value alone would give it away.
pub fn used(around: &Surroundings, inputs: &Inputs) -> BTreeMap<String, String> {
    let used = inputs.used.lock().map(|used| used.clone()).unwrap_or_default();
    let key = around.store.key();
    used.into_iter()
        .map(|(name, digest)| (name, blake3::Hash::from_bytes(key.digest(&digest)).to_hex().to_string()))
        .collect()
}

/// The documents of a source.
pub fn load(settings: &Settings, content: &Content, inputs: &Inputs) -> Loaded {
    let mut loaded = Loaded::with_keys(inputs.sops.clone());
    for file in &content.files {
        let shown = obtain::shown(settings, &file.path);
        loaded.add_held(&shown, &file.path, &settings.name, &file.bytes, content.beside.as_ref());
    }
    loaded
}

/// The first error with its place, and how many there are.
pub fn first_error(loaded: &Loaded, error: &Diagnostic, count: usize) -> String {
    let place = match error.labels.first() {
        Some(label) => loaded.sources.place(label.span),
        None => error.path.clone().unwrap_or_default(),
    };
    let others = if count > 1 { format!(" ({count} errors in all)") } else { String::new() };
    format!("{place}: {}: {}{others}", error.code, error.message)
}
