//! The engine's first promise: whatever is applied plans to nothing afterwards.

use std::path::PathBuf;

use crate::support::lab::Lab;

/// The folder with the reference system's files, where it is at hand.
pub fn reference_data() -> Option<PathBuf> {
    let folder = match std::env::var_os("GATEWRIGHT_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
    };
    if !folder.is_dir() {
        println!("skipped: no reference data (set GATEWRIGHT_TEST_DATA to its folder)");
        return None;
    }
    Some(folder)
}

/// Issue 1, acceptance 1: default and system of both releases, each alone on an empty system and then together.
#[test]
fn stock_files_of_two_releases_plan_to_nothing_the_second_time() {
    let Some(data) = reference_data() else { return };
    for release in ["authentik-2023.3.1", "authentik-2024.6.4"] {
        let folder = |name: &str| data.join(release).join("blueprints").join(name);
        for folders in [vec![folder("default")], vec![folder("system")], vec![folder("default"), folder("system")]] {
            let mut lab = Lab::new();
            let first = lab.plan_paths(&folders);
            assert!(first.errors().is_empty(), "{}", first.report());
            assert!(first.plan.counts().create > 20, "{release}: {:?}", first.plan.counts());
            lab.commit(&first.plan);
            let second = lab.plan_paths(&folders);
            assert!(second.errors().is_empty(), "{}", second.report());
            assert!(second.plan.is_empty(), "{release} {folders:?}: {:?}", second.plan.counts());
        }
    }
}

#[test]
fn shipped_files_plan_to_nothing_the_second_time() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    let folders = [folder.join("default"), folder.join("system")];
    let mut lab = Lab::new();
    let first = lab.plan_paths(&folders);
    assert!(first.found.is_empty(), "{}", first.report());
    lab.commit(&first.plan);
    assert!(lab.plan_paths(&folders).plan.is_empty());
}
