//! No secret is ever printed or stored in clear, whatever goes wrong.

use gatewright::{
    model::{Object, SecretState},
    registry::registry,
    store::verify_password,
};

use super::{Desk, Ran, holds};

pub const SECRETS: [&str; 4] = ["hunter2-hunter2", "tok-tok-tok-tok", "cs-cs-cs-cs-cs", "bind-bind-bind"];

const LITERAL: &str = "\
version: 1
entries:
  - model: authentik_core.user
    id: bob
    identifiers:
      username: bob
    attrs:
      name: Bob
      password: hunter2-hunter2
  - model: authentik_core.token
    identifiers:
      identifier: bob-token
    attrs:
      user: !KeyOf bob
      intent: api
      key: tok-tok-tok-tok
  - model: authentik_providers_oauth2.oauth2provider
    identifiers:
      name: web
    attrs:
      authorization_flow: !KeyOf flow
      client_id: web
      client_secret: cs-cs-cs-cs-cs
  - model: authentik_flows.flow
    id: flow
    identifiers:
      slug: f
    attrs:
      name: f
      title: F
      designation: authorization
  - model: authentik_sources_ldap.ldapsource
    identifiers:
      slug: ldap
    attrs:
      name: ldap
      server_uri: ldaps://ldap.acme.test
      base_dn: dc=acme
      bind_password: bind-bind-bind
";

/// Every command that reads a file, in every format.
pub const READERS: [&[&str]; 9] = [
    &["validate"],
    &["validate", "--format", "json"],
    &["validate", "--format", "sarif"],
    &["validate", "--format", "github"],
    &["plan"],
    &["plan", "--verbose", "--color", "always"],
    &["plan", "--format", "json"],
    &["plan", "--format", "markdown"],
    &["migrate"],
];

pub fn assert_silent(ran: &Ran, secrets: &[&str]) {
    for secret in secrets {
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{secret} is printed:\n{}", ran.page());
    }
}

/// The three ways in which a secret comes into a blueprint, each with the flags that it needs.
fn ways() -> Vec<(Desk, Vec<&'static str>)> {
    let literal = Desk::new();
    literal.write("a.yaml", LITERAL);

    let mut text = LITERAL.to_owned();
    let mut variables = String::new();
    for (at, secret) in SECRETS.iter().enumerate() {
        text = text.replace(secret, &format!("!Env SECRET_{at}"));
        variables.push_str(&format!("SECRET_{at}='{secret}'\n"));
    }
    let environment = Desk::new();
    environment.write("a.yaml", &text);
    environment.write("secrets.env", &variables);

    let files = Desk::new();
    let mut text = LITERAL.to_owned();
    for (at, secret) in SECRETS.iter().enumerate() {
        text = text.replace(secret, &format!("!File secret{at}"));
        files.write(&format!("run/secret{at}"), &format!("{secret}\n"));
    }
    files.write("a.yaml", &text);
    vec![
        (literal, vec!["a.yaml"]),
        (environment, vec!["--env-file", "secrets.env", "a.yaml"]),
        (files, vec!["--allow-files", "run", "a.yaml"]),
    ]
}

#[tokio::test]
async fn secrets_come_in_and_never_out() {
    for (desk, input) in ways() {
        let with = |command: &[&'static str]| [command, &input].concat();
        for reader in READERS {
            assert_silent(&desk.expect(0, &with(reader)), &SECRETS);
        }
        assert_silent(&desk.expect(0, &with(&["apply"])), &SECRETS);
        assert_eq!(
            desk.expect(0, &with(&["apply", "--json"])).json()["rows_written"],
            0,
            "{input:?}: nothing is set again"
        );
        let bytes = desk.database_bytes();
        for secret in SECRETS {
            assert!(!holds(&bytes, secret), "{secret} is in the database in clear");
        }
        assert!(holds(&bytes, "bob-token"), "what is no secret is in clear");
        for (kind, field, secret) in [
            ("authentik_core.token", "key", SECRETS[1]),
            ("authentik_providers_oauth2.oauth2provider", "client_secret", SECRETS[2]),
            ("authentik_sources_ldap.ldapsource", "bind_password", SECRETS[3]),
        ] {
            let object = only(&desk, kind, |_| true).await;
            let kept = desk.store().await.reveal(object.id, field).await.expect("it opens").expect("a value");
            assert_eq!(*kept, secret, "{kind}");
        }
        let user = only(&desk, "authentik_core.user", |_| true).await;
        assert!(is_password(&user, SECRETS[0]));

        // Another value is seen as a change, without either.
        for name in ["a.yaml", "secrets.env", "run/secret0", "run/secret1", "run/secret2", "run/secret3"] {
            if desk.path(name).exists() {
                let text =
                    SECRETS.iter().fold(desk.read(name), |text, secret| text.replace(secret, &format!("new-{secret}")));
                desk.write(name, &text);
            }
        }
        let out = ["--detailed-exitcode", "--out", "p.json"];
        let plan = desk.expect(2, &[&["plan"][..], &out, &input].concat());
        assert_silent(&plan, &SECRETS);
        assert_eq!(plan.out.matches("(secret changed)").count(), 4, "{}", plan.page());
        for reader in READERS {
            assert_silent(&desk.run(&with(reader)), &SECRETS);
        }
        for secret in SECRETS {
            assert!(!desk.read("p.json").contains(secret), "{secret} is in the plan file in clear");
        }
        assert_silent(&desk.expect(0, &["apply", "p.json"]), &SECRETS);
        assert_eq!(desk.expect(0, &with(&["apply", "--json"])).json()["rows_written"], 0);
        let user = only(&desk, "authentik_core.user", |_| true).await;
        assert!(is_password(&user, "new-hunter2-hunter2") && !is_password(&user, SECRETS[0]));
        for secret in SECRETS {
            assert!(!holds(&desk.database_bytes(), secret), "{secret} is in the database in clear");
        }
    }
}

/// The one stored object of a kind that fits.
pub async fn only(desk: &Desk, kind: &str, fits: impl Fn(&Object) -> bool) -> Object {
    let store = desk.store().await;
    let registry = registry().expect("the declarations agree");
    let kind = registry.find(kind).expect("a kind").index;
    let mut reader = store.read().await.expect("the database answers");
    let mut found = reader.load_kind(&registry, kind).await.expect("the objects load");
    found.retain(fits);
    assert_eq!(found.len(), 1);
    found.remove(0)
}

pub fn is_password(user: &Object, candidate: &str) -> bool {
    matches!(user.secrets.get("password"), Some(SecretState::Password(hash)) if verify_password(hash, candidate))
}

/// Whatever is wrong with an entry, the report shows the place and not the secret beside it.
#[test]
fn a_failing_entry_keeps_its_secret() {
    let desk = Desk::new();
    let cases = [
        ("typo_beside", "      name: Bob\n", "      nmae: Bob\n"),
        ("typo_in_the_key", "      password: ", "      pasword: "),
        ("another_typo_in_the_key", "      password: ", "      pass: "),
        (
            "typo_in_attrs",
            "    attrs:\n      name: Bob\n      password: hunter2-hunter2\n",
            "    atrrs: {name: Bob, password: hunter2-hunter2}\n",
        ),
        ("typo_in_the_kind", "authentik_core.user\n    id", "authentik_core.usr\n    id"),
        ("a_list", "password: hunter2-hunter2", "password: [hunter2-hunter2, x]"),
        ("a_mapping", "password: hunter2-hunter2", "password: {a: hunter2-hunter2}"),
        ("a_format", "password: hunter2-hunter2", "password: !Format [\"%s-hunter2-hunter2\"]"),
        ("a_default", "password: hunter2-hunter2", "password: !Env [PW, hunter2-hunter2, x]"),
        ("open_quote", "password: hunter2-hunter2", "password: \"hunter2-hunter2"),
        ("closed_quote", "password: hunter2-hunter2", "password: \"hunter2\"-hunter2-hunter2"),
        ("no_colon", "password: hunter2-hunter2", "password hunter2-hunter2"),
        ("a_tab", "password: hunter2-hunter2", "password:\thunter2-hunter2\t: x"),
        ("an_alias", "password: hunter2-hunter2", "password: *hunter2-hunter2"),
        ("a_tag", "password: hunter2-hunter2", "password: !hunter2-hunter2"),
        ("a_block", "password: hunter2-hunter2", "password: |\n        x\n       hunter2-hunter2"),
        (
            "flow_style",
            "    attrs:\n      name: Bob\n      password: hunter2-hunter2\n",
            "    attrs: {name: Bob, password: hunter2-hunter2\n",
        ),
    ];
    for (name, from, to) in cases {
        desk.write("a.yaml", LITERAL);
        desk.edit("a.yaml", from, to);
        for reader in READERS {
            let ran = desk.run(&[reader, &["a.yaml"]].concat());
            assert_silent(&ran, &SECRETS);
            assert!(ran.code == 1 || reader == ["migrate"], "{name}: {}", ran.page());
        }
        assert_silent(&desk.expect(1, &["apply", "a.yaml"]), &SECRETS);
        insta::assert_snapshot!(name, desk.expect(1, &["plan", "a.yaml"]).page());
    }
    assert!(!desk.path("gatewright.db").exists() || !holds(&desk.database_bytes(), "bob"), "nothing was written");
}

/// A password that YAML reads as a number is set to another text than the one that is seen.
#[test]
fn a_password_that_is_a_number_is_warned_of() {
    let desk = Desk::new();
    desk.write("a.yaml", &LITERAL.replace("hunter2-hunter2", "0123"));
    let ran = desk.expect(0, &["validate", "a.yaml"]);
    insta::assert_snapshot!("octal_password", ran.page());
}

/// The diff of a migration shows lines around those that change.
#[test]
fn a_migration_shows_no_secret() {
    let desk = Desk::new();
    let text = LITERAL.replace("      bind_password", "      user_property_mappings: []\n      bind_password");
    desk.write("a.yaml", &text);
    let ran = desk.expect(2, &["migrate", "a.yaml"]);
    assert_silent(&ran, &SECRETS);
    assert!(ran.out.contains("+      property_mappings: []\n       bind_password: **************\n"), "{}", ran.page());
    assert_silent(&desk.expect(0, &["migrate", "--write", "a.yaml"]), &SECRETS);
    assert_eq!(desk.read("a.yaml"), text.replace("user_property_mappings", "property_mappings"));
}

/// What came from the environment once stays hidden when its entry says something else, and when its object goes.
#[test]
fn a_value_of_the_environment_stays_hidden_afterwards() {
    let desk = Desk::new();
    let group = |note: &str, state: &str| {
        format!(
            "version: 1\nentries:\n  - model: authentik_core.group\n    state: {state}\n    identifiers: {{name: g}}\n    attrs: {{attributes: {{note: {note}}}}}\n"
        )
    };
    desk.write("values.env", "NOTE=from-the-environment\n");
    desk.write("a.yaml", &group("!Env NOTE", "present"));
    desk.expect(0, &["apply", "--yes", "--env-file", "values.env", "a.yaml"]);
    desk.write("a.yaml", &group("plain", "present"));
    let mut shown = desk.expect(0, &["plan", "a.yaml"]).out;
    shown.push_str(&desk.expect(0, &["plan", "--json", "a.yaml"]).out);
    desk.expect(0, &["apply", "--yes", "a.yaml"]);
    desk.write("a.yaml", &group("plain", "absent"));
    shown.push_str(&desk.expect(0, &["plan", "--verbose", "a.yaml"]).out);
    desk.expect(0, &["apply", "--yes", "a.yaml"]);
    for arguments in [&["history", "--object", "group/g"][..], &["show", "1"], &["show", "2"], &["show", "3"]] {
        shown.push_str(&desk.expect(0, arguments).page());
    }
    assert!(shown.contains("(secret)") && !shown.contains("from-the-environment"), "{shown}");
}
