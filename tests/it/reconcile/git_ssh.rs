//! Git over ssh, with a real `sshd` on loopback.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use gatewright::{
    base::egress::{Egress, Names},
    reconcile::{content::FetchReason, git::Origin, source::git::ForcePush},
};

use crate::support::git::{BLUEPRINT, Lab, Sshd, loopback, paths, programs, sh};

#[test]
fn the_host_and_the_key_must_be_right() {
    if !programs(&["git", "sshd", "ssh-keygen"]) {
        return;
    }
    let lab = Lab::new();
    let sshd = Sshd::start(&lab);
    let right = || sshd.origin(&lab);
    let with_key = |name: &str, passphrase: Option<&str>| {
        let mut origin = right();
        origin.credentials.private_key = Some(sshd.read(name).into());
        origin.credentials.passphrase = passphrase.map(|passphrase| passphrase.to_owned().into());
        origin
    };
    let knowing = |lines: String| Origin { known_hosts: lines, ..right() };
    let works = |what: &str, origin: Origin| {
        let _ = fs::remove_dir_all(lab.path("cache"));
        let content = lab.fetch(&origin, None).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(paths(&content), ["app.yaml"], "{what}");
    };
    works("the right key", right());
    works("a key with a passphrase", with_key("locked", Some("open sesame")));
    works("an RSA key in PEM", with_key("rsa", None));
    let home = right().url.replace(&lab.remote().display().to_string(), "/~/remote.git");
    works("a path below the home folder", Origin { url: home, ..right() });

    let hashed = lab.path("hashed");
    fs::write(&hashed, sshd.known("host.pub")).expect("a file");
    sh("ssh-keygen", &["-q", "-H", "-f", &hashed.display().to_string()], &[]);
    let hashed = fs::read_to_string(hashed).expect("a file");
    assert!(hashed.starts_with("|1|"), "{hashed}");
    works("a hashed line", knowing(hashed));

    for (what, origin) in [
        ("a stranger's key", with_key("stranger", None)),
        ("a wrong passphrase", with_key("locked", Some("wrong"))),
        ("no passphrase", with_key("locked", None)),
        ("no key", {
            let mut origin = right();
            origin.credentials.private_key = None;
            origin
        }),
    ] {
        let message = lab.fails(&origin, None, FetchReason::Unauthorized);
        assert!(!message.contains("wrong\"") && !message.contains("PRIVATE"), "{what}: {message}");
    }

    let message = lab.fails(&knowing(String::new()), None, FetchReason::Untrusted);
    let fingerprint = sh("ssh-keygen", &["-l", "-f", &lab.path("ssh/host.pub").display().to_string()], &[]);
    let fingerprint = fingerprint.split_whitespace().nth(1).expect("a fingerprint");
    assert!(message.contains(fingerprint), "{message}");
    // The line that the message gives is the one that makes it work.
    let line = message.split('`').nth(1).expect("a line").to_owned();
    works("the told line", knowing(line));
    let message = lab.fails(&knowing(sshd.known("stranger.pub")), None, FetchReason::Untrusted);
    assert!(message.contains("in between"), "{message}");
    lab.fails(&knowing(sshd.known("rsa.pub")), None, FetchReason::Untrusted);
    let revoked = format!("{}\n@revoked * {}", sshd.known("host.pub"), sshd.read("host.pub"));
    let message = lab.fails(&knowing(revoked), None, FetchReason::Untrusted);
    assert!(message.contains("revoked"), "{message}");
    lab.fails(&knowing(sshd.known("host.pub").replace("[127.0.0.1]", "[127.0.0.2]")), None, FetchReason::Untrusted);

    // By its name: looked up once for each connection, reached at what was checked, and known by the name.
    struct Once(AtomicUsize);
    impl Names for Once {
        fn look_up(&self, host: &str) -> std::io::Result<Vec<IpAddr>> {
            assert_eq!(host, "git.test");
            self.0.fetch_add(1, Ordering::SeqCst);
            Ok(vec![Ipv4Addr::LOCALHOST.into()])
        }
    }
    let names = Arc::new(Once(AtomicUsize::new(0)));
    let named = |known: String, egress: Egress| Origin {
        url: right().url.replace("127.0.0.1", "git.test"),
        known_hosts: known,
        egress: egress.looking_up(names.clone()),
        ..right()
    };
    let known = sshd.known("host.pub").replace("127.0.0.1", "git.test");
    works("a name", named(known.clone(), loopback()));
    assert_eq!(names.0.swap(0, Ordering::SeqCst), 2, "once to ask, once to fetch");
    lab.fails(&named(sshd.known("host.pub"), loopback()), None, FetchReason::Untrusted);
    let message = lab.fails(&named(known.clone(), Egress::default()), None, FetchReason::Forbidden);
    assert!(
        message.contains("git.test leads to 127.0.0.1") && message.contains("GATEWRIGHT_EGRESS_ALLOW"),
        "{message}"
    );
    works("an allowed name", named(known, Egress::new(&["git.test"], true).expect("a name")));

    let gone = Origin { url: right().url.replace("remote.git", "nothing.git"), ..right() };
    lab.fails(&gone, None, FetchReason::SourceGone);
}

#[test]
fn a_branch_is_followed_step_by_step() {
    if !programs(&["git", "sshd", "ssh-keygen"]) {
        return;
    }
    let lab = Lab::new();
    let sshd = Sshd::start(&lab);
    let origin = Origin { force_push: ForcePush::Refuse, ..sshd.origin(&lab) };
    let start = lab.git(&["rev-parse", "HEAD"]);
    let first = lab.fetch(&origin, None).expect("content").revision;
    assert_eq!(lab.fetch(&origin, Some(&first)).expect("content").revision, first);
    lab.write("two.yaml", BLUEPRINT);
    lab.commit("two");
    let third = lab.commit("three");
    let forward = lab.fetch(&origin, Some(&first)).expect("content");
    assert_eq!(forward.revision.name, format!("main@{third}"));
    assert_eq!(paths(&forward), ["app.yaml", "two.yaml"]);
    lab.git(&["reset", "--quiet", "--hard", &start]);
    lab.commit("another way");
    lab.fails(&origin, Some(&forward.revision), FetchReason::HistoryRewritten);
}
