//! From paths to documents: finding files, reading them safely, parsing each on its own.
//!
//! A file that cannot be used gives a diagnostic and never stops the others.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    document::Document,
    inputs::{Folder, GivenFile, ReadBeside},
    meta, planfile, secrecy,
    sops::{self, FileKey, SopsKeys},
    yaml::{self, Data, Node},
};
use crate::{
    base::diagnostic::{Code, Diagnostic, FileId, Sources, Span},
    model::Model,
};

/// Largest document.
pub const MAX_BYTES: u64 = 16 << 20;

/// The documents of a run, with the texts that their spans point into.
#[derive(Default)]
pub struct Loaded {
    /// Texts.
    pub sources: Sources,
    /// Documents in the order in which ties are broken.
    pub documents: Vec<Document>,
    /// For each document, the folder that `!File` may read from.
    pub folders: Vec<Option<Folder>>,
    /// Findings about files and structure.
    pub found: Vec<Diagnostic>,
    /// Keys for files that are encrypted by SOPS.
    sops: Arc<SopsKeys>,
    with_bom: BTreeSet<FileId>,
    encrypted: BTreeSet<FileId>,
    /// The trees of all texts that could be parsed, until their secrets are hidden.
    trees: Vec<Arc<Node>>,
    /// Where each text comes from.
    texts: Vec<Text>,
    /// Number of files that were looked at, usable or not.
    files: usize,
}

/// Where a text comes from, so that somebody else can be given it as it was read here.
pub struct Text {
    /// Its place in the table of texts, which also knows its name and what it says.
    pub file: FileId,
    /// Path in its source.
    pub path: String,
    /// The folder that its `!File` may read from.
    pub folder: Option<Folder>,
    /// What its label may do.
    pub labelled: Labelled,
}

/// What a document names that lies outside of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mention<'a> {
    /// A variable of the environment, by name.
    Variable(&'a str),
    /// A file, by its path as written.
    File(&'a str),
}

/// What to do with files whose label says that they are not to be applied by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Labelled {
    /// Take them like all others.
    Take,
    /// Leave them out when they were found in a folder.
    SkipInFolders,
}

impl Loaded {
    /// Nothing yet, with the keys for documents that are encrypted.
    pub fn with_keys(sops: Arc<SopsKeys>) -> Loaded {
        Loaded { sops, ..Loaded::default() }
    }

    /// Adds files and folders given by a person. `source` is the name under which ownership is recorded.
    pub fn add_paths(&mut self, paths: &[PathBuf], source: &str, labelled: Labelled) {
        let mut seen = BTreeSet::new();
        let before = self.documents.len() + self.found.len();
        for path in paths {
            if path.is_dir() {
                self.add_folder(path, source, labelled, &mut seen);
            } else {
                let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                let folder = path.parent().map(|folder| match folder.as_os_str().is_empty() {
                    true => PathBuf::from("."),
                    false => folder.to_path_buf(),
                });
                self.add_file(path, &name, folder, source, Labelled::Take, &mut seen);
            }
        }
        if self.documents.len() + self.found.len() == before {
            let names: Vec<String> = paths.iter().map(|path| path.display().to_string()).collect();
            self.found.push(
                Diagnostic::new(
                    Code::NO_DOCUMENTS,
                    format!("there is no *.yaml or *.yml file in {}", names.join(", ")),
                )
                .in_file(names.join(", ")),
            );
        }
    }

    /// Number of files that were looked at, usable or not.
    pub fn files(&self) -> usize {
        self.files
    }

    /// Every text that was read, whether a document came of it or not, in the order of the files.
    pub fn texts(&self) -> &[Text] {
        &self.texts
    }

    /// The key of a text that is encrypted by SOPS and could be decrypted, with which nothing else can be read.
    pub fn file_key(&self, text: &Text) -> Option<FileKey> {
        if !self.encrypted.contains(&text.file) {
            return None;
        }
        let root =
            yaml::parse(text.file, &self.sources.get(text.file).text, &yaml::Limits::default(), &mut Vec::new())?;
        sops::file_key(&root, &self.sops)
    }

    /// Calls `found` with each variable (`!Env`) and file (`!File`) that a text names literally, reached by an
    /// evaluation or not. To be called before the documents are arranged.
    pub fn mentioned(&self, found: &mut dyn FnMut(FileId, Mention<'_>)) {
        let mut stack: Vec<&Node> = self.trees.iter().map(|tree| &**tree).collect();
        // An alias is its node once more.
        let mut seen = HashSet::new();
        while let Some(node) = stack.pop() {
            if !seen.insert(std::ptr::from_ref(node)) {
                continue;
            }
            let name = match &node.data {
                Data::Scalar(scalar) => Some(&*scalar.text),
                Data::Sequence(items) => {
                    stack.extend(items.iter().map(|item| &**item));
                    items.first().and_then(|item| item.as_text())
                }
                Data::Mapping(pairs) => {
                    stack.extend(pairs.iter().flat_map(|(key, value)| [&**key, &**value]));
                    None
                }
            };
            match (node.tag.as_ref().map(|tag| tag.name.as_str()), name) {
                (Some("!Env"), Some(name)) => found(node.span.file, Mention::Variable(name)),
                (Some("!File"), Some(path)) => found(node.span.file, Mention::File(path)),
                _ => {}
            }
        }
    }

    /// Number of entries as written.
    pub fn entries(&self) -> usize {
        self.documents.iter().map(|document| document.entries.len()).sum()
    }

    /// Whether a file started with a byte-order mark, which its text here does not have.
    pub fn has_bom(&self, file: FileId) -> bool {
        self.with_bom.contains(&file)
    }

    /// Whether a file is encrypted, so that no text in it can be changed without breaking its seal.
    pub fn is_encrypted(&self, file: FileId) -> bool {
        self.encrypted.contains(&file)
    }

    /// Adds a text that is no file: a document stored in the database or embedded in the program.
    pub fn add_text(&mut self, name: &str, path: &str, source: &str, text: &str) {
        self.add_document(name, path, None, source, text, Labelled::Take);
    }

    /// Adds a text that somebody else has read, with what they have read for its `!File`, and its key when it is
    /// encrypted: no other key is tried.
    pub fn add_given(
        &mut self,
        [name, path, source]: [&str; 3],
        text: &str,
        files: &Arc<BTreeMap<String, GivenFile>>,
        key: Option<FileKey>,
        labelled: Labelled,
    ) {
        self.files += 1;
        let own = std::mem::replace(&mut self.sops, Arc::new(key.map(SopsKeys::of_file).unwrap_or_default()));
        self.add_bytes(name, path, Some(Folder::Given(files.clone())), source, text.as_bytes(), labelled);
        self.sops = own;
    }

    /// Adds a file of a source that was read already. `shown` is the name in messages, `path` the one in the source.
    pub fn add_held(
        &mut self,
        shown: &str,
        path: &str,
        source: &str,
        bytes: &[u8],
        beside: Option<&Arc<dyn ReadBeside>>,
    ) {
        self.files += 1;
        let folder = beside.map(|beside| Folder::Held(beside.clone()));
        self.add_bytes(shown, path, folder, source, bytes, Labelled::SkipInFolders);
    }

    fn add_folder(&mut self, root: &Path, source: &str, labelled: Labelled, seen: &mut BTreeSet<PathBuf>) {
        let canonical_root = root.canonicalize().unwrap_or_else(|_| root.to_path_buf());
        let is_hidden =
            |entry: &walkdir::DirEntry| entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
        let walk = walkdir::WalkDir::new(root).follow_links(true).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| !is_hidden(entry)) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(root).display().to_string();
                    let message = match error.loop_ancestor() {
                        Some(ancestor) => format!("a symlink leads back to {}", ancestor.display()),
                        None => format!("cannot be read: {error}"),
                    };
                    self.found.push(Diagnostic::new(Code::FILE_UNREADABLE, message).in_file(path));
                    continue;
                }
            };
            let path = entry.path();
            let is_yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
            if entry.file_type().is_dir() || !is_yaml {
                continue;
            }
            if !path.canonicalize().is_ok_and(|target| target.starts_with(&canonical_root)) {
                let message = format!("leads out of the folder {}", root.display());
                self.found.push(
                    Diagnostic::new(Code::FILE_OUTSIDE, message)
                        .in_file(path.display().to_string())
                        .help("copy the file into the folder, or name it as a path of its own"),
                );
                continue;
            }
            let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
            self.add_file(path, &relative, Some(root.to_path_buf()), source, labelled, seen);
        }
    }

    fn add_file(
        &mut self,
        path: &Path,
        relative: &str,
        folder: Option<PathBuf>,
        source: &str,
        labelled: Labelled,
        seen: &mut BTreeSet<PathBuf>,
    ) {
        if let Ok(canonical) = path.canonicalize()
            && !seen.insert(canonical)
        {
            return;
        }
        let name = path.display().to_string();
        self.files += 1;
        match read(path) {
            Ok(bytes) => self.add_bytes(&name, relative, folder.map(Folder::Disk), source, &bytes, labelled),
            Err(error) => {
                self.found
                    .push(Diagnostic::new(Code::FILE_UNREADABLE, format!("cannot be read: {error}")).in_file(name));
            }
        }
    }

    fn add_bytes(
        &mut self,
        name: &str,
        relative: &str,
        folder: Option<Folder>,
        source: &str,
        bytes: &[u8],
        labelled: Labelled,
    ) {
        if bytes.len() as u64 > MAX_BYTES {
            let found = Diagnostic::new(Code::FILE_TOO_LARGE, "is larger than 16 MiB").in_file(name);
            self.found.push(found.help("split the file"));
            return;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if planfile::is_plan_file(text) => self.found.push(
                Diagnostic::new(Code::PLAN_FILE, "this is a saved plan, not a blueprint")
                    .in_file(name)
                    .help(format!("apply it, and nothing with it, by `gatewright apply {name}`")),
            ),
            Ok(text) => self.add_document(name, relative, folder, source, text, labelled),
            Err(error) => {
                let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
                self.found.push(
                    Diagnostic::new(Code::FILE_NOT_UTF8, format!("line {line} contains bytes that are not UTF-8"))
                        .in_file(name),
                );
            }
        }
    }

    fn add_document(
        &mut self,
        name: &str,
        path: &str,
        folder: Option<Folder>,
        source: &str,
        text: &str,
        labelled: Labelled,
    ) {
        let (text, has_bom) = match text.strip_prefix('\u{feff}') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let file = self.sources.add(name, text);
        self.texts.push(Text { file, path: path.to_owned(), folder: folder.clone(), labelled });
        let first = Span::new(file, 0, 0);
        if has_bom {
            self.with_bom.insert(file);
            self.found.push(
                Diagnostic::new(Code::FILE_BOM, "the file starts with a byte-order mark, which is skipped")
                    .at(first, ""),
            );
        }
        if text.contains("\r\n") {
            self.found.push(
                Diagnostic::new(Code::FILE_CRLF, "the file has Windows line endings, which are read as plain ones")
                    .at(first, ""),
            );
        }
        let Some(root) = yaml::parse(file, text, &yaml::Limits::default(), &mut self.found) else {
            for range in secrecy::of_text(text) {
                self.sources.hide(Span::new(file, range.start, range.end));
            }
            self.sources.censor(&mut self.found);
            return;
        };
        let written = root.clone();
        let Some(root) = sops::decrypt(&root, &self.sops, &mut self.found) else { return };
        if !Arc::ptr_eq(&written, &root) {
            self.encrypted.insert(file);
        }
        self.trees.push(root.clone());
        let mut document = Document::read(file, path, source, &root, &mut self.found);
        document.full_path = name.replace('\\', "/");
        if labelled == Labelled::SkipInFolders
            && document
                .label("blueprints.goauthentik.io/instantiate")
                .is_some_and(|value| value.eq_ignore_ascii_case("false"))
        {
            self.found.push(
                Diagnostic::new(Code::FILE_SKIPPED, "this file is not applied, because a label says so").at(first, ""),
            );
            return;
        }
        self.documents.push(document);
        self.folders.push(folder);
    }

    /// Hides the secrets of all documents from every report.
    fn hide_secrets(&mut self, model: &Model) {
        for tree in std::mem::take(&mut self.trees) {
            for span in secrecy::of_document(&tree, model.registry()) {
                self.sources.hide(span);
            }
        }
        self.sources.censor(&mut self.found);
    }

    /// Brings the documents into the order in which ties are broken (by path, unless argument order is to
    /// decide), children of metaapplyblueprint entries before their parents.
    pub fn arrange(&mut self, model: &Model, argument_order: bool) {
        if !argument_order {
            let mut order: Vec<usize> = (0..self.documents.len()).collect();
            order.sort_by(|one, other| {
                let key = |at: usize| (&self.documents[at].source, &self.documents[at].full_path);
                key(*one).cmp(&key(*other))
            });
            self.reorder(&order);
        }
        self.hide_secrets(model);
        self.note_duplicate_names();
        self.reorder(&meta::order(self.documents.len(), &meta::literal(&self.documents)));
    }

    fn reorder(&mut self, order: &[usize]) {
        let mut documents: Vec<Option<Document>> = std::mem::take(&mut self.documents).into_iter().map(Some).collect();
        let folders = std::mem::take(&mut self.folders);
        for at in order {
            if let Some(document) = documents[*at].take() {
                self.documents.push(document);
                self.folders.push(folders[*at].clone());
            }
        }
    }

    fn note_duplicate_names(&mut self) {
        let mut first: HashMap<&str, &Document> = HashMap::new();
        for document in &self.documents {
            let Some(name) = &document.name else { continue };
            if let Some(other) = first.insert(name, document) {
                let place = |document: &Document| Span::new(document.file, 0, 0);
                self.found.push(
                    Diagnostic::new(Code::DUPLICATE_NAME, format!("two documents have the name `{name}`"))
                        .at(place(document), "this one")
                        .at(place(other), "and this one"),
                );
                first.insert(name, other);
            }
        }
    }
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    // Opening a named pipe would wait for its writer, so the type is looked at first, and again at the opened file.
    let regular = |metadata: std::fs::Metadata| {
        if metadata.is_file() { Ok(()) } else { Err(std::io::Error::other("is not a regular file")) }
    };
    regular(std::fs::metadata(path)?)?;
    let file = File::open(path)?;
    regular(file.metadata()?)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
