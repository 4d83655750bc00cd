//! Packs what a server needs to plan blueprints that lie here.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::Map;

use super::{File, Request, Show, VERSION};
use crate::{
    base::diagnostic::FileId,
    blueprint::{
        engine::{self, Options},
        inputs::{Access, Folder, GivenFile, Inputs},
        load::{Labelled, Loaded, Mention},
        plan::NoSecrets,
    },
    model::{Model, Registry},
};

/// Packs documents with what they name of variables and files, as far as `inputs` may read it.
///
/// Which these are is told by the tags as written, and by a run without any objects for names that are put together first.
/// A value is packed when a document names it, whether the server will come to need it or not; nothing else is.
pub fn gather(registry: &Arc<Registry>, loaded: &mut Loaded, inputs: &Inputs, last_wins: bool, show: Show) -> Request {
    let mut variables = BTreeSet::new();
    let mut files: BTreeMap<FileId, BTreeSet<String>> = BTreeMap::new();
    loaded.mentioned(&mut |file, mention| match mention {
        Mention::Variable(name) => drop(variables.insert(name.to_owned())),
        Mention::File(path) => drop(files.entry(file).or_default().insert(path.to_owned())),
    });
    let (more, everywhere) = used(registry, loaded, inputs, last_wins);
    variables.extend(more);

    let mut environment = BTreeMap::new();
    for name in variables {
        match inputs.env(&name) {
            Access::Found(value) => drop(environment.insert(name, Some(value))),
            Access::Missing(_) => drop(environment.insert(name, None)),
            Access::Denied => {}
        }
    }
    let mut folders: Vec<(Option<&Folder>, BTreeMap<String, GivenFile>)> = Vec::new();
    let mut packed = Vec::new();
    for text in loaded.texts() {
        let folder = text.folder.as_ref();
        let at = folders.iter().position(|(other, _)| is_same(*other, folder)).unwrap_or(folders.len());
        if at == folders.len() {
            folders.push((folder, BTreeMap::new()));
        }
        let given = &mut folders[at].1;
        for path in files.get(&text.file).into_iter().flatten().chain(&everywhere) {
            if given.contains_key(path) {
                continue;
            }
            match inputs.file(folder, path) {
                Access::Found(text) => drop(given.insert(path.clone(), GivenFile::Text(text))),
                Access::Missing(why) => drop(given.insert(path.clone(), GivenFile::Missing(why))),
                Access::Denied => {}
            }
        }
        let source = loaded.sources.get(text.file);
        packed.push(File {
            name: source.name.clone(),
            path: text.path.clone(),
            text: source.text.to_string(),
            folder: at,
            labelled: text.labelled == Labelled::SkipInFolders,
            key: loaded.file_key(text).map(|key| key.to_text().to_string()),
        });
    }
    let folders = folders.into_iter().map(|(_, given)| given).collect();
    let context: Map<_, _> = inputs.context.iter().map(|(key, value)| (key.text(), value.to_json())).collect();
    Request { version: VERSION, files: packed, folders, environment, context, lenient: inputs.lenient, last_wins, show }
}

/// The variables and files that a run reads which knows no objects.
fn used(
    registry: &Arc<Registry>,
    loaded: &mut Loaded,
    inputs: &Inputs,
    last_wins: bool,
) -> (BTreeSet<String>, BTreeSet<String>) {
    let inputs = Inputs { lenient: true, used: Arc::default(), ..inputs.clone() };
    let model = Model::empty(registry.clone());
    loaded.arrange(&model, last_wins);
    // What it comes to is for the server to say; here it matters only what was read on the way.
    let _ = engine::run(loaded, &inputs, &NoSecrets, &model, Options { offline: true, last_wins });
    inputs.names_used()
}

fn is_same(one: Option<&Folder>, other: Option<&Folder>) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(Folder::Disk(one)), Some(Folder::Disk(other))) => one == other,
        (Some(Folder::Held(one)), Some(Folder::Held(other))) => Arc::ptr_eq(one, other),
        (Some(Folder::Given(one)), Some(Folder::Given(other))) => Arc::ptr_eq(one, other),
        _ => false,
    }
}
