//! The n-th system call to a file or a connection fails while a revision of a source is fetched and applied: never a half
//! state, never a lost run, and the next attempt comes to its end. What `faults` is for statements, this is for everything
//! that the program does to files, the cache of a git repository and its connections.
//!
//! The test runs its own program again as the victim, under a tracer that has one call fail: [`victim`] does nothing unless
//! the environment tells it to. A few calls are tried, spread over the whole attempt; every one of them, until an attempt
//! comes to its end before the call that was to fail, with `GATEWRIGHT_EVERY_CALL=1`, which takes some ten minutes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    time::Duration,
};

use gatewright::{
    reconcile::attempt::Attempted,
    store::{Store, changeset::Outcome},
};
use serde_json::{Value, json};

use super::lab::{Lab, groups};
use crate::support::{database::options, git, tracer};

const FOLDER: &str = "GATEWRIGHT_TEST_VICTIM_FOLDER";

/// Who has not come to an end by then is taken for hanging, and killed.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many calls are tried of each attempt when not every one is.
const SAMPLES: u64 = 10;

/// The system whose database and cache are in this folder.
async fn open(folder: &Path) -> Lab {
    let url = format!("sqlite://{}", folder.join("store.db").display());
    let store = Store::open(&url, options()).await.expect("the database opens");
    store.migrate().await.expect("the schema is made");
    let mut lab = Lab::new(store);
    lab.around.cache = folder.join("cache");
    lab.around.budget.time = Duration::from_secs(10);
    lab
}

/// One attempt at the source, by a process of its own.
#[tokio::test]
#[ignore = "the victim of the tests beside it"]
async fn victim() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let mut lab = open(Path::new(&folder)).await;
    lab.around.holder = "victim".to_owned();
    // The sign for the tracer, which is the program's first call of this kind.
    let begin = Path::new(&folder).join("begin");
    std::fs::create_dir(&begin).and_then(|()| std::fs::remove_dir(&begin)).expect("a folder comes and goes");
    lab.attempt("main").await;
    lab.store.close().await;
}

async fn notes(lab: &Lab) -> BTreeMap<String, Value> {
    let groups = lab.objects("authentik_core.group").await;
    groups.into_iter().map(|(name, group)| (name, group.attrs["attributes"]["note"].clone())).collect()
}

/// A database with the old revision applied, and what the source has now.
struct Scene {
    template: tempfile::TempDir,
    before: BTreeMap<String, Value>,
    after: BTreeMap<String, Value>,
    /// Runs that applied something.
    applied: usize,
}

async fn applied_runs(lab: &Lab) -> usize {
    lab.runs("main").await.iter().filter(|run| run.run.outcome == Outcome::Applied).count()
}

impl Scene {
    /// Applies the old revision; `write` puts a revision's files where the source finds them.
    async fn new(kind: &str, attrs: Value, write: impl Fn(&str, &[(String, String)])) -> Scene {
        let files = |range: std::ops::Range<usize>, note: &str| {
            range
                .map(|file| {
                    let names: Vec<String> = (0..4).map(|group| format!("g{}", file * 4 + group)).collect();
                    let names: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), note)).collect();
                    (format!("file{file}.yaml"), groups(&names))
                })
                .collect::<Vec<_>>()
        };
        write("old", &files(0..3, "old"));
        let template = tempfile::tempdir().expect("a folder");
        let mut lab = open(template.path()).await;
        let mut all = attrs;
        all["prune"] = true.into();
        all["max_deleted_percent"] = 100.into();
        lab.declare(kind, "main", all).await;
        assert!(matches!(lab.attempt("main").await, Attempted::Applied(Some(_))));
        let (before, applied) = (notes(&lab).await, applied_runs(&lab).await);
        lab.store.close().await;
        write("new", &files(1..4, "new"));
        let after = (4..16).map(|group| (format!("g{group}"), "new".into())).collect();
        Scene { template, before, after, applied }
    }

    /// A copy of the old state, and how an attempt on it ended.
    fn attempt(&self, faulty: Option<u64>) -> (tempfile::TempDir, tracer::Broken) {
        let folder = tempfile::tempdir().expect("a folder");
        for file in ["store.db", "store.db-wal"] {
            let from = self.template.path().join(file);
            if from.exists() {
                std::fs::copy(from, folder.path().join(file)).expect("a copy");
            }
        }
        // A cache as an earlier attempt left it, so that this one adds to it.
        copy_folder(&self.template.path().join("cache"), &folder.path().join("cache"));
        let mut command = Command::new(std::env::current_exe().expect("a path"));
        command.args(["reconcile::broken_calls::victim", "--exact", "--ignored", "--quiet", "--test-threads=1"]);
        command.env(FOLDER, folder.path()).env("PATH", std::env::var_os("PATH").unwrap_or_default());
        let ended = tracer::run_broken(&command, faulty, PATIENCE);
        (folder, ended)
    }

    async fn survives(&self, what: &str) {
        let (folder, whole) = self.attempt(None);
        assert_eq!(whole.code, Some(0), "without a fault it goes through");
        let lab = open(folder.path()).await;
        assert_eq!(notes(&lab).await, self.after, "without a fault it comes to the new state");
        lab.store.close().await;

        let every = std::env::var("GATEWRIGHT_EVERY_CALL").as_deref() == Ok("1");
        let stride = if every { 1 } else { whole.calls.div_ceil(SAMPLES).max(1) };
        let (mut old, mut new, mut hung, mut tried) = (0, 0, 0, BTreeSet::new());
        // The number of calls differs by a few from one attempt to the next, so the end is where none fails any more.
        for faulty in (1 + stride / 2..).step_by(usize::try_from(stride).expect("a small number")) {
            let (folder, ended) = self.attempt(Some(faulty));
            let told = format!("{what}: call {faulty} of about {}: {ended:?}", whole.calls);
            let was_new = self.is_whole(folder.path(), &told).await;
            let Some(failed) = ended.failed else {
                assert!(was_new && ended.code == Some(0), "{told}");
                break;
            };
            old += usize::from(!was_new);
            new += usize::from(was_new);
            hung += usize::from(ended.code.is_none());
            tried.insert(failed.split(' ').next().unwrap_or_default().to_owned());
        }
        println!(
            "{what}: {} calls; {old} faults left the old state, {new} the new one, {hung} hung; calls {tried:?}",
            whole.calls
        );
        assert!(old > 0 && new > 0, "{what}: {old} faults left the old state, {new} the new one");
        assert!(tried.len() > if every { 10 } else { 3 }, "{tried:?}");
    }

    /// The state is the old or the new one, what was written has its run, the change log is intact, and the next attempt,
    /// of another process and later, comes to the new state. Gives whether that was there already.
    async fn is_whole(&self, folder: &Path, told: &str) -> bool {
        let mut lab = open(folder).await;
        let found = notes(&lab).await;
        let is_new = found == self.after;
        assert!(is_new || found == self.before, "{told}: half a state: {found:?}");
        assert_eq!(applied_runs(&lab).await, self.applied + usize::from(is_new), "{told}");
        assert!(lab.store.verify_audit().await.expect("the log").fault.is_none(), "{told}");
        lab.around.holder = "two".to_owned();
        lab.pass(Duration::from_secs(60));
        let attempted = lab.attempt("main").await;
        assert!(matches!(attempted, Attempted::Applied(_) | Attempted::Unchanged), "{told}: then {attempted:?}");
        assert_eq!(notes(&lab).await, self.after, "{told}");
        assert!(lab.state("main").await.is_ready(), "{told}");
        assert_eq!(applied_runs(&lab).await, self.applied + 1, "{told}: one run for the revision");
        assert!(lab.store.verify_audit().await.expect("the log").fault.is_none(), "{told}");
        lab.store.close().await;
        is_new
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().filter_map(Result::ok) {
        let target = to.join(entry.path().strip_prefix(from).expect("it is inside"));
        if entry.file_type().is_dir() {
            std::fs::create_dir_all(target).expect("a folder");
        } else {
            std::fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_for_a_repository_may_fail() {
    if !git::programs(&["git"]) {
        return;
    }
    let repository = git::Lab::new();
    repository.git(&["rm", "--quiet", "app.yaml"]);
    let (_server, origin) = git::daemon(&repository);
    let scene = Scene::new("git", json!({ "url": origin.url, "branch": "main" }), |note, files| {
        repository.git(&["rm", "-r", "--quiet", "--ignore-unmatch", "."]);
        files.iter().for_each(|(path, text)| repository.write(path, text));
        repository.commit(note);
    });
    scene.await.survives("git").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_for_a_folder_may_fail() {
    let folder = tempfile::tempdir().expect("a folder");
    let scene = Scene::new("directory", json!({ "location": folder.path() }), |_, files| {
        for old in std::fs::read_dir(folder.path()).expect("its files") {
            std::fs::remove_file(old.expect("a file").path()).expect("it goes");
        }
        files.iter().for_each(|(path, text)| std::fs::write(folder.path().join(path), text).expect("a file"));
    });
    scene.await.survives("directory").await;
}
