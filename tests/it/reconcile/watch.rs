//! A watched folder: what is done to it is told, soon and not too often.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    time::{Duration, Instant},
};

use gatewright::reconcile::watch::{Options, Watch};
use tempfile::TempDir;
use tokio::sync::watch::Receiver;

/// How soon a change must be told.
const SOON: Duration = Duration::from_secs(1);

/// Only notices count: the comparison that catches what they miss is an hour away.
fn notices() -> Options {
    Options { poll: Duration::from_secs(3600), ..Options::default() }
}

fn scratch() -> TempDir {
    tempfile::tempdir().expect("temporary folder")
}

/// Whether a change is told within `time`.
fn told(changes: &mut Receiver<u64>, time: Duration) -> bool {
    let until = Instant::now() + time;
    while Instant::now() < until {
        if changes.has_changed().expect("the watch lives") {
            changes.mark_unchanged();
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

/// Lets what was done before settle, and forgets it.
fn settle(changes: &mut Receiver<u64>) {
    while told(changes, Duration::from_millis(700)) {}
}

fn save_like_an_editor(folder: &Path, name: &str, text: &str) {
    let temporary = folder.join(format!(".{name}.swp"));
    fs::write(&temporary, text).expect("write");
    fs::rename(temporary, folder.join(name)).expect("rename");
}

#[test]
fn whatever_is_done_to_a_folder_is_told_soon() {
    let scratch = scratch();
    let folder = scratch.path().join("blueprints");
    fs::create_dir(&folder).expect("folder");
    fs::write(folder.join("a.yaml"), "1").expect("write");
    let (_watch, mut changes) = Watch::start(folder.clone(), notices()).expect("watch");
    assert!(!told(&mut changes, Duration::from_millis(300)), "nothing has happened");

    type Deed<'a> = (&'a str, &'a dyn Fn());
    let at = |path: &str| folder.join(path);
    let deeds: &[Deed] = &[
        ("a file is written in place", &|| fs::write(at("a.yaml"), "2").expect("write")),
        ("a file is saved by an editor", &|| save_like_an_editor(&folder, "a.yaml", "3")),
        ("it is saved once more", &|| save_like_an_editor(&folder, "a.yaml", "4")),
        ("a new file comes", &|| fs::write(at("b.yaml"), "1").expect("write")),
        ("a file goes", &|| fs::remove_file(at("b.yaml")).expect("remove")),
        ("a folder comes with a file in it", &|| {
            fs::create_dir_all(at("deep/er")).expect("folder");
            fs::write(at("deep/er/c.yaml"), "1").expect("write");
        }),
        ("a file in the new folder is saved", &|| save_like_an_editor(&at("deep/er"), "c.yaml", "2")),
        ("the new folder gets another name", &|| fs::rename(at("deep"), at("other")).expect("rename")),
        ("a file in the renamed folder is written", &|| fs::write(at("other/er/c.yaml"), "3").expect("write")),
        ("the whole folder is replaced", &|| {
            fs::create_dir(scratch.path().join("next")).expect("folder");
            fs::write(scratch.path().join("next/a.yaml"), "5").expect("write");
            fs::rename(&folder, scratch.path().join("old")).expect("rename");
            fs::rename(scratch.path().join("next"), &folder).expect("rename");
        }),
        ("a file in the new one is written", &|| fs::write(at("a.yaml"), "6").expect("write")),
        ("the folder is deleted", &|| fs::remove_dir_all(&folder).expect("remove")),
        ("and made again", &|| {
            fs::create_dir(&folder).expect("folder");
            fs::write(at("a.yaml"), "7").expect("write");
        }),
        ("a file in it is saved", &|| save_like_an_editor(&folder, "a.yaml", "8")),
    ];
    for (name, deed) in deeds {
        settle(&mut changes);
        let start = Instant::now();
        deed();
        assert!(told(&mut changes, SOON), "{name}: not told within {:?}", start.elapsed());
    }
    // What was moved away is no longer ours, and reading is no change.
    settle(&mut changes);
    fs::write(scratch.path().join("old/a.yaml"), "9").expect("write");
    fs::write(scratch.path().join("unrelated"), "9").expect("write");
    assert_eq!(fs::read_to_string(at("a.yaml")).expect("read"), "8");
    assert!(!told(&mut changes, SOON), "nothing of the folder has changed");
}

#[test]
fn a_burst_is_told_a_few_times() {
    let scratch = scratch();
    let (_watch, changes) = Watch::start(scratch.path().to_owned(), notices()).expect("watch");
    let start = Instant::now();
    for number in 0..500 {
        save_like_an_editor(scratch.path(), "a.yaml", &number.to_string());
    }
    let took = start.elapsed();
    std::thread::sleep(SOON);
    let count = *changes.borrow();
    // Under a constant stream one in 500 ms, and one at the end.
    let allowed = took.as_millis() as u64 / 500 + 2;
    assert!((1..=allowed).contains(&count), "{count} changes were told of 500 saves in {took:?}");
}

#[test]
fn a_constant_stream_does_not_put_a_change_off_for_ever() {
    let scratch = scratch();
    let (_watch, mut changes) = Watch::start(scratch.path().to_owned(), notices()).expect("watch");
    let start = Instant::now();
    while !changes.has_changed().expect("the watch lives") {
        fs::write(scratch.path().join("a.yaml"), format!("{:?}", start.elapsed())).expect("write");
        std::thread::sleep(Duration::from_millis(20));
        assert!(start.elapsed() < SOON, "it is never quiet, so nothing is told");
    }
    changes.mark_unchanged();
}

/// The way in which Kubernetes mounts a ConfigMap or Secret, and changes it.
#[test]
fn the_swap_of_a_mounted_config_map_is_told() {
    let scratch = scratch();
    let at = |path: &str| scratch.path().join(path);
    fs::create_dir(at("..2026_01_01")).expect("folder");
    fs::write(at("..2026_01_01/a.yaml"), "1").expect("write");
    symlink("..2026_01_01", at("..data")).expect("link");
    symlink("..data/a.yaml", at("a.yaml")).expect("link");
    let (_watch, mut changes) = Watch::start(scratch.path().to_owned(), notices()).expect("watch");
    for (old, new) in [("..2026_01_01", "..2026_01_02"), ("..2026_01_02", "..2026_01_03")] {
        fs::create_dir(at(new)).expect("folder");
        fs::write(at(new).join("a.yaml"), new).expect("write");
        settle(&mut changes);
        symlink(new, at("..data_tmp")).expect("link");
        fs::rename(at("..data_tmp"), at("..data")).expect("rename");
        assert!(told(&mut changes, SOON), "the swap to {new} is not told");
        assert_eq!(fs::read_to_string(at("a.yaml")).expect("read"), new);
        fs::remove_dir_all(at(old)).expect("remove");
    }
}

/// A folder may be behind a link that deployments swap, and may come later than the server.
#[test]
fn a_folder_behind_a_link_is_told_from_before_it_is_there() {
    let scratch = scratch();
    let at = |path: &str| scratch.path().join(path);
    let (_watch, mut changes) = Watch::start(at("current/blueprints"), notices()).expect("watch");
    fs::create_dir_all(at("releases/1/blueprints")).expect("folder");
    fs::write(at("releases/1/blueprints/a.yaml"), "1").expect("write");
    settle(&mut changes);
    symlink("releases/1", at("current")).expect("link");
    assert!(told(&mut changes, SOON), "the folder came");
    settle(&mut changes);
    fs::write(at("releases/1/blueprints/a.yaml"), "2").expect("write");
    assert!(told(&mut changes, SOON), "a file in it was written");
    fs::create_dir_all(at("releases/2/blueprints")).expect("folder");
    settle(&mut changes);
    symlink("releases/2", at("next")).expect("link");
    fs::rename(at("next"), at("current")).expect("rename");
    assert!(told(&mut changes, SOON), "the link was swapped");
    settle(&mut changes);
    fs::write(at("releases/2/blueprints/a.yaml"), "3").expect("write");
    assert!(told(&mut changes, SOON), "a file behind the new link was written");
}

#[test]
fn without_notices_the_comparison_finds_changes() {
    let scratch = scratch();
    let folder = scratch.path().join("blueprints");
    let options = Options { poll: Duration::from_millis(50), notices: false, ..Options::default() };
    let (watch, mut changes) = Watch::start(folder.clone(), options).expect("watch");
    let deeds: [(&str, &dyn Fn()); 4] = [
        ("the folder comes", &|| fs::create_dir(&folder).expect("folder")),
        ("a file comes", &|| fs::write(folder.join("a.yaml"), "1").expect("write")),
        ("a file is saved with the same length", &|| save_like_an_editor(&folder, "a.yaml", "2")),
        ("the folder goes", &|| fs::remove_dir_all(&folder).expect("remove")),
    ];
    for (name, deed) in deeds {
        settle(&mut changes);
        deed();
        assert!(told(&mut changes, SOON), "{name}");
    }
    drop(watch);
    assert!(changes.has_changed().is_err(), "the thread has ended with its watch");
}
