//! Blueprints that SOPS encrypted, from the command line: decrypted in memory, and as secret as they were.

use super::{
    Desk, holds,
    secrets::{READERS, SECRETS, assert_silent, is_password, only},
};

/// A desk with the encrypted blueprint and the identity that decrypts it.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("a.yaml", include_str!("../../../fixtures/sops/blueprint.yaml"));
    desk.write("key.txt", include_str!("../../../fixtures/sops/identity.txt"));
    desk.write("other.txt", include_str!("../../../fixtures/sops/identity-other.txt"));
    desk
}

const KEY: [&str; 3] = ["--age-key-file", "key.txt", "a.yaml"];

#[tokio::test]
async fn encrypted_secrets_come_in_and_never_out() {
    let desk = desk();
    let with = |command: &[&'static str]| [command, &KEY].concat();
    for reader in READERS {
        assert_silent(&desk.expect(0, &with(reader)), &SECRETS);
    }
    assert_silent(&desk.expect(0, &with(&["apply"])), &SECRETS);
    assert_eq!(desk.expect(0, &with(&["apply", "--json"])).json()["rows_written"], 0, "nothing is set again");
    let token = only(&desk, "authentik_core.token", |_| true).await;
    let kept = desk.store().await.reveal(token.id, "key").await.expect("it opens").expect("a value");
    assert_eq!(*kept, SECRETS[1]);
    let user = only(&desk, "authentik_core.user", |_| true).await;
    assert!(is_password(&user, SECRETS[0]));

    // The same text with other secrets, encrypted anew.
    desk.write("a.yaml", include_str!("../../../fixtures/sops/blueprint-new.yaml"));
    let plan = desk.expect(2, &with(&["plan", "--detailed-exitcode", "--out", "p.json"]));
    assert_silent(&plan, &SECRETS);
    assert_eq!(plan.out.matches("(secret changed)").count(), 4, "{}", plan.page());
    assert!(SECRETS.iter().all(|secret| !desk.read("p.json").contains(secret)), "in the plan file in clear");
    assert_silent(&desk.expect(0, &["apply", "p.json"]), &SECRETS);
    let user = only(&desk, "authentik_core.user", |_| true).await;
    assert!(is_password(&user, "new-hunter2-hunter2"));
    let bytes = desk.database_bytes();
    assert!(SECRETS.iter().all(|secret| !holds(&bytes, secret)), "in the database in clear");
}

/// Where everything is encrypted, also what is no secret by its kind is not shown.
#[tokio::test]
async fn whatever_was_encrypted_is_not_shown() {
    let desk = desk();
    desk.write("a.yaml", include_str!("../../../fixtures/sops/whole.yaml"));
    let hidden = ["hidden-name", "hidden-user", "hidden-note", "hidden-item", "hidden-password", "Hidden Person"];
    for reader in READERS {
        assert_silent(&desk.expect(0, &[reader, &KEY].concat()), &hidden);
    }
    assert_silent(&desk.expect(0, &[&["apply"][..], &KEY].concat()), &hidden);
    let group = only(&desk, "authentik_core.group", |object| object.attrs["name"] == "hidden-name").await;
    let attributes = serde_json::json!({ "note": "hidden-note", "count": 7, "list": ["hidden-item"] });
    assert_eq!(group.attrs["attributes"], attributes);
}

#[test]
fn a_key_is_named_by_a_flag_or_a_variable() {
    let mut desk = desk();
    insta::assert_snapshot!("sops_no_key", desk.expect(1, &["validate", "a.yaml"]).page());
    insta::assert_snapshot!(
        "sops_wrong_key",
        desk.expect(1, &["validate", "--age-key-file", "other.txt", "a.yaml"]).page()
    );
    desk.expect(0, &["validate", "--age-key-file", "other.txt", "--age-key-file", "key.txt", "a.yaml"]);
    desk.set("SOPS_AGE_KEY_FILE", "key.txt");
    desk.expect(0, &["validate", "a.yaml"]);
    // Our own variable wins, and a flag over both.
    desk.set("GATEWRIGHT_AGE_KEY_FILE", "other.txt");
    desk.expect(1, &["validate", "a.yaml"]);
    desk.expect(0, &["validate", "--age-key-file", "key.txt", "a.yaml"]);
    desk.write("bad.txt", "# a note\nAGE-SECRET-KEY-1NONSENSE\n");
    let bad = desk.expect(1, &["validate", "--age-key-file", "bad.txt", "a.yaml"]);
    assert_eq!(bad.err, "error: bad.txt:2: write age identities (AGE-SECRET-KEY-1…), one a line\n");
    let missing = desk.expect(1, &["plan", "--age-key-file", "none.txt", "a.yaml"]);
    assert!(missing.err.starts_with("error: cannot read none.txt\n"), "{}", missing.err);
}

#[test]
fn a_file_that_was_changed_says_so_with_its_line() {
    let desk = desk();
    desk.edit("a.yaml", "bind_password: ENC[AES256_GCM,data:e", "bind_password: ENC[AES256_GCM,data:f");
    let changed = desk.expect(1, &["validate", "--age-key-file", "key.txt", "a.yaml"]);
    let line = desk.read("a.yaml").lines().position(|line| line.contains("bind_password")).expect("a line") + 1;
    assert!(changed.out.contains("GW0022") && changed.out.contains(&format!("a.yaml:{line}:")), "{}", changed.page());
}
