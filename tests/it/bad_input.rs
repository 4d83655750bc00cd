//! Acceptance 9: each kind of unusable file gives its own finding, and none of them keeps the others from being judged.

use std::{fs, path::Path};

use gatewright::{
    base::diagnostic::Diagnostic,
    blueprint::{
        engine::{self, Options},
        inputs::Inputs,
        load::{Labelled, Loaded},
        plan::NoSecrets,
    },
};

use crate::support::lab::Lab;

const GOOD: &str =
    "version: 1\nmetadata: {name: good}\nentries:\n- model: authentik_core.group\n  identifiers: {name: good}\n";

fn write(folder: &Path, name: &str, content: impl AsRef<[u8]>) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("the folder is made");
    fs::write(path, content).expect("the file is written");
}

/// `file code` of every finding, sorted.
fn findings(loaded: &Loaded, root: &Path, found: &[Diagnostic]) -> Vec<String> {
    let mut lines: Vec<String> = found
        .iter()
        .map(|finding| {
            let name = match (&finding.path, finding.span()) {
                (Some(path), _) => path.clone(),
                (None, Some(span)) => loaded.sources.get(span.file).name.clone(),
                (None, None) => panic!("without a place: {finding:?}"),
            };
            let name = Path::new(&name).strip_prefix(root).map_or(name.clone(), |rest| rest.display().to_string());
            format!("{name} {}", finding.code)
        })
        .collect();
    lines.sort();
    lines
}

fn judge(lab: &Lab, loaded: &mut Loaded) -> (Vec<Diagnostic>, usize) {
    loaded.arrange(&lab.model, false);
    let inputs = Inputs { lenient: true, ..Inputs::default() };
    let options = Options { offline: true, last_wins: false };
    let outcome = engine::run(loaded, &inputs, &NoSecrets, &lab.model, options).expect("the model is complete");
    (loaded.found.iter().cloned().chain(outcome.found).collect(), outcome.entries)
}

#[test]
#[cfg(unix)]
fn unusable_files_do_not_stop_the_others() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().expect("a folder");
    write(outside.path(), "secret.yaml", "version: 1\nentries: [password]\n");
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();

    write(root, "good.yaml", GOOD);
    write(root, "deep/er/also-good.yml", GOOD.replace("good", "also good"));
    write(root, "twin-a.yaml", "version: 1\nmetadata: {name: twin}\nentries: []\n");
    write(root, "twin-b.yaml", "version: 1\nmetadata: {name: twin}\nentries: []\n");
    write(root, "bom.yaml", format!("\u{feff}{}", GOOD.replace("good", "bom")));
    write(root, "crlf.yaml", GOOD.replace("good", "crlf").replace('\n', "\r\n"));
    write(root, "label.yaml", "version: 1\nmetadata:\n  name: label\n  labels:\n    a: true\nentries: []\n");
    write(root, "list.yaml", "- a\n- b\n");
    write(root, "scalar.yaml", "just text\n");
    write(root, "empty.yaml", "");
    write(root, "brace.yaml", "{");
    write(root, "two.yaml", "version: 1\n---\nversion: 1\n");
    write(root, "version.yaml", "version: 3\n");
    write(root, "bomb.yaml", fs::read(corpus("bomb-aliases.yaml")).expect("the corpus"));
    write(root, "nested.yaml", fs::read(corpus("deep-brackets.yaml")).expect("the corpus"));
    write(root, "latin.yaml", b"version: 1\n# caf\xe9\n");
    write(root, "nul.yaml", "version: 1\n\0");
    write(root, "large.yaml", vec![b'#'; (16 << 20) + 1]);
    write(root, ".hidden.yaml", "{");
    write(root, ".git/config.yaml", "{");
    write(root, "notes.txt", "{");
    fs::create_dir(root.join("folder.yaml")).expect("a folder");
    symlink(outside.path().join("secret.yaml"), root.join("out.yaml")).expect("a link");
    symlink("../../../../../../etc/hostname", root.join("climb.yaml")).expect("a link");
    symlink("nowhere", root.join("dangling.yaml")).expect("a link");
    symlink(".", root.join("loop")).expect("a link");
    symlink("good.yaml", root.join("zz-good-again.yaml")).expect("a link");
    let made = std::process::Command::new("mkfifo").arg(root.join("pipe.yaml")).status().expect("mkfifo");
    assert!(made.success());

    let lab = Lab::new();
    let mut loaded = Loaded::default();
    loaded.add_paths(&[root.to_path_buf()], "test", Labelled::Take);
    let (found, entries) = judge(&lab, &mut loaded);
    assert_eq!(
        findings(&loaded, root, &found),
        [
            "bom.yaml GW0005",
            "bomb.yaml GW0012",
            "brace.yaml GW0010",
            "climb.yaml GW0004",
            "crlf.yaml GW0006",
            "dangling.yaml GW0001",
            "empty.yaml GW0109",
            "label.yaml GW0104",
            "large.yaml GW0003",
            "latin.yaml GW0002",
            "list.yaml GW0101",
            "loop GW0001",
            "nested.yaml GW0012",
            "nul.yaml GW0010",
            "out.yaml GW0004",
            "pipe.yaml GW0001",
            "scalar.yaml GW0101",
            "twin-b.yaml GW0107",
            "two.yaml GW0011",
            "version.yaml GW0102",
        ]
    );
    assert_eq!(entries, 4, "good, also good, bom, crlf");
    assert!(!format!("{found:?}").contains("password"), "what a link leads to outside is not read");
    let words: Vec<&str> = found.iter().flat_map(|finding| &finding.labels).map(|label| label.text.as_str()).collect();
    assert!(words.iter().all(|text| !text.contains('\u{1b}')));
}

/// Paths that a person names: each gives a finding of its own, and files named twice are read once.
#[test]
#[cfg(unix)]
fn unusable_paths_do_not_stop_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    write(root, "good.yaml", GOOD);
    write(root, "notes.txt", GOOD.replace("good", "whatever its extension"));
    fs::create_dir(root.join("nothing")).expect("a folder");
    let paths = ["absent.yaml", "good.yaml", "./good.yaml", "nothing", "notes.txt", "."].map(|name| root.join(name));
    let lab = Lab::new();
    let mut loaded = Loaded::default();
    loaded.add_paths(&paths, "test", Labelled::Take);
    loaded.add_paths(&["/dev/null".into(), "/proc/self/mem".into()], "test", Labelled::Take);
    let (found, entries) = judge(&lab, &mut loaded);
    assert_eq!(findings(&loaded, root, &found), ["/dev/null GW0001", "/proc/self/mem GW0001", "absent.yaml GW0001"]);
    assert_eq!(entries, 2);
}

#[test]
fn a_folder_without_documents_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut loaded = Loaded::default();
    loaded.add_paths(&[folder.path().to_path_buf()], "test", Labelled::Take);
    let (found, _) = judge(&Lab::new(), &mut loaded);
    let codes: Vec<String> = found.iter().map(|finding| finding.code.to_string()).collect();
    assert_eq!(codes, ["GW0113"]);
}

fn corpus(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/fuzz").join(name)
}
