//! Blueprints of a folder: what is taken, what is refused, and that it is of one moment.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use gatewright::reconcile::{
    content::{Budget, Content, FetchError, FetchReason, Selection},
    directory,
};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("temporary folder");
    for (path, text) in files {
        write(folder.path(), path, text);
    }
    folder
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().expect("parent")).expect("folder");
    fs::write(path, text).expect("write");
}

fn read(folder: &Path, inside: &str) -> Result<Content, FetchError> {
    directory::read(folder, &Selection::new(inside, &[], &[]).expect("selection"), &Budget::default())
}

fn files(content: &Content) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    content.files.iter().map(|file| (file.path.clone(), text(&file.bytes))).collect()
}

fn names(content: &Content) -> Vec<&str> {
    content.files.iter().map(|file| file.path.as_str()).collect()
}

#[test]
fn the_selected_files_are_read_in_order() {
    let folder = folder(&[
        ("deploy/b.yaml", "b"),
        ("deploy/a/x.yml", "x"),
        ("deploy/a.yaml", "a"),
        ("deploy/notes.txt", "n"),
        ("deploy/.hidden.yaml", "h"),
        ("deploy/.git/config.yaml", "g"),
        ("other/c.yaml", "c"),
    ]);
    let content = read(folder.path(), "deploy").expect("content");
    let expected = [("a.yaml", "a"), ("a/x.yml", "x"), ("b.yaml", "b")];
    assert_eq!(files(&content), expected.map(|(path, text)| (path.to_owned(), text.to_owned())));
    assert_eq!(names(&read(folder.path(), "").expect("content")).len(), 4);

    // The digest is about names and bytes, and nothing else.
    let again = read(folder.path(), "deploy").expect("content");
    assert_eq!(again.revision, content.revision);
    assert!(content.revision.name.starts_with("blake3:") && content.revision.name.len() == 19);
    write(folder.path(), "deploy/notes.txt", "other");
    write(folder.path(), "deploy/b.yaml", "b");
    assert_eq!(read(folder.path(), "deploy").expect("content").revision, content.revision);
    write(folder.path(), "deploy/b.yaml", "c");
    assert_ne!(read(folder.path(), "deploy").expect("content").revision, content.revision);
    write(folder.path(), "deploy/b.yaml", "b");
    fs::rename(folder.path().join("deploy/b.yaml"), folder.path().join("deploy/c.yaml")).expect("rename");
    assert_ne!(read(folder.path(), "deploy").expect("content").revision, content.revision);
}

#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    let folder = folder(&[("..2026_01_01/a.yaml", "1"), ("..2026_01_01/b.yaml", "1")]);
    symlink("..2026_01_01", folder.path().join("..data")).expect("link");
    for name in ["a.yaml", "b.yaml"] {
        symlink(Path::new("..data").join(name), folder.path().join(name)).expect("link");
    }
    let content = read(folder.path(), "").expect("content");
    assert_eq!(names(&content), ["a.yaml", "b.yaml"]);
    let beside = content.beside.expect("other files");
    assert_eq!(beside.read("..data/a.yaml", 10), Ok(Some(b"1".to_vec())));
}

#[test]
fn links_lead_around_inside_and_never_out() {
    let outside = folder(&[("secret.yaml", "SECRET"), ("deep/secret.yaml", "SECRET")]);
    let secret = outside.path().join("secret.yaml");
    let make = || folder(&[("a.yaml", "a"), ("shared/b.yaml", "b")]);

    let inside = make();
    symlink("shared", inside.path().join("again")).expect("link");
    symlink("..", inside.path().join("shared/round")).expect("link");
    symlink("/nowhere", inside.path().join("unrelated")).expect("link");
    symlink(&secret, inside.path().join("no-blueprint.txt")).expect("link");
    symlink(outside.path(), inside.path().join("elsewhere")).expect("link");
    // A file behind two names is taken once, under the first.
    assert_eq!(names(&read(inside.path(), "").expect("content")), ["a.yaml", "again/b.yaml"]);

    let relative = Path::new("..").join(outside.path().file_name().expect("name")).join("secret.yaml");
    for (name, target) in [("x.yaml", secret.as_path()), ("shared/x.yaml", &secret), ("x.yml", &relative)] {
        let inside = make();
        symlink(target, inside.path().join(name)).expect("link");
        let error = read(inside.path(), "").expect_err("leads out");
        assert_eq!(error.reason, FetchReason::Misconfigured, "{error}");
        assert!(error.message.contains(name) && !error.message.contains("SECRET"), "{error}");
    }

    let broken = make();
    symlink("nothing.yaml", broken.path().join("x.yaml")).expect("link");
    assert_eq!(read(broken.path(), "").expect_err("broken").reason, FetchReason::Local);

    // The folder inside the location does not lead out either.
    symlink(outside.path(), inside.path().join("out")).expect("link");
    assert_eq!(read(inside.path(), "out").expect_err("leads out").reason, FetchReason::Misconfigured);
    let again = read(inside.path(), "again").expect("content");
    assert_eq!(names(&again), ["b.yaml", "round/a.yaml"]);

    let content = read(inside.path(), "shared").expect("content");
    let beside = content.beside.expect("other files");
    assert_eq!(beside.read("b.yaml", 1), Ok(Some(b"b".to_vec())));
    assert!(beside.read("b.yaml", 0).expect_err("too large").contains("larger"));
    assert!(beside.read(".", 9).is_err());
    let absolute = inside.path().join("a.yaml");
    for path in ["", "c", "../a.yaml", "round/a.yaml", "/etc/hostname", "b.yaml/x", absolute.to_str().expect("path")] {
        assert_eq!(beside.read(path, 9), Ok(None), "{path}");
    }
}

#[test]
fn what_cannot_be_read_says_why() {
    let folder = folder(&[("a.yaml", "aaaa"), ("b.yaml", "bbbb"), ("empty/readme.md", "")]);
    let reason = |path: &Path, inside: &str, budget: Budget| {
        let selection = Selection::new(inside, &[], &[]).expect("selection");
        directory::read(path, &selection, &budget).expect_err("refused").reason
    };
    let full = Budget::default();
    assert_eq!(reason(&folder.path().join("gone"), "", full), FetchReason::SourceGone);
    assert_eq!(reason(&folder.path().join("a.yaml"), "", full), FetchReason::SourceGone);
    assert_eq!(reason(folder.path(), "gone", full), FetchReason::Empty);
    assert_eq!(reason(folder.path(), "a.yaml", full), FetchReason::Empty);
    assert_eq!(reason(folder.path(), "empty", full), FetchReason::Empty);
    assert_eq!(reason(folder.path(), "", Budget { content: 7, ..full }), FetchReason::TooLarge);
    assert_eq!(reason(folder.path(), "", Budget { files: 1, ..full }), FetchReason::TooLarge);
    assert_eq!(reason(folder.path(), "", Budget { objects: 2, ..full }), FetchReason::TooLarge);
    assert_eq!(reason(folder.path(), "", Budget { time: Duration::ZERO, ..full }), FetchReason::TimedOut);
    let exact = Budget { content: 8, files: 2, objects: 4, ..full };
    assert!(directory::read(folder.path(), &Selection::new("", &[], &[]).expect("selection"), &exact).is_ok());

    nix::unistd::mkfifo(&folder.path().join("pipe.yaml"), nix::sys::stat::Mode::S_IRWXU).expect("pipe");
    assert_eq!(reason(folder.path(), "", full), FetchReason::Misconfigured);
}

/// Two files are always written together; a reading never sees one without the other.
#[test]
fn a_reading_is_of_one_moment() {
    let folder = folder(&[]);
    let swap = |number: u32| {
        let target = format!("..{number}");
        let pair = folder.path().join(&target);
        fs::create_dir(&pair).expect("folder");
        for name in ["a.yaml", "b.yaml"] {
            fs::write(pair.join(name), number.to_string()).expect("write");
        }
        symlink(&target, folder.path().join("..data_tmp")).expect("link");
        fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).expect("rename");
        if let Some(before) = number.checked_sub(1) {
            fs::remove_dir_all(folder.path().join(format!("..{before}"))).expect("remove");
        }
    };
    for name in ["a.yaml", "b.yaml"] {
        symlink(Path::new("..data").join(name), folder.path().join(name)).expect("link");
    }
    swap(0);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1..300 {
                swap(number);
                std::thread::sleep(Duration::from_millis(2));
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut seen = 0;
        while !done.load(Ordering::Relaxed) {
            match read(folder.path(), "") {
                Ok(content) => {
                    let files = files(&content);
                    assert_eq!(files.len(), 2);
                    assert_eq!(files[0].1, files[1].1, "the files are of two moments");
                    seen += 1;
                }
                // Faster than it can be read: said, and tried again later.
                Err(error) => assert!(error.reason.may_pass(), "{error}"),
            }
        }
        assert!(seen > 0, "not one reading came through");
    });
}
