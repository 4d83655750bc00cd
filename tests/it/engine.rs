//! The engine's first promise: whatever is applied plans to nothing afterwards.

use std::{path::PathBuf, sync::Arc};

use gatewright::{
    blueprint::{
        apply, drive,
        engine::Options,
        inputs::Inputs,
        load::{Labelled, Loaded},
    },
    registry::registry,
    store::Store,
};

use crate::support::{database::on_each, lab::Lab};

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

/// Issue 1, acceptance 1, on real stores: applied, then planned to nothing, and a second apply writes no row.
#[tokio::test(flavor = "multi_thread")]
async fn stock_and_shipped_files_apply_once_on_both_stores() {
    let shipped = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("blueprints");
    let mut sets = vec![vec![shipped.join("default"), shipped.join("system")]];
    if let Some(data) = reference_data() {
        for release in ["authentik-2023.3.1", "authentik-2024.6.4"] {
            for folder in ["default", "system"] {
                sets.push(vec![data.join(release).join("blueprints").join(folder)]);
            }
        }
    }
    for set in sets {
        let set = &set;
        on_each(|database| async move {
            let store = database.store().await;
            let (planned, written) = apply_files(&store, set).await;
            assert!(planned > 20 && written > 20, "{set:?}: {planned} planned, {written} rows");
            assert_eq!(apply_files(&store, set).await, (0, 0), "{set:?}");
            store.close().await;
        })
        .await;
    }
}

/// Plans and commits files: changes planned and rows written.
async fn apply_files(store: &Store, paths: &[PathBuf]) -> (usize, u64) {
    let registry = Arc::new(registry().expect("the declarations agree"));
    let mut loaded = Loaded::default();
    loaded.add_paths(paths, "test", Labelled::Take);
    let planned =
        drive::plan(store, &registry, &mut loaded, &Inputs::default(), Options::default()).await.expect("plans");
    let errors = planned.outcome.found.iter().chain(&loaded.found).filter(|finding| finding.is_error()).count();
    assert_eq!(errors, 0, "{paths:?}: {:?}", planned.outcome.found);
    let plan = planned.outcome.plan;
    let run = apply::run(&plan, "test", "test");
    let committed = drive::commit(store, &registry, &plan, run, 1).await.expect("commits");
    (plan.changes.len(), committed.rows_written)
}
