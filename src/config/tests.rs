//! The layers, told as tables: what is set where, what comes out, and how mistakes are named.

use std::path::Path;

use serde_json::{Value, json};

use super::{Config, ConfigErrors, ConfigFile, Environment, Flag, SecretKey, load, log};

fn load_all(text: &str, variables: &[(&str, &str)], flags: &[Flag]) -> Result<Config, ConfigErrors> {
    let file = ConfigFile { name: "gatewright.toml".into(), text: text.into() };
    load(Some(&file), &variables.iter().copied().collect(), flags)
}

fn flag(name: &'static str, key: &'static str, value: Value) -> Flag {
    Flag { name, key, value }
}

#[test]
fn without_anything_the_defaults_run() {
    let config = load(None, &Environment::default(), &[]).expect("defaults are valid");
    assert_eq!(config.database.url, "sqlite://gatewright.db");
    assert_eq!(config.listen.to_string(), "127.0.0.1:9000");
    assert!(config.blueprints.shipped && config.blueprints.dirs.is_empty() && config.secret_key.is_none());
    assert_eq!((config.log.format, config.log.level.as_str()), (log::Format::Auto, "info"));
    let rows: Vec<_> = config.report().iter().map(|r| format!("{} {} {}", r.key, r.value, r.origin)).collect();
    assert_eq!(
        rows,
        [
            r#"listen "127.0.0.1:9000" default"#,
            "secret_key (not set) default",
            "secret_key_file (not set) default",
            r#"database.url "sqlite://gatewright.db" default"#,
            "database.max_connections 10 default",
            "blueprints.dirs [] default",
            "blueprints.shipped true default",
            "blueprints.context {} default",
            "blueprints.allow_env [] default",
            "blueprints.allow_files [] default",
            "cache (not set) default",
            "sources {} default",
            r#"trusted_proxies ["127.0.0.0/8","::1"] default"#,
            "egress.allow [] default",
            "egress.only false default",
            "lookups.city (not set) default",
            "lookups.asn (not set) default",
            "lookups.breaches (not set) default",
            r#"log.format "auto" default"#,
            r#"log.level "info" default"#,
        ]
    );
}

#[test]
fn later_layers_win_and_every_value_knows_where_it_came_from() {
    let text = "listen = '0.0.0.0:80'\nsecret_key = 'a-key-from-the-file'\n[database]\nurl = 'postgres://u:hunter2@db/gw'\n\
                max_connections = 1_0\n[blueprints]\ndirs = ['a']\nallow_env = ['CI_*']\n\
                context = { domain = 'acme.test', size = 0x10, on = 2024-01-01 }\n";
    let variables = [
        ("GATEWRIGHT_LISTEN", "127.0.0.1:81"),
        ("GATEWRIGHT_DATABASE_MAX_CONNECTIONS", "7"),
        ("GATEWRIGHT_BLUEPRINTS_DIRS", "b, c"),
        ("GATEWRIGHT_BLUEPRINTS_SHIPPED", "false"),
        ("GATEWRIGHT_BLUEPRINTS_CONTEXT", "domain=env.test, tier=1"),
        ("GATEWRIGHT_LOG_FORMAT", "json"),
        ("GATEWRIGHT_BOOTSTRAP_PASSWORD", "not a key"),
        ("GATEWRIGHT_CONFIG", "gatewright.toml"),
        ("HOME", "/root"),
    ];
    let flags = [
        flag("--listen", "listen", json!("[::1]:82")),
        flag("--context", "blueprints.context", json!({ "tier": "2" })),
        flag("--blueprints", "blueprints.dirs", json!(["d"])),
    ];
    let config = load_all(text, &variables, &flags).expect("all of it is valid");
    assert_eq!(config.listen.to_string(), "[::1]:82");
    assert_eq!(config.database.max_connections.get(), 7);
    assert_eq!(config.blueprints.dirs, [Path::new("d")]);
    assert_eq!(config.secret_key.as_ref().map(SecretKey::expose), Some("a-key-from-the-file"));
    assert_eq!(
        Value::Object(config.blueprints.context.clone()),
        json!({ "domain": "env.test", "on": "2024-01-01", "size": 16, "tier": "2" })
    );
    let rows: Vec<_> = config.report().iter().map(|r| format!("{} {} {}", r.key, r.value, r.origin)).collect();
    assert_eq!(
        rows,
        [
            r#"listen "[::1]:82" flag --listen"#,
            "secret_key (secret) gatewright.toml:2",
            "secret_key_file (not set) default",
            r#"database.url "postgres://u:(secret)@db/gw" gatewright.toml:4"#,
            "database.max_connections 7 variable GATEWRIGHT_DATABASE_MAX_CONNECTIONS",
            r#"blueprints.dirs ["d"] flag --blueprints"#,
            "blueprints.shipped false variable GATEWRIGHT_BLUEPRINTS_SHIPPED",
            "blueprints.context.domain (secret) variable GATEWRIGHT_BLUEPRINTS_CONTEXT",
            "blueprints.context.on (secret) gatewright.toml:9",
            "blueprints.context.size (secret) gatewright.toml:9",
            "blueprints.context.tier (secret) flag --context",
            r#"blueprints.allow_env ["CI_*"] gatewright.toml:8"#,
            "blueprints.allow_files [] default",
            "cache (not set) default",
            "sources {} default",
            r#"trusted_proxies ["127.0.0.0/8","::1"] default"#,
            "egress.allow [] default",
            "egress.only false default",
            "lookups.city (not set) default",
            "lookups.asn (not set) default",
            "lookups.breaches (not set) default",
            r#"log.format "json" variable GATEWRIGHT_LOG_FORMAT"#,
            r#"log.level "info" default"#,
        ]
    );
    assert!(!format!("{config:?}").contains("a-key-from-the-file"), "the secret key prints");
}

#[test]
fn mistakes_name_the_key_the_place_and_the_way_out() {
    // The file, the variables, and how each message begins.
    type Case<'c> = (&'c str, &'c [(&'c str, &'c str)], &'c [&'c str]);
    let cases: &[Case<'_>] = &[
        ("lisen = 'x'", &[], &["gatewright.toml:1: unknown key `lisen`; did you mean `listen`?"]),
        ("\n[databse]\nurl = 'x'", &[], &["gatewright.toml:2: unknown key `databse`; did you mean `database`?"]),
        ("url = 'x'", &[], &["gatewright.toml:1: unknown key `url`; did you mean `database.url`?"]),
        (
            "[log]\nlevle = 'x'\nelephant = 1",
            &[],
            &[
                "gatewright.toml:3: unknown key `log.elephant`; remove it, or see `gatewright check` for all keys",
                "gatewright.toml:2: unknown key `log.levle`; did you mean `log.level`?",
            ],
        ),
        ("database = 'x'", &[], &["gatewright.toml:1: `database` is a section; write [database] and its keys below"]),
        ("a = [1,", &[], &["gatewright.toml:1: not valid TOML: "]),
        (
            "listen = 'nowhere'\n[database]\nmax_connections = 0",
            &[],
            &[
                "gatewright.toml:1: `listen` does not fit: invalid socket address syntax",
                "gatewright.toml:3: `database.max_connections` does not fit: invalid value: integer `0`",
            ],
        ),
        (
            "",
            &[("GATEWRIGHT_DATABASE_URI", "x"), ("GATEWRIGHT_LOG_FORMAT", "xml"), ("GATEWRIGHT_SOMETHING_ELSE", "1")],
            &[
                "unknown variable GATEWRIGHT_DATABASE_URI; did you mean `GATEWRIGHT_DATABASE_URL`?",
                "unknown variable GATEWRIGHT_SOMETHING_ELSE; remove it, or see `gatewright check` for all keys",
                "variable GATEWRIGHT_LOG_FORMAT: `log.format` does not fit: unknown variant `xml`, expected one of `auto`",
            ],
        ),
        (
            "",
            &[("GATEWRIGHT_BLUEPRINTS_SHIPPED", "maybe"), ("GATEWRIGHT_BLUEPRINTS_CONTEXT", "a")],
            &[
                "variable GATEWRIGHT_BLUEPRINTS_CONTEXT: `blueprints.context` must be name=value pairs",
                "variable GATEWRIGHT_BLUEPRINTS_SHIPPED: `blueprints.shipped` must be true or false",
            ],
        ),
        ("[database]\nurl = 'mysql://x'", &[], &["gatewright.toml:2: `database.url` must start with sqlite://"]),
        ("[log]\nlevel = 'infoo'", &[], &["gatewright.toml:2: `log.level` knows no level `infoo`"]),
        ("[blueprints]\nallow_env = ['[']", &[], &["gatewright.toml:2: `blueprints.allow_env` is not a list of globs"]),
        (
            "secret_key_file = 'f'",
            &[("GATEWRIGHT_SECRET_KEY", "a-key-from-a-variable")],
            &["gatewright.toml:1: `secret_key_file` contradicts `secret_key`"],
        ),
    ];
    for (text, variables, expected) in cases {
        let error = load_all(text, variables, &[]).expect_err(text).to_string();
        let lines: Vec<_> = error.lines().collect();
        assert_eq!(lines.len(), expected.len(), "{text}: {error}");
        for expected in *expected {
            assert!(lines.iter().any(|line| line.starts_with(expected)), "{text}: {error}\nlacks: {expected}");
        }
    }
}

#[test]
fn messages_never_repeat_a_secret() {
    for (text, variables) in [
        ("secret_key = 'hunter2'", &[][..]),
        ("secret_key = ['hunter2']", &[]),
        ("secret_key = hunter2", &[]),
        ("secret_key = 'hunter2", &[]),
        ("secret_key = hunter2 hunter2", &[]),
        ("[database]\nurl = ['postgres://u:hunter2@h']", &[]),
        ("[database]\nurl = 'psotgres://u:hunter2@h'", &[]),
        ("[blueprints]\ncontext = 'hunter2'", &[]),
        ("", &[("GATEWRIGHT_SECRET_KEY", "hunter2")]),
        ("", &[("GATEWRIGHT_BLUEPRINTS_CONTEXT", "hunter2")]),
    ] {
        let error = load_all(text, variables, &[]).expect_err(text).to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn the_file_is_the_flags_the_variables_or_the_one_in_the_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let none = Environment::default();
    let find = |flag: Option<&str>, environment: &Environment| {
        ConfigFile::find(flag.map(Path::new), environment, directory.path()).map(|file| file.map(|file| file.name))
    };
    assert_eq!(find(None, &none).expect("absence is fine"), None);
    for name in ["gatewright.toml", "variable.toml", "flag.toml"] {
        std::fs::write(directory.path().join(name), "").expect("the directory can be written");
    }
    let variable: Environment = [("GATEWRIGHT_CONFIG", "variable.toml")].into_iter().collect();
    assert_eq!(find(None, &none).expect("found").as_deref(), Some("gatewright.toml"));
    assert_eq!(find(None, &variable).expect("found").as_deref(), Some("variable.toml"));
    assert_eq!(find(Some("flag.toml"), &variable).expect("found").as_deref(), Some("flag.toml"));
    let error = find(Some("gone.toml"), &none).expect_err("a named file must exist").to_string();
    assert!(error.starts_with("gone.toml: the configuration file cannot be read"), "{error}");
}
