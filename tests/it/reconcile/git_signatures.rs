//! Signed commits and tags, by the real `gpg` and `ssh-keygen`.

use std::{fs, os::unix::fs::PermissionsExt};

use gatewright::reconcile::{
    content::FetchReason,
    git::{Follow, Origin, Trust, Verification},
};

use crate::support::git::{BLUEPRINT, Lab, program, programs, sh};

fn now() -> jiff::Timestamp {
    #[allow(clippy::disallowed_methods, reason = "the real programs sign at the real time")]
    jiff::Timestamp::now()
}

fn trusting(lab: &Lab, keys: &[&str]) -> Origin {
    let trust = Trust { keys: keys.iter().map(|key| (*key).to_owned()).collect(), now: now() };
    Origin { verify: Verification::Commit(trust), ..lab.local() }
}

fn tag_trusting(lab: &Lab, tag: &str, keys: &[&str]) -> Origin {
    let trust = Trust { keys: keys.iter().map(|key| (*key).to_owned()).collect(), now: now() };
    Origin { verify: Verification::Tag(trust), follow: Follow::Tag(tag.to_owned()), ..lab.local() }
}

/// A key ring of `gpg`.
struct Ring {
    home: String,
}

impl Ring {
    fn new(lab: &Lab) -> Ring {
        let home = lab.path("gnupg");
        fs::create_dir(&home).expect("a folder");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).expect("a private folder");
        Ring { home: home.display().to_string() }
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        let fixed = ["--batch", "--quiet", "--no-tty", "--yes", "--passphrase", "", "--pinentry-mode", "loopback"];
        sh("gpg", &[&fixed[..], arguments].concat(), &[("GNUPGHOME", &self.home)])
    }

    /// A new key that may sign by itself. Gives its fingerprint.
    fn key(&self, name: &str, extra: &[&str]) -> String {
        self.gpg(&[extra, &["--quick-generate-key", name, "ed25519", "sign,cert", "0"]].concat());
        self.fingerprint(name)
    }

    fn fingerprint(&self, name: &str) -> String {
        let list = self.gpg(&["--with-colons", "--list-keys", name]);
        let line = list.lines().find(|line| line.starts_with("fpr:")).expect("a fingerprint");
        line.split(':').nth(9).expect("its digits").to_owned()
    }

    fn export(&self, name: &str) -> String {
        self.gpg(&["--armor", "--export", name])
    }

    /// A program for git that calls gpg with more options.
    fn with(&self, lab: &Lab, options: &str) -> String {
        let file = lab.path(&format!("gpg-{}", blake3::hash(options.as_bytes()).to_hex()));
        fs::write(&file, format!("#!/bin/sh\nexec gpg {options} \"$@\"\n")).expect("a program");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).expect("it may run");
        format!("gpg.program={}", file.display())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // Ends the agent that gpg started for this ring.
        if program("gpgconf").is_some() {
            sh("gpgconf", &["--kill", "all"], &[("GNUPGHOME", &self.home)]);
        }
    }
}

#[test]
fn openpgp_signatures_by_trusted_keys_count() {
    if !programs(&["git", "gpg"]) {
        return;
    }
    let mut lab = Lab::new();
    let ring = Ring::new(&lab);
    lab.env.insert("GNUPGHOME".to_owned(), ring.home.clone());
    let alice = ring.key("Alice <alice@example.org>", &[]);
    let mallory = ring.key("Mallory <mallory@example.org>", &[]);
    ring.gpg(&["--quick-generate-key", "Carol <carol@example.org>", "rsa3072", "cert", "0"]);
    let carol = ring.fingerprint("carol@example.org");
    ring.gpg(&["--quick-add-key", &carol, "ed25519", "sign", "0"]);
    let (alices, carols) = (ring.export("alice@example.org"), ring.export("carol@example.org"));
    let both = format!("{carols}\n{alices}");
    let sign = |lab: &mut Lab, key: &str, program: &str| {
        lab.config = vec![format!("user.signingkey={key}")];
        if !program.is_empty() {
            lab.config.push(program.to_owned());
        }
        lab.write("app.yaml", &format!("{BLUEPRINT}# {}\n", uuid::Uuid::new_v4()));
        lab.git(&["commit", "--quiet", "--all", "-S", "-m", "signed"]);
        lab.push();
        lab.git(&["rev-parse", "HEAD"])
    };
    let signer =
        |lab: &Lab, keys: &[&str]| lab.fetch(&trusting(lab, keys), None).map(|content| content.revision.signer);
    let refused = |lab: &Lab, keys: &[&str]| lab.fails(&trusting(lab, keys), None, FetchReason::Unverified);

    let message = refused(&lab, &[&alices]);
    assert!(message.contains("is not signed") && message.contains("Alice"), "{message}");

    sign(&mut lab, &alice, "");
    let expected = Some(format!("{alice} (Alice <alice@example.org>)"));
    assert_eq!(signer(&lab, &[&alices]).expect("alice"), expected);
    assert_eq!(signer(&lab, &[&carols, &alices]).expect("two texts"), expected);
    assert_eq!(signer(&lab, &[&both]).expect("one text"), expected);
    let message = refused(&lab, &[&carols]);
    assert!(message.contains(&alice), "{message}");

    sign(&mut lab, "carol@example.org", "");
    let by_subkey = signer(&lab, &[&both]).expect("a subkey");
    assert_eq!(by_subkey, Some(format!("{carol} (Carol <carol@example.org>)")));

    sign(&mut lab, &mallory, "");
    assert!(refused(&lab, &[&both]).contains(&mallory));

    let weak = ring.with(&lab, "--digest-algo SHA1 --allow-weak-digest-algos");
    sign(&mut lab, &alice, &weak);
    assert!(refused(&lab, &[&alices]).contains("SHA1"));

    // A key that lived for a day, and signs after its end with a clock put back.
    let past = "--faked-system-time 20200101T000000";
    let options: Vec<&str> = past.split(' ').collect();
    ring.gpg(
        &[&options[..], &["--quick-generate-key", "Old <old@example.org>", "ed25519", "sign,cert", "1d"]].concat(),
    );
    let (old, olds) = (ring.fingerprint("old@example.org"), ring.export("old@example.org"));
    let put_back = ring.with(&lab, past);
    sign(&mut lab, &old, &put_back);
    assert!(refused(&lab, &[&olds]).contains("expired"), "the commit is of today");
    lab.env.insert("GIT_COMMITTER_DATE".to_owned(), "2020-01-01T01:00:00Z".to_owned());
    sign(&mut lab, &old, &put_back);
    assert!(signer(&lab, &[&olds]).expect("signed in time").is_some());
    lab.env.remove("GIT_COMMITTER_DATE");

    // A signature that ends by itself.
    let short = ring.with(&lab, "--default-sig-expire seconds=1");
    sign(&mut lab, &alice, &short);
    std::thread::sleep(std::time::Duration::from_millis(2100));
    assert!(refused(&lab, &[&alices]).contains("expired"));

    // A signature moved to another commit.
    let signed = sign(&mut lab, &alice, "");
    let raw = lab.git(&["cat-file", "commit", &signed]);
    fs::write(lab.path("forged"), raw.replace("signed", "forged") + "\n").expect("a file");
    let forged = lab.git(&["hash-object", "-t", "commit", "-w", &lab.path("forged").display().to_string()]);
    lab.git(&["reset", "--quiet", "--hard", &forged]);
    lab.push();
    assert!(refused(&lab, &[&alices]).contains("not over this content"));

    // Revoked for compromise: what it signed before does not count either.
    sign(&mut lab, &alice, "");
    let certificate = fs::read_to_string(format!("{}/openpgp-revocs.d/{alice}.rev", ring.home)).expect("a revocation");
    let file = lab.path("revocation");
    fs::write(&file, certificate.replace(":-----BEGIN", "-----BEGIN")).expect("a file");
    ring.gpg(&["--import", &file.display().to_string()]);
    let message = refused(&lab, &[&ring.export("alice@example.org")]);
    assert!(message.contains("revoked"), "{message}");
}

#[test]
fn openpgp_tags_must_be_signed_under_their_own_name() {
    if !programs(&["git", "gpg"]) {
        return;
    }
    let mut lab = Lab::new();
    let ring = Ring::new(&lab);
    lab.env.insert("GNUPGHOME".to_owned(), ring.home.clone());
    let alice = ring.key("Alice <alice@example.org>", &[]);
    let alices = ring.export("alice@example.org");
    lab.config = vec![format!("user.signingkey={alice}")];
    lab.git(&["tag", "-s", "-m", "one", "v1.0.0"]);
    lab.git(&["tag", "-a", "-m", "unsigned", "v1.1.0"]);
    lab.git(&["tag", "light"]);
    lab.git(&["update-ref", "refs/tags/v2.0.0", "refs/tags/v1.0.0"]);
    lab.push();
    let content = lab.fetch(&tag_trusting(&lab, "v1.0.0", &[&alices]), None).expect("content");
    assert_eq!(content.revision.signer, Some(format!("{alice} (Alice <alice@example.org>)")));
    for (tag, words) in [("v1.1.0", "not signed"), ("light", "not annotated"), ("v2.0.0", "v1.0.0")] {
        let message = lab.fails(&tag_trusting(&lab, tag, &[&alices]), None, FetchReason::Unverified);
        assert!(message.contains(words), "{tag}: {message}");
    }
    let branch = Origin { follow: Follow::DefaultBranch, ..tag_trusting(&lab, "", &[&alices]) };
    lab.fails(&branch, None, FetchReason::Misconfigured);
    lab.fails(&tag_trusting(&lab, "v1.0.0", &["nonsense"]), None, FetchReason::Misconfigured);
}

#[test]
fn ssh_signatures_by_allowed_signers_count() {
    if !programs(&["git", "ssh-keygen"]) {
        return;
    }
    let mut lab = Lab::new();
    let key = |name: &str, kind: &str| {
        let file = lab.path(name).display().to_string();
        sh("ssh-keygen", &["-q", "-t", kind, "-N", "", "-C", name, "-f", &file], &[]);
        (file.clone(), fs::read_to_string(format!("{file}.pub")).expect("a key").trim().to_owned())
    };
    let (alice, alice_public) = key("alice", "ed25519");
    let (bob, bob_public) = key("bob", "ecdsa");
    let (rsa, rsa_public) = key("rsa", "rsa");
    let (_, other_public) = key("other", "ed25519");
    for (private, public) in [(&bob, &bob_public), (&rsa, &rsa_public), (&alice, &alice_public)] {
        lab.config = vec!["gpg.format=ssh".to_owned(), format!("user.signingkey={private}")];
        lab.git(&["commit", "--quiet", "--allow-empty", "-S", "-m", "signed"]);
        lab.push();
        let signer = lab.fetch(&trusting(&lab, &[public]), None).expect("content").revision.signer.expect("a signer");
        assert!(signer.starts_with("SHA256:"), "{signer}");
        lab.fails(&trusting(&lab, &[&other_public]), None, FetchReason::Unverified);
    }
    lab.git(&["tag", "-s", "-m", "one", "v1.0.0"]);
    lab.push();
    let line = |options: &str| format!("# signers\nalice@example.org {options} {alice_public}");
    for (options, good) in [
        ("", true),
        ("namespaces=\"git\"", true),
        ("namespaces=\"file\"", false),
        ("valid-after=\"20200101\"", true),
        ("valid-before=\"20200101\"", false),
        ("valid-after=\"29990101\"", false),
    ] {
        let line = line(options);
        for origin in [trusting(&lab, &[&line]), tag_trusting(&lab, "v1.0.0", &[&line])] {
            match lab.fetch(&origin, None) {
                Ok(content) if good => {
                    let signer = content.revision.signer.expect("a signer");
                    assert!(signer.ends_with("(alice@example.org)"), "{signer}");
                }
                Err(error) if !good => assert_eq!(error.reason, FetchReason::Unverified, "{options}: {error}"),
                other => panic!("{options}: {other:?}"),
            }
        }
    }
    // A signature for another purpose, put into a commit.
    let repository = git2::Repository::open(lab.path("work")).expect("the work tree");
    let head = repository.head().and_then(|head| head.peel_to_commit()).expect("a commit");
    let content = repository.commit_create_buffer(
        &head.author(),
        &head.committer(),
        "misused",
        &head.tree().expect("a tree"),
        &[&head],
    );
    let content = content.expect("a commit's text");
    let file = lab.path("content");
    fs::write(&file, &*content).expect("a file");
    sh("ssh-keygen", &["-q", "-Y", "sign", "-f", &alice, "-n", "file", &file.display().to_string()], &[]);
    let signature = fs::read_to_string(lab.path("content.sig")).expect("a signature");
    let misused = repository.commit_signed(content.as_str().expect("text"), &signature, None).expect("a commit");
    lab.git(&["reset", "--quiet", "--hard", &misused.to_string()]);
    lab.push();
    let message = lab.fails(&trusting(&lab, &[&line("")]), None, FetchReason::Unverified);
    assert!(message.contains("\"file\""), "{message}");
}
