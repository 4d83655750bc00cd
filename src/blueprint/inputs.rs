//! What an evaluation may see of the world outside the documents: context values, environment and files.
//!
//! Nothing is visible by default. Whoever starts a run lists what may be read, and everything that is read this
//! way is secret: it never appears in a plan, a log or a message.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::{Component, Path, PathBuf},
    sync::{Arc, Mutex},
};

use cap_std::{ambient_authority, fs::Dir};
use globset::{Glob, GlobSet, GlobSetBuilder};
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::{
    sops::SopsKeys,
    value::{MapKey, Val},
};

/// Variables that `!Env` may always see: they exist to be read by the bootstrap blueprint.
const ALWAYS_ALLOWED: [&str; 2] = ["AUTHENTIK_BOOTSTRAP_", "GATEWRIGHT_BOOTSTRAP_"];

/// Largest file that `!File` reads.
const MAX_FILE: u64 = 1 << 20;

/// The inputs of a run besides its documents and the model.
#[derive(Clone, Default)]
pub struct Inputs {
    /// Context given from outside; wins over a document's own context.
    pub context: IndexMap<MapKey, Val>,
    /// What `!Env` sees.
    pub environment: Environment,
    /// What `!File` sees.
    pub files: Files,
    /// Keys for documents that are encrypted by SOPS.
    pub sops: Arc<SopsKeys>,
    /// Only judging, not applying: what may not be read is unknown, with a warning, instead of an error.
    pub lenient: bool,
    /// Digests of every variable and file that was read, by name; part of a saved plan's preconditions.
    pub used: Arc<Mutex<BTreeMap<String, String>>>,
}

/// What asking for a variable or a file came to.
#[derive(Debug, PartialEq)]
pub enum Access<T> {
    /// Here it is.
    Found(T),
    /// It may be read but is not there; the text says why.
    Missing(String),
    /// It may not be read.
    Denied,
}

impl Inputs {
    /// What was read so far, by the names of variables and the paths of files as the documents write them.
    pub fn names_used(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let used = self.used.lock().map(|used| used.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let of = |start: &str| used.iter().filter_map(|name| name.strip_prefix(start)).map(str::to_owned).collect();
        (of("env:"), of("file:"))
    }

    /// Reads a variable and remembers its digest.
    pub fn env(&self, name: &str) -> Access<String> {
        let access = self.environment.get(name);
        self.remember("env", name, &access);
        access
    }

    /// Reads a file and remembers its digest. `folder` is the folder of the blueprint source, which is always allowed.
    pub fn file(&self, folder: Option<&Folder>, path: &str) -> Access<String> {
        let access = self.files.get(folder, path);
        self.remember("file", path, &access);
        access
    }

    fn remember(&self, what: &str, name: &str, access: &Access<String>) {
        let digest = match access {
            Access::Found(text) => blake3::hash(text.as_bytes()).to_hex().to_string(),
            Access::Missing(_) => "missing".to_owned(),
            Access::Denied => return,
        };
        if let Ok(mut used) = self.used.lock() {
            used.insert(format!("{what}:{name}"), digest);
        }
    }
}

/// The variables that `!Env` sees.
#[derive(Clone, Default)]
pub struct Environment {
    given: BTreeMap<String, String>,
    /// Variables that may be read and are known to be set nowhere.
    unset: BTreeSet<String>,
    process: BTreeMap<String, String>,
    allowed: Option<GlobSet>,
    /// Set for a source: what it lists itself.
    within: Option<GlobSet>,
}

impl Environment {
    /// An environment of variables that were listed one by one (`--env-file`), of which all are visible, and of
    /// the process's own, of which those that match a pattern are.
    ///
    /// # Errors
    /// The pattern that is no glob.
    pub fn new(
        given: BTreeMap<String, String>,
        process: BTreeMap<String, String>,
        allowed: &[String],
    ) -> Result<Environment, globset::Error> {
        let mut globs = GlobSetBuilder::new();
        for pattern in allowed {
            globs.add(Glob::new(pattern)?);
        }
        Ok(Environment { given, process, allowed: Some(globs.build()?), ..Environment::default() })
    }

    /// An environment of nothing but these variables; those without a value may be read and are not set. This process's
    /// own variables are not among them, whatever they are called.
    pub fn closed(variables: BTreeMap<String, Option<String>>) -> Environment {
        let mut environment = Environment::default();
        for (name, value) in variables {
            match value {
                Some(value) => drop(environment.given.insert(name, value)),
                None => drop(environment.unset.insert(name)),
            }
        }
        environment
    }

    /// The environment of which only what matches a pattern is visible, and nothing that was not visible before.
    ///
    /// # Errors
    /// The pattern that is no glob.
    pub fn narrowed(&self, allowed: &[String]) -> Result<Environment, globset::Error> {
        let mut globs = GlobSetBuilder::new();
        for pattern in allowed {
            globs.add(Glob::new(pattern)?);
        }
        Ok(Environment { within: Some(globs.build()?), ..self.clone() })
    }

    /// Whether a variable may be read, if it is set.
    fn allows(&self, name: &str) -> bool {
        let allowed = self.given.contains_key(name)
            || self.unset.contains(name)
            || ALWAYS_ALLOWED.iter().any(|prefix| name.starts_with(prefix))
            || self.allowed.as_ref().is_some_and(|globs| globs.is_match(name));
        allowed && self.within.as_ref().is_none_or(|globs| globs.is_match(name))
    }

    fn get(&self, name: &str) -> Access<String> {
        match (self.allows(name), self.given.get(name).or_else(|| self.process.get(name))) {
            (false, _) => Access::Denied,
            (true, Some(value)) => found_unless_empty(value),
            (true, None) => Access::Missing("is not set".to_owned()),
        }
    }
}

/// An empty variable counts as unset (spec blueprints §3.1).
fn found_unless_empty(value: &str) -> Access<String> {
    if value.is_empty() { Access::Missing("is empty".to_owned()) } else { Access::Found(value.to_owned()) }
}

/// The variables of an environment file: `NAME=value` lines, `#` comments, optional `export` and quotes.
///
/// # Errors
/// Number (from 1) of the first line that is none of these.
pub fn parse_env_file(text: &str) -> Result<BTreeMap<String, String>, usize> {
    let mut variables = BTreeMap::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(at + 1)?;
        let name = name.trim();
        let usable = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        if name.is_empty() || !name.chars().all(usable) {
            return Err(at + 1);
        }
        let value = value.trim();
        let unquoted = ['"', '\'']
            .iter()
            .find_map(|quote| value.strip_prefix(*quote).and_then(|inner| inner.strip_suffix(*quote)))
            .unwrap_or(value);
        variables.insert(name.to_owned(), unquoted.to_owned());
    }
    Ok(variables)
}

/// Where a document lies, for the files that lie beside it.
#[derive(Clone)]
pub enum Folder {
    /// A folder on disk.
    Disk(PathBuf),
    /// Files at one revision of a source.
    Held(Arc<dyn ReadBeside>),
    /// Files that somebody else has read already, by their paths as the document writes them. No other file is to be had
    /// for the document, wherever it lies.
    Given(Arc<BTreeMap<String, GivenFile>>),
}

/// What somebody else's reading of a file came to, who was allowed to read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GivenFile {
    /// Its text.
    Text(String),
    /// Why there is none.
    Missing(String),
}

/// Reads files that lie beside the blueprints at the same revision of a source.
pub trait ReadBeside: Send + Sync {
    /// Content of the regular file at `path`, relative to the source's folder; nothing when there is none. A path
    /// that leaves the folder, also through a symbolic link, has no file.
    ///
    /// # Errors
    /// Why a file that is there cannot be given, in a few words; so when it is larger than `limit` bytes.
    fn read(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>, String>;
}

/// The folders that `!File` may read from, besides the blueprint's own.
#[derive(Clone, Default)]
pub struct Files {
    allowed: BTreeSet<PathBuf>,
}

impl Files {
    /// Allows folders, given as absolute or relative to the working directory.
    pub fn new(allowed: impl IntoIterator<Item = PathBuf>) -> Files {
        Files { allowed: allowed.into_iter().collect() }
    }

    /// Of some folders those that lie in an allowed one.
    pub fn narrowed(&self, wanted: &[PathBuf]) -> Files {
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let allowed: Vec<PathBuf> = self.allowed.iter().map(|path| real(path)).collect();
        let inside = |path: &&PathBuf| allowed.iter().any(|root| real(path).starts_with(root));
        Files { allowed: wanted.iter().filter(inside).cloned().collect() }
    }

    /// Every path is opened inside a directory handle, so `..` and symlinks cannot lead out of it, also not when
    /// they change between a check and the reading.
    fn get(&self, folder: Option<&Folder>, path: &str) -> Access<String> {
        let wanted = Path::new(path);
        let mut missing = None;
        let folder = match folder {
            Some(Folder::Given(files)) => {
                return match files.get(path) {
                    Some(GivenFile::Text(text)) => Access::Found(text.clone()),
                    Some(GivenFile::Missing(why)) => Access::Missing(why.clone()),
                    None => Access::Denied,
                };
            }
            Some(Folder::Disk(folder)) => Some(folder.as_path()),
            Some(Folder::Held(held)) => {
                match read_held(held.as_ref(), path) {
                    Ok(text) => return Access::Found(text),
                    Err(why) => missing = why,
                }
                None
            }
            None => None,
        };
        let inside = folder.into_iter().chain(self.allowed.iter().map(PathBuf::as_path));
        // An empty path is the working directory, and every absolute path would seem to begin with it.
        let inside = inside.map(|root| if root.as_os_str().is_empty() { Path::new(".") } else { root });
        for root in inside {
            let relative = if wanted.is_absolute() {
                match wanted.strip_prefix(root) {
                    Ok(relative) => relative,
                    Err(_) => continue,
                }
            } else if wanted.components().any(|part| part == Component::ParentDir) {
                continue;
            } else {
                wanted
            };
            match read_inside(root, relative) {
                Ok(text) => return Access::Found(text.trim().to_owned()),
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && escapes(root, relative) => {}
                Err(error) => missing = Some(error.to_string()),
            }
        }
        missing.map_or(Access::Denied, Access::Missing)
    }
}

/// A file beside the document, or why there is none, if it is for the document to have.
fn read_held(held: &dyn ReadBeside, path: &str) -> Result<String, Option<String>> {
    let wanted = Path::new(path);
    let climbs = wanted.components().any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
    if climbs || path.is_empty() {
        return Err(None);
    }
    let plain: Vec<_> = wanted
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => part.to_str(),
            _ => None,
        })
        .collect();
    match held.read(&plain.join("/"), MAX_FILE) {
        Ok(Some(bytes)) => match String::from_utf8(bytes) {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(_) => Err(Some("is not UTF-8".to_owned())),
        },
        Ok(None) => Err(Some("is not in the source".to_owned())),
        Err(why) => Err(Some(why)),
    }
}

fn escapes(root: &Path, relative: &Path) -> bool {
    match (std::fs::canonicalize(root), std::fs::canonicalize(root.join(relative))) {
        (Ok(root), Ok(target)) => !target.starts_with(root),
        _ => false,
    }
}

fn read_inside(root: &Path, relative: &Path) -> std::io::Result<String> {
    let file = Dir::open_ambient_dir(root, ambient_authority())?.open(relative)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(std::io::Error::other("is not a regular file"));
    }
    let mut text = String::new();
    file.take(MAX_FILE + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_FILE {
        return Err(std::io::Error::other("is larger than 1 MiB"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn only_listed_variables_are_visible() {
        let process =
            variables(&[("HOME", "/root"), ("APP_A", "1"), ("APP_EMPTY", ""), ("AUTHENTIK_BOOTSTRAP_TOKEN", "t")]);
        let environment =
            Environment::new(variables(&[("GIVEN", "g")]), process, &["APP_*".to_owned()]).expect("globs");
        assert_eq!(environment.get("GIVEN"), Access::Found("g".to_owned()));
        assert_eq!(environment.get("APP_A"), Access::Found("1".to_owned()));
        assert_eq!(environment.get("APP_EMPTY"), Access::Missing("is empty".to_owned()));
        assert_eq!(environment.get("APP_NONE"), Access::Missing("is not set".to_owned()));
        assert_eq!(environment.get("HOME"), Access::Denied);
        assert_eq!(environment.get("AUTHENTIK_BOOTSTRAP_TOKEN"), Access::Found("t".to_owned()));
    }

    #[test]
    fn env_files_are_read_line_by_line() {
        let text = "# comment\nA=1\nexport B=\"two words\"\n\nC='x'\nD=a=b\n";
        assert_eq!(parse_env_file(text), Ok(variables(&[("A", "1"), ("B", "two words"), ("C", "x"), ("D", "a=b")])));
        assert_eq!(parse_env_file("A=1\nnonsense\n"), Err(2));
    }

    /// Spec security §4.1: no spelling leads out of the allowed folders.
    #[test]
    #[cfg(unix)]
    fn no_file_outside_the_allowed_folders_is_read() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (inside, outside, blueprints) =
            (folder.path().join("in"), folder.path().join("out"), folder.path().join("bp"));
        for dir in [&inside, &outside, &blueprints] {
            std::fs::create_dir(dir).expect("folder");
        }
        std::fs::write(inside.join("ok"), "  fine\n").expect("file");
        std::fs::write(blueprints.join("own"), "own").expect("file");
        std::fs::write(outside.join("secret"), "SECRET").expect("file");
        std::os::unix::fs::symlink(outside.join("secret"), inside.join("link")).expect("link");
        std::os::unix::fs::symlink("../out/secret", inside.join("relative-link")).expect("link");
        std::os::unix::fs::symlink(&outside, inside.join("folder-link")).expect("link");
        std::os::unix::fs::symlink("ok", inside.join("inner-link")).expect("link");
        let files = Files::new([inside.clone()]);
        let blueprints = Folder::Disk(blueprints);
        let get = |path: &str| files.get(Some(&blueprints), path);
        assert_eq!(get("ok"), Access::Found("fine".to_owned()));
        assert_eq!(get("./ok"), Access::Found("fine".to_owned()));
        assert_eq!(get("inner-link"), Access::Found("fine".to_owned()));
        assert_eq!(get("own"), Access::Found("own".to_owned()));
        assert_eq!(get(inside.join("ok").to_str().expect("text")), Access::Found("fine".to_owned()));
        assert!(matches!(get("absent"), Access::Missing(_)));
        let absolute = outside.join("secret");
        let climbing = inside.join("../out/secret");
        for path in [
            "../out/secret",
            "./../out/secret",
            "x/../../out/secret",
            "link",
            "relative-link",
            "folder-link/secret",
            "/etc/passwd",
            "/proc/self/environ",
            "//etc/passwd",
            "/etc/../etc/passwd",
            "..",
            ".",
            "",
            "/",
            "/dev/zero",
            "folder-link/../../out/secret",
            "....//out/secret",
            "..\\out\\secret",
            "~/.ssh/id_rsa",
            "file:///etc/passwd",
            "%2e%2e/out/secret",
            "ok/../../out/secret",
            "own/",
            "ok/.",
            "\u{2025}/out/secret",
            "in/ok",
            absolute.to_str().expect("text"),
            climbing.to_str().expect("text"),
        ] {
            match get(path) {
                Access::Found(text) => panic!("{path} gave {text}"),
                Access::Missing(_) | Access::Denied => {}
            }
        }
    }
}
