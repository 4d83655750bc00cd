//! Git repositories as sources: what is followed, what is refused, and what each failure is called.

use std::{
    fs,
    net::TcpListener,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use gatewright::reconcile::{
    content::{Budget, FetchReason, Revision, Selection},
    git::{Follow, Origin, fetch},
    source::git::ForcePush,
};

use crate::support::git::{Authority, BLUEPRINT, Https, Lab, Server, daemon, is_private, near, paths, programs};

/// The lab's repository over every way that needs no account, with what must stay alive.
fn ways(lab: &Lab) -> Vec<(&'static str, Origin, Option<Server>)> {
    let (server, plain) = daemon(lab);
    let mut ways = vec![("local", lab.local(), None), ("daemon", plain, Some(server))];
    if programs(&["openssl"]) {
        let authority = Authority::new(lab, "authority");
        let https = Https::start(lab, &authority, None, &[]);
        ways.push(("https", https.origin(&authority), None));
    }
    ways
}

#[test]
fn branches_tags_versions_and_commits_are_followed() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    let first = lab.git(&["rev-parse", "HEAD"]);
    lab.git(&["tag", "v1.2.0"]);
    lab.git(&["tag", "-a", "-m", "annotated", "v1.10.0"]);
    lab.git(&["tag", "v2.0.0-rc.1"]);
    lab.write("deploy/two.yaml", BLUEPRINT);
    let second = lab.commit("second");
    lab.git(&["branch", "other", &first]);
    lab.git(&["tag", "v2.0.0"]);
    lab.push();
    // A commit that no branch's end is.
    let third = lab.commit("third");
    for (way, origin, _server) in ways(&lab) {
        for (follow, name, files) in [
            (Follow::DefaultBranch, format!("main@{third}"), 2),
            (Follow::Branch("other".to_owned()), format!("other@{first}"), 1),
            (Follow::Tag("v2.0.0".to_owned()), format!("v2.0.0@{second}"), 2),
            (Follow::Tag("v1.10.0".to_owned()), format!("v1.10.0@{first}"), 1),
            (Follow::Semver("^1".parse().expect("a range")), format!("v1.10.0@{first}"), 1),
            (Follow::Semver("*".parse().expect("a range")), format!("v2.0.0@{second}"), 2),
            (Follow::Commit(second.clone()), second.clone(), 2),
        ] {
            let origin = Origin {
                follow,
                url: origin.url.clone(),
                ca_certificate: origin.ca_certificate.clone(),
                ..origin_like(&origin)
            };
            // Each from nothing, and again with everything there.
            let _ = fs::remove_dir_all(lab.path("cache"));
            for round in 0..2 {
                let content = lab.fetch(&origin, None).unwrap_or_else(|error| panic!("{way} {name} {round}: {error}"));
                assert_eq!(content.revision.name, name, "{way}");
                assert_eq!(content.files.len(), files, "{way} {name}");
                let commit = content.revision.commit.expect("a commit");
                assert!(name.ends_with(&commit.id), "{way}");
                assert_eq!(commit.author, "Alice <alice@example.org>");
                assert!(["first", "second", "third"].contains(&commit.subject.as_str()), "{}", commit.subject);
            }
        }
        for (follow, reason) in [
            (Follow::Branch("gone".to_owned()), FetchReason::RevisionGone),
            (Follow::Tag("v9".to_owned()), FetchReason::RevisionGone),
            (Follow::Semver(">=3".parse().expect("a range")), FetchReason::RevisionGone),
            (Follow::Commit("1".repeat(40)), FetchReason::RevisionGone),
            (Follow::Commit("main".to_owned()), FetchReason::Misconfigured),
        ] {
            let origin = Origin { follow, ..origin_like(&origin) };
            lab.fails(&origin, None, reason);
        }
    }
    assert!(is_private(&lab.path("cache")));
}

#[test]
fn a_huge_commit_on_the_way_is_not_read() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    let origin = || Origin { force_push: ForcePush::Refuse, ..lab.local() };
    let first = lab.fetch(&origin(), None).expect("the first commit").revision;
    let repository = git2::Repository::open_bare(lab.remote()).expect("the repository");
    let parent = repository.refname_to_id("refs/heads/main").expect("a branch");
    let tree = repository.find_commit(parent).expect("a commit").tree_id();
    let commit = |parent: git2::Oid, message: &str| {
        let person = "A <a@b> 1700000000 +0000";
        let text = format!("tree {tree}\nparent {parent}\nauthor {person}\ncommitter {person}\n\n{message}\n");
        repository.odb().expect("its objects").write(git2::ObjectType::Commit, text.as_bytes()).expect("a commit")
    };
    for (length, reason) in [(10, None), (2 << 20, Some(FetchReason::TooLarge))] {
        let top = commit(commit(parent, &"x".repeat(length)), "top");
        repository.reference("refs/heads/main", top, true, "moved").expect("a branch");
        let fetched = lab.fetch(&origin(), Some(&first));
        assert_eq!(fetched.err().map(|error| error.reason), reason, "{length}");
    }
}

/// A process that dies in the middle of a fetch leaves locks and beginnings of packs in the cache. They are in nobody's way.
#[test]
fn what_an_unfinished_fetch_left_is_swept_away() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    let (_server, origin) = daemon(&lab);
    let first = lab.fetch(&origin, None).expect("the first commit").revision;
    let left = ["refs/gatewright/tip.lock", "shallow.lock", "HEAD.lock", "objects/pack/pack_git2_3f8a1c"];
    let left = left.map(|name| lab.path("cache").join(name));
    for file in &left {
        std::fs::write(file, "half").expect("a file");
    }
    let second = lab.commit("second");
    let content = lab.fetch(&origin, Some(&first)).expect("the second commit");
    assert_eq!(content.revision.name, format!("main@{second}"));
    for file in &left {
        assert!(!file.exists(), "{}", file.display());
    }
}

/// The same place.
fn origin_like(origin: &Origin) -> Origin {
    Origin {
        ca_certificate: origin.ca_certificate.clone(),
        allow_local: origin.allow_local,
        allow_plain: origin.allow_plain,
        ..near(&origin.url)
    }
}

#[test]
fn only_what_changed_is_transferred_and_only_a_change_in_the_folder_counts() {
    if !programs(&["git", "openssl"]) {
        return;
    }
    let lab = Lab::new();
    let authority = Authority::new(&lab, "authority");
    let https = Https::start(&lab, &authority, None, &[]);
    let origin = https.origin(&authority);
    lab.write("deploy/app.yaml", BLUEPRINT);
    lab.write("deploy/logo.svg", "<svg/>");
    lab.commit("folder");
    let selection = Selection::new("deploy", &[], &[]).expect("a selection");
    let get = |last: Option<&Revision>| {
        let content = fetch(&origin, &selection, &Budget::default(), &lab.path("cache"), last, &AtomicBool::new(false));
        content.expect("content")
    };
    let first = get(None);
    let both = ["GET /remote.git/info/refs", "POST /remote.git/git-upload-pack"];
    assert_eq!(https.requests(), both);
    assert_eq!(paths(&first), ["app.yaml"]);
    let again = get(Some(&first.revision));
    assert_eq!(https.requests(), both[..1], "nothing is transferred when nothing changed");
    assert_eq!(again.revision, first.revision);
    lab.write("elsewhere.txt", "text");
    lab.commit("elsewhere");
    let elsewhere = get(Some(&first.revision));
    assert_eq!(https.requests(), both);
    assert_ne!(elsewhere.revision.name, first.revision.name);
    assert_eq!(elsewhere.revision.digest, first.revision.digest);
    lab.write("deploy/logo.svg", "<svg></svg>");
    lab.commit("beside the blueprints");
    let beside = get(None);
    assert_ne!(beside.revision.digest, first.revision.digest, "`!File` could read it");
    let reader = beside.beside.expect("a reader");
    assert_eq!(reader.read("logo.svg", 100), Ok(Some(b"<svg></svg>".to_vec())));
    assert_eq!(reader.read("../elsewhere.txt", 100), Ok(None));
    assert_eq!(reader.read("/app.yaml", 100), Ok(None));
    assert!(reader.read("logo.svg", 3).is_err());
}

#[test]
fn a_rewritten_branch_is_followed_or_refused() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    for (way, origin, _server) in ways(&lab) {
        let refusing = Origin { force_push: ForcePush::Refuse, ..origin_like(&origin) };
        lab.git(&["tag", "--force", "v1.0.0"]);
        let start = lab.commit("start");
        let first = lab.fetch(&refusing, None).expect(way).revision;
        let tag =
            Origin { follow: Follow::Tag("v1.0.0".to_owned()), force_push: ForcePush::Refuse, ..origin_like(&origin) };
        let tagged = lab.fetch(&tag, None).expect(way).revision;
        // Forward, several commits at once and through a merge.
        lab.git(&["checkout", "--quiet", "-b", "side"]);
        lab.write(&format!("{way}.yaml"), BLUEPRINT);
        lab.commit("side");
        lab.git(&["checkout", "--quiet", "main"]);
        lab.commit("two");
        lab.git(&["merge", "--quiet", "--no-ff", "-m", "merge", "side"]);
        lab.git(&["branch", "--quiet", "-D", "side"]);
        let merged = lab.commit("three");
        let forward = lab.fetch(&refusing, Some(&first)).unwrap_or_else(|error| panic!("{way}: {error}")).revision;
        assert_eq!(forward.name, format!("main@{merged}"), "{way}");
        // Back: the applied commit is no longer part of the branch.
        lab.git(&["reset", "--quiet", "--hard", &start]);
        let other = lab.commit("another way");
        lab.git(&["tag", "--force", "v1.0.0"]);
        lab.push();
        let message = lab.fails(&refusing, Some(&forward), FetchReason::HistoryRewritten);
        assert!(message.contains(&merged), "{message}");
        assert_eq!(lab.fetch(&origin, Some(&forward)).expect(way).revision.name, format!("main@{other}"));
        // Also when the cache was lost in between.
        let _ = fs::remove_dir_all(lab.path("cache"));
        lab.fails(&refusing, Some(&forward), FetchReason::HistoryRewritten);
        lab.fails(&tag, Some(&tagged), FetchReason::HistoryRewritten);
        // What was applied is further back than the cache's one commit.
        let _ = fs::remove_dir_all(lab.path("cache"));
        lab.fetch(&origin, None).expect(way);
        let back = lab.fetch(&refusing, Some(&first)).unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(back.revision.name, format!("main@{other}"), "{way}");
    }
}

#[test]
fn what_is_gone_or_does_not_answer_has_a_name() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    let ways = ways(&lab);
    for (way, origin, _) in &ways {
        lab.git(&["push", "--quiet", "origin", "main:doomed"]);
        let doomed = Origin { follow: Follow::Branch("doomed".to_owned()), ..origin_like(origin) };
        lab.fetch(&doomed, None).unwrap_or_else(|error| panic!("{way}: {error}"));
        lab.git(&["push", "--quiet", "--delete", "origin", "doomed"]);
        lab.fails(&doomed, None, FetchReason::RevisionGone);
        let elsewhere = Origin { url: origin.url.replace("remote.git", "nothing.git"), ..origin_like(origin) };
        lab.fails(&elsewhere, None, FetchReason::SourceGone);
        let empty = Origin { url: origin.url.replace("remote.git", "empty.git"), ..origin_like(origin) };
        if *way == "local" {
            git2::Repository::init_bare(lab.path("empty.git")).expect("a repository");
        }
        lab.fails(&empty, None, FetchReason::RevisionGone);
        let nowhere = Selection::new("nowhere", &[], &[]).expect("a selection");
        let error = fetch(origin, &nowhere, &Budget::default(), &lab.path("cache"), None, &AtomicBool::new(false));
        assert_eq!(error.expect_err("no folder").reason, FetchReason::Empty, "{way}");
        let none = Selection::new("", &["*.none".to_owned()], &[]).expect("a selection");
        let error = fetch(origin, &none, &Budget::default(), &lab.path("cache"), None, &AtomicBool::new(false));
        assert_eq!(error.expect_err("no blueprint").reason, FetchReason::Empty, "{way}");
    }
    drop(ways);
    // A port where nobody listens, and one where nobody answers.
    let closed = TcpListener::bind("127.0.0.1:0").and_then(|door| door.local_addr()).expect("a port").port();
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = silent.local_addr().expect("an address").port();
    let budget = Budget { time: Duration::from_secs(1), ..Budget::default() };
    for scheme in ["git", "http", "https", "ssh"] {
        let at = |port: u16| Origin { allow_plain: true, ..near(&format!("{scheme}://127.0.0.1:{port}/remote.git")) };
        lab.fails(&at(closed), None, FetchReason::Unreachable);
        let begun = Instant::now();
        let error = lab.fetch_within(&at(port), &budget, None).expect_err("no answer");
        assert_eq!(error.reason, FetchReason::TimedOut, "{scheme}: {error}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{scheme}: {:?}", begun.elapsed());
        let cancelled = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(200));
                cancelled.store(true, Ordering::Relaxed);
            });
            let begun = Instant::now();
            let selection = Selection::new("", &[], &[]).expect("a selection");
            let result = fetch(&at(port), &selection, &Budget::default(), &lab.path("cache"), None, &cancelled);
            assert_eq!(result.expect_err("called off").reason, FetchReason::Local, "{scheme}");
            assert!(begun.elapsed() < Duration::from_secs(5), "{scheme}");
        });
    }
}

#[test]
fn budgets_hold() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    // Does not compress, so that it has to be received.
    let noise: Vec<u8> = (0..60_000_u32).flat_map(|n| blake3::hash(&n.to_le_bytes()).as_bytes().to_owned()).collect();
    fs::write(lab.path("work").join("noise.bin"), noise).expect("a file");
    for n in 0..30 {
        lab.write(&format!("many/{n}.yaml"), BLUEPRINT);
    }
    lab.write("large.yaml", &"# comment\n".repeat(100_000));
    lab.commit("much");
    for (way, origin, _server) in ways(&lab) {
        for (what, budget) in [
            ("bytes", Budget { received: 1 << 20, ..Budget::default() }),
            ("objects", Budget { objects: 5, ..Budget::default() }),
            ("content", Budget { content: 500_000, ..Budget::default() }),
            ("files", Budget { files: 10, ..Budget::default() }),
        ] {
            if way == "local" && what == "bytes" {
                continue;
            }
            let _ = fs::remove_dir_all(lab.path("cache"));
            let error = lab.fetch_within(&origin, &budget, None).expect_err(what);
            assert_eq!(error.reason, FetchReason::TooLarge, "{way} {what}: {error}");
        }
        let content = lab.fetch(&origin, None).unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(content.files.len(), 32, "{way}");
    }
}

#[test]
fn a_blob_of_a_gibibyte_is_never_read() {
    if !programs(&["git", "openssl"]) {
        return;
    }
    let lab = Lab::new();
    lab.remote_git(&["config", "uploadpack.allowFilter", "true"]);
    let file = fs::File::create(lab.path("work").join("huge.yaml")).expect("a file");
    file.set_len(1 << 30).expect("a sparse file");
    // The bare repository shares the objects, so that pushing has nothing to copy.
    let shared = lab.path("work/.git/objects").display().to_string();
    fs::write(lab.remote().join("objects/info/alternates"), shared + "\n").expect("a file");
    lab.git(&["-c", "core.bigFileThreshold=1m", "-c", "core.compression=1", "add", "huge.yaml"]);
    lab.commit("huge");
    let authority = Authority::new(&lab, "authority");
    let https = Https::start(&lab, &authority, None, &[]);
    let leaving_out = Selection::new("", &[], &["huge.yaml".to_owned()]).expect("a selection");
    for (way, origin) in [("local", lab.local()), ("https", https.origin(&authority))] {
        let begun = Instant::now();
        let error = lab.fetch(&origin, None).expect_err("too large");
        assert_eq!(error.reason, FetchReason::TooLarge, "{way}: {error}");
        assert!(error.message.contains("huge.yaml"), "{error}");
        let content =
            fetch(&origin, &leaving_out, &Budget::default(), &lab.path("cache"), None, &AtomicBool::new(false));
        let content = content.unwrap_or_else(|error| panic!("{way}: {error}"));
        assert_eq!(paths(&content), ["app.yaml"], "{way}");
        let beside = content.beside.expect("a reader");
        assert!(beside.read("huge.yaml", 1 << 20).expect_err("too large").contains("larger"), "{way}");
        assert!(begun.elapsed() < Duration::from_secs(10), "{way}: {:?}", begun.elapsed());
    }
}

#[test]
fn links_are_followed_inside_the_folder_only() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    lab.write("deploy/real/app.yaml", "version: 1\n");
    lab.write("secret.yaml", "secret: 1\n");
    let link = |name: &str, target: &str| {
        let path = lab.path("work").join("deploy").join(name);
        let _ = fs::remove_file(&path);
        std::os::unix::fs::symlink(target, path).expect("a link");
    };
    link("folder", "real");
    link("a.yaml", "folder/../real/app.yaml");
    link("b.yaml", "a.yaml");
    link("outside.txt", "../secret.yaml");
    lab.commit("links");
    let selection = Selection::new("deploy", &[], &[]).expect("a selection");
    let get = || fetch(&lab.local(), &selection, &Budget::default(), &lab.path("cache"), None, &AtomicBool::new(false));
    let content = get().expect("content");
    assert_eq!(paths(&content), ["a.yaml", "b.yaml", "real/app.yaml"]);
    assert!(content.files.iter().all(|file| &*file.bytes == b"version: 1\n"));
    let beside = content.beside.expect("a reader");
    assert_eq!(beside.read("folder/app.yaml", 100), Ok(Some(b"version: 1\n".to_vec())));
    for outside in ["outside.txt", "../secret.yaml", "real/../../secret.yaml", "/etc/passwd", "folder", "none"] {
        assert_eq!(beside.read(outside, 100), Ok(None), "{outside}");
    }
    for target in ["../secret.yaml", "/etc/passwd", "nowhere.yaml", "real", "bad.yaml", "real/app.yaml/x"] {
        link("bad.yaml", target);
        lab.commit("a bad link");
        let error = get().expect_err(target);
        assert_eq!(error.reason, FetchReason::Corrupt, "{target}: {error}");
        assert!(error.message.contains("bad.yaml"), "{error}");
    }
}

#[test]
fn odd_names_and_endless_trees_are_refused() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    let repository = git2::Repository::open_bare(lab.remote()).expect("the repository");
    let odb = repository.odb().expect("its objects");
    let blob = odb.write(git2::ObjectType::Blob, BLUEPRINT.as_bytes()).expect("a blob");
    let tree = |entries: &[(&str, &[u8], git2::Oid)]| {
        let list: Vec<u8> = entries
            .iter()
            .flat_map(|(mode, name, id)| [mode.as_bytes(), b" ", *name, b"\0", id.as_bytes()].concat())
            .collect();
        odb.write(git2::ObjectType::Tree, &list).expect("a tree")
    };
    let point = |tree: git2::Oid| {
        let text = format!("tree {tree}\nauthor A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nodd\n");
        let commit = odb.write(git2::ObjectType::Commit, text.as_bytes()).expect("a commit");
        repository.reference("refs/heads/main", commit, true, "odd").expect("a branch");
    };
    let fine = tree(&[("100644", b"app.yaml", blob)]);
    for (name, mode) in [
        (&b".."[..], "40000"),
        (b".", "40000"),
        (b".git", "40000"),
        (b".GIT", "40000"),
        (b"a/../../b.yaml", "100644"),
        (b"a\\b.yaml", "100644"),
        (b"/etc", "40000"),
        (b"a\nb.yaml", "100644"),
        (b"\xff\xfe.yaml", "100644"),
        (b"pipe.yaml", "10644"),
    ] {
        let target = if mode == "40000" { fine } else { blob };
        point(tree(&[("100644", b"app.yaml", blob), (mode, name, target)]));
        let message = lab.fails(&lab.local(), None, FetchReason::Corrupt);
        assert!(!message.contains(|c: char| c.is_control()), "{message:?}");
    }
    point(tree(&[("100644", b"app.yaml", blob), ("100644", b"app.yaml", blob)]));
    lab.fails(&lab.local(), None, FetchReason::Corrupt);
    // Twenty levels of ten equal folders each: small to store, endless to walk.
    let mut bomb = fine;
    for _ in 0..20 {
        let names: Vec<String> = (0..10).map(|n| n.to_string()).collect();
        bomb = tree(&names.iter().map(|name| ("40000", name.as_bytes(), bomb)).collect::<Vec<_>>());
    }
    point(bomb);
    let begun = Instant::now();
    lab.fails(&lab.local(), None, FetchReason::TooLarge);
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let mut deep = fine;
    for _ in 0..100 {
        deep = tree(&[("40000", b"d", deep)]);
    }
    point(deep);
    lab.fails(&lab.local(), None, FetchReason::Corrupt);
}

#[test]
fn a_damaged_cache_is_made_anew_and_a_strange_folder_is_left_alone() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    let (_server, origin) = daemon(&lab);
    lab.fetch(&origin, None).expect("content");
    let pack = |extension: &str| {
        let packs = fs::read_dir(lab.path("cache").join("objects/pack")).expect("packs");
        packs
            .filter_map(|file| Some(file.ok()?.path()))
            .find(|file| file.extension().is_some_and(|other| other == extension))
    };
    let damage = |file: std::path::PathBuf, text: &[u8]| {
        let _ = fs::remove_file(&file);
        fs::write(file, text).expect("damage");
    };
    for round in 0..4 {
        match round {
            0 => damage(pack("pack").expect("a pack"), b"PACK damaged"),
            1 => damage(pack("idx").expect("an index"), b"damaged"),
            2 => damage(lab.path("cache/HEAD"), b"damaged"),
            _ => damage(lab.path("cache/config"), b"[damaged"),
        }
        let content = lab.fetch(&origin, None).unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(paths(&content), ["app.yaml"], "round {round}");
    }
    fs::remove_dir_all(lab.path("cache")).expect("removed");
    fs::create_dir(lab.path("cache")).expect("a folder");
    fs::write(lab.path("cache/diary.txt"), "mine").expect("a file");
    lab.fails(&origin, None, FetchReason::Local);
    assert_eq!(fs::read_to_string(lab.path("cache/diary.txt")).expect("still there"), "mine");
}

#[test]
fn the_accounts_own_git_configuration_has_no_say() {
    if !programs(&["git"]) {
        return;
    }
    let lab = Lab::new();
    let (_server, origin) = daemon(&lab);
    let elsewhere =
        "[url \"git://127.0.0.1:1/\"]\n\tinsteadOf = git://127.0.0.1:\n[safe]\n\tbareRepository = explicit\n";
    fs::write(lab.path("home/.gitconfig"), elsewhere).expect("a file");
    // Its place is read once in a process, so this takes one of its own.
    let mut command = std::process::Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "reconcile::git::fetching_elsewhere", "--ignored"]);
    command.env("HOME", lab.path("home")).env("GATEWRIGHT_TEST_GIT", &origin.url);
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "a part of the test above, in a process of its own"]
fn fetching_elsewhere() {
    let url = std::env::var("GATEWRIGHT_TEST_GIT").expect("a url");
    let cache = tempfile::tempdir().expect("a folder");
    let origin = Origin { allow_plain: true, ..near(&url) };
    let selection = Selection::new("", &[], &[]).expect("a selection");
    let content =
        fetch(&origin, &selection, &Budget::default(), &cache.path().join("cache"), None, &AtomicBool::new(false));
    assert_eq!(paths(&content.expect("content")), ["app.yaml"]);
}
