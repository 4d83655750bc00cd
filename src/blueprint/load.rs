//! From paths to documents: finding files, reading them safely, parsing each on its own.
//!
//! A file that cannot be used gives a diagnostic and never stops the others.

use std::{
    collections::{BTreeSet, HashMap},
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    document::Document,
    value::Val,
    yaml::{self, Data, Node},
};
use crate::{
    base::diagnostic::{Code, Diagnostic, FileId, Sources, Span, nearest},
    model::{KindInfo, Model},
};

/// Largest document.
pub const MAX_BYTES: u64 = 16 << 20;

/// The kind of entries that apply other blueprints.
const META_KIND: &str = "authentik_blueprints.metaapplyblueprint";

/// The documents of a run, with the texts that their spans point into.
#[derive(Default)]
pub struct Loaded {
    /// Texts.
    pub sources: Sources,
    /// Documents in the order in which ties are broken.
    pub documents: Vec<Document>,
    /// For each document, the folder that `!File` may read from.
    pub folders: Vec<Option<PathBuf>>,
    /// Findings about files and structure.
    pub found: Vec<Diagnostic>,
    /// Names under which metaapplyblueprint entries may also find documents: full paths as given.
    full_paths: Vec<String>,
    with_bom: BTreeSet<FileId>,
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
    /// Adds files and folders given by a person. `source` is the name under which ownership is recorded.
    pub fn add_paths(&mut self, paths: &[PathBuf], source: &str, labelled: Labelled) {
        let mut seen = BTreeSet::new();
        let before = self.documents.len() + self.found.len();
        for path in paths {
            if path.is_dir() {
                self.add_folder(path, source, labelled, &mut seen);
            } else {
                let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                let folder = path.parent().map(Path::to_path_buf);
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

    /// Whether a file started with a byte-order mark, which its text here does not have.
    pub fn has_bom(&self, file: FileId) -> bool {
        self.with_bom.contains(&file)
    }

    /// Adds a text that is no file: a document stored in the database or embedded in the program.
    pub fn add_text(&mut self, name: &str, path: &str, source: &str, text: &str) {
        self.add_document(name, path, None, source, text, Labelled::Take);
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
        match read(path) {
            Ok(bytes) if bytes.len() as u64 > MAX_BYTES => self.found.push(
                Diagnostic::new(Code::FILE_TOO_LARGE, "is larger than 16 MiB").in_file(name).help("split the file"),
            ),
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => self.add_document(&name, relative, folder, source, &text, labelled),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let line = error.as_bytes()[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
                    self.found.push(
                        Diagnostic::new(Code::FILE_NOT_UTF8, format!("line {line} contains bytes that are not UTF-8"))
                            .in_file(name),
                    );
                }
            },
            Err(error) => {
                self.found
                    .push(Diagnostic::new(Code::FILE_UNREADABLE, format!("cannot be read: {error}")).in_file(name));
            }
        }
    }

    fn add_document(
        &mut self,
        name: &str,
        path: &str,
        folder: Option<PathBuf>,
        source: &str,
        text: &str,
        labelled: Labelled,
    ) {
        let (text, has_bom) = match text.strip_prefix('\u{feff}') {
            Some(rest) => (rest, true),
            None => (text, false),
        };
        let file = self.sources.add(name, text);
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
            self.hide_lines(file);
            return;
        };
        let document = Document::read(file, path, source, &root, &mut self.found);
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
        self.full_paths.push(name.replace('\\', "/"));
    }

    /// Hides what stands behind a secret-looking key on each line of a text that could not be parsed.
    fn hide_lines(&mut self, file: FileId) {
        let text = self.sources.get(file).text.clone();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            if let Some((key, value)) = line.split_once(':')
                && looks_secret(key.trim_start_matches(['-', ' ', '"', '\'']))
            {
                let from = start + key.len() + 1;
                self.sources.hide(Span::new(file, from, from + value.trim_end().len()));
            }
            start += line.len();
        }
    }

    /// Hides the literal values of secret fields from every report, also where the key is mistyped.
    fn hide_secrets(&mut self, model: &Model) {
        let fields: BTreeSet<&str> =
            model.registry().kinds().flat_map(KindInfo::secret_names).map(|(field, _)| field).collect();
        let mut verdicts: HashMap<&str, bool> = HashMap::new();
        let mut spans = Vec::new();
        for document in &self.documents {
            let pairs = document.entries.iter().flat_map(|entry| entry.attrs.iter().chain(&entry.identifiers));
            for pair in pairs.filter(|pair| pair.value.tag.is_none()) {
                let hide = *verdicts.entry(&pair.key).or_insert_with(|| {
                    fields.contains(&*pair.key)
                        || looks_secret(&pair.key)
                        || !model.registry().kinds().any(|kind| kind.fields.contains_key(&*pair.key))
                            && nearest(&pair.key, fields.iter().copied()).is_some()
                });
                if hide && matches!(pair.value.data, Data::Scalar(_)) {
                    spans.push(pair.value.span);
                }
            }
        }
        for span in spans {
            self.sources.hide(span);
        }
    }

    /// Brings the documents into the order in which ties are broken (by path, unless argument order is to
    /// decide), children of metaapplyblueprint entries before their parents, and reports children that are missing or circular.
    pub fn arrange(&mut self, model: &Model, argument_order: bool) {
        if !argument_order {
            let mut order: Vec<usize> = (0..self.documents.len()).collect();
            order.sort_by(|one, other| {
                let key = |at: usize| (&self.documents[at].source, &self.full_paths[at]);
                key(*one).cmp(&key(*other))
            });
            self.reorder(&order);
        }
        self.hide_secrets(model);
        self.note_duplicate_names();
        let children: Vec<Vec<(usize, Span)>> = (0..self.documents.len()).map(|at| self.children(at, model)).collect();
        let mut visit = Visit {
            children: &children,
            done: vec![Mark::New; children.len()],
            order: Vec::new(),
            circles: Vec::new(),
        };
        for at in 0..children.len() {
            visit.go(at);
        }
        let (order, circles) = (visit.order, visit.circles);
        for span in circles {
            self.found.push(
                Diagnostic::new(
                    Code::META_CYCLE,
                    "the blueprint applied here applies this one, directly or through others",
                )
                .at(span, "closes the circle"),
            );
        }
        self.reorder(&order);
    }

    fn reorder(&mut self, order: &[usize]) {
        let mut documents: Vec<Option<Document>> = std::mem::take(&mut self.documents).into_iter().map(Some).collect();
        let folders = std::mem::take(&mut self.folders);
        let full_paths = std::mem::take(&mut self.full_paths);
        for at in order {
            if let Some(document) = documents[*at].take() {
                self.documents.push(document);
                self.folders.push(folders[*at].clone());
                self.full_paths.push(full_paths[*at].clone());
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

    /// The documents that the metaapplyblueprint entries of a document mean.
    fn children(&mut self, at: usize, model: &Model) -> Vec<(usize, Span)> {
        let mut children = Vec::new();
        let mut found = Vec::new();
        for entry in &self.documents[at].entries {
            let is_meta =
                matches!(&entry.model.data, Data::Scalar(scalar) if scalar.text.eq_ignore_ascii_case(META_KIND));
            if !is_meta {
                continue;
            }
            let span = entry.model.span;
            let mut required = true;
            let mut wanted: Option<(&Node, Vec<(String, String)>)> = None;
            for pair in &entry.attrs {
                match &*pair.key {
                    "required" => match Val::literal(&pair.value) {
                        Some(Val::Bool(truth)) => required = truth,
                        _ => found.push(
                            Diagnostic::new(Code::WRONG_TYPE, "`required` must be true or false")
                                .at(pair.value.span, ""),
                        ),
                    },
                    "identifiers" => match Val::literal(&pair.value) {
                        Some(Val::Map(map)) if !map.is_empty() => {
                            let list = map.iter().map(|(key, value)| (key.text(), value.python_str())).collect();
                            wanted = Some((&pair.value, list));
                        }
                        _ => found.push(
                            Diagnostic::new(
                                Code::WRONG_TYPE,
                                "`identifiers` must be a mapping such as `name: …` or `path: …`",
                            )
                            .at(pair.value.span, ""),
                        ),
                    },
                    other => {
                        let mut finding =
                            Diagnostic::new(Code::UNKNOWN_FIELD, format!("{META_KIND} has no attribute `{other}`"))
                                .at(pair.key_span, "unknown attribute");
                        if let Some(meant) = nearest(other, ["identifiers", "required"]) {
                            finding = finding.help(format!("did you mean `{meant}`?")).fix(
                                format!("rename it to `{meant}`"),
                                pair.key_span,
                                meant,
                            );
                        }
                        found.push(finding);
                    }
                }
            }
            let Some((node, wanted)) = wanted else {
                if !entry.attrs.iter().any(|pair| &*pair.key == "identifiers") {
                    found.push(
                        Diagnostic::new(Code::REQUIRED_FIELD, "this entry does not say which blueprint to apply")
                            .at(span, "")
                            .help("add `attrs:` with `identifiers:` and below it `name: …` or `path: …`"),
                    );
                }
                continue;
            };
            if let Some((key, _)) = wanted.iter().find(|(key, _)| !["name", "path"].contains(&key.as_str())) {
                let mut finding = Diagnostic::new(
                    Code::IDENTIFIER_FIELD,
                    format!("`{key}` is not a field by which a blueprint is found"),
                )
                .at(node.pair(key).map_or(node.span, |(key, _)| key.span), "")
                .help("blueprints are found by `name` or `path`");
                if let Some(meant) = nearest(key, ["name", "path"]) {
                    finding = finding.help(format!("did you mean `{meant}`?"));
                }
                found.push(finding);
                continue;
            }
            let child = (0..self.documents.len()).find(|other| {
                wanted.iter().all(|(key, value)| match key.as_str() {
                    "name" => self.documents[*other].name.as_ref() == Some(value),
                    _ => {
                        let full = &self.full_paths[*other];
                        self.documents[*other].path == *value || full == value || full.ends_with(&format!("/{value}"))
                    }
                })
            });
            match child {
                Some(child) => children.push((child, span)),
                None if required && !is_stored(model, &wanted) => {
                    let list: Vec<String> = wanted.iter().map(|(key, value)| format!("{key} `{value}`")).collect();
                    let mut finding = Diagnostic::new(
                        Code::META_NOT_FOUND,
                        format!("there is no blueprint with the {}", list.join(" and the ")),
                    )
                    .at(node.span, "not found");
                    let names: Vec<&str> =
                        self.documents.iter().filter_map(|document| document.name.as_deref()).collect();
                    if let Some(meant) = wanted.iter().find_map(|(_, value)| nearest(value, names.iter().copied())) {
                        finding = finding.help(format!("did you mean `{meant}`?"));
                    }
                    found.push(finding.help("give its file as well, or say `required: false`"));
                }
                None => {}
            }
        }
        self.found.append(&mut found);
        children
    }
}

/// Whether a stored blueprint instance has the wanted name or path.
fn is_stored(model: &Model, wanted: &[(String, String)]) -> bool {
    let Some(info) = model.registry().find("authentik_blueprints.blueprintinstance") else { return false };
    model
        .known_of_kind(info.index)
        .any(|object| wanted.iter().all(|(key, value)| object.text(key).as_ref() == Some(value)))
}

/// Whether a key's name says that its value is a secret.
fn looks_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["password", "passwd", "secret", "private_key", "credential", "kubeconfig"].iter().any(|word| key.contains(word))
        || matches!(key.trim(), "token" | "key" | "auth" | "keytab" | "key_data")
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

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

struct Visit<'c> {
    children: &'c [Vec<(usize, Span)>],
    done: Vec<Mark>,
    order: Vec<usize>,
    circles: Vec<Span>,
}

impl Visit<'_> {
    /// Depth-first with a stack of its own, so that no chain of documents can exhaust the real one.
    fn go(&mut self, start: usize) {
        let mut stack = vec![(start, 0)];
        while let Some((at, next)) = stack.pop() {
            if next == 0 {
                match self.done[at] {
                    Mark::Done | Mark::Open => continue,
                    Mark::New => self.done[at] = Mark::Open,
                }
            }
            match self.children[at].get(next) {
                Some((child, span)) => {
                    stack.push((at, next + 1));
                    match self.done[*child] {
                        Mark::Open => self.circles.push(*span),
                        Mark::New => stack.push((*child, 0)),
                        Mark::Done => {}
                    }
                }
                None => {
                    self.done[at] = Mark::Done;
                    self.order.push(at);
                }
            }
        }
    }
}
