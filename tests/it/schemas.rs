//! The published schemas: current, right about real blueprints, and strict about mistakes.

#![allow(clippy::disallowed_methods, reason = "the test is told by variables where data lies and whether to write")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use gatewright::{
    model::{Registry, publish},
    registry::registry,
};
use serde_json::{Map, Value, json};
use walkdir::WalkDir;

fn kinds() -> Registry {
    registry().expect("the declarations agree")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn compile(schema: &Value) -> jsonschema::Validator {
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft7)
        .should_validate_formats(true)
        .build(schema)
        .expect("the schema compiles")
}

fn blueprint() -> jsonschema::Validator {
    compile(&publish::blueprint_schema(&kinds()))
}

/// Text of the files below a folder, by their path in it.
fn texts(folder: &Path, endings: &[&str]) -> BTreeMap<String, String> {
    WalkDir::new(folder)
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| endings.iter().any(|ending| entry.path().to_string_lossy().ends_with(ending)))
        .map(|entry| {
            let name =
                entry.path().strip_prefix(folder).expect("below the folder").to_string_lossy().replace('\\', "/");
            (name, fs::read_to_string(entry.path()).expect("readable"))
        })
        .collect()
}

#[test]
fn the_folder_of_schemas_is_current() {
    let folder = root().join("schemas");
    let wanted = publish::files(&kinds());
    let mut present = texts(&folder, &[".json"]);
    // Written by hand and tested where plans are rendered.
    present.remove("plan.schema.json");
    if std::env::var_os("GATEWRIGHT_UPDATE").is_some() {
        for name in present.keys().filter(|name| !wanted.contains_key(*name)) {
            fs::remove_file(folder.join(name)).expect("removable");
        }
        for (name, text) in &wanted {
            let file = folder.join(name);
            fs::create_dir_all(file.parent().expect("a folder")).expect("writable");
            fs::write(file, text).expect("writable");
        }
        return;
    }
    let stale: Vec<&String> = wanted
        .keys()
        .chain(present.keys())
        .filter(|name| wanted.get(*name) != present.get(*name))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect();
    assert!(stale.is_empty(), "not current: {stale:?}; run the test with GATEWRIGHT_UPDATE=1 and commit `schemas/`");
}

#[test]
fn the_schemas_are_sound_and_of_reasonable_size() {
    let registry = kinds();
    for info in registry.kinds() {
        let schema = publish::kind_schema(&registry, info);
        assert!(jsonschema::draft7::meta::is_valid(&schema), "{}", info.name);
        compile(&schema);
    }
    let schema = publish::blueprint_schema(&registry);
    assert!(jsonschema::draft7::meta::is_valid(&schema));
    compile(&schema);
    let size = schema.to_string().len();
    assert!(size < 500_000, "{size} bytes without white space");
    no_marks(&schema, "");
}

/// The marks that only the engine reads are not published.
fn no_marks(schema: &Value, path: &str) {
    match schema {
        Value::Object(object) => {
            for (name, inner) in object {
                assert!(name == "x-target" || !name.starts_with("x-"), "{path}/{name}");
                no_marks(inner, &format!("{path}/{name}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| no_marks(inner, path)),
        _ => {}
    }
}

#[test]
fn defaults_fit_their_own_schemas() {
    let registry = kinds();
    for info in registry.kinds() {
        let schema = publish::kind_schema(&registry, info);
        let fields = schema["properties"]["attrs"]["properties"].as_object().expect("properties");
        let defaults: Map<String, Value> =
            fields.iter().filter_map(|(name, field)| Some((name.clone(), field.get("default")?.clone()))).collect();
        let mut attrs = schema["properties"]["attrs"].clone();
        attrs["definitions"] = schema["definitions"].clone();
        let errors: Vec<String> =
            compile(&attrs).iter_errors(&Value::Object(defaults)).map(|error| error.to_string()).collect();
        assert!(info.meta || errors.is_empty(), "{}: {errors:?}", info.name);
    }
}

#[test]
fn every_kind_and_field_is_described() {
    let mut problems = Vec::new();
    for info in kinds().kinds() {
        if info.description.trim().is_empty() {
            problems.push(format!("{} has no description", info.name));
        }
        for field in info.fields.values() {
            let text = field.schema["description"].as_str().unwrap_or_default();
            let words = |text: &str| {
                let text = text.to_lowercase().replace(|letter: char| !letter.is_alphanumeric(), " ");
                let skipped = ["the", "a", "an", "of", "whether", "if"];
                text.split_whitespace().filter(|word| !skipped.contains(word)).map(str::to_owned).collect()
            };
            let said: BTreeSet<String> = words(text);
            let name: BTreeSet<String> = words(&field.name);
            let kind: BTreeSet<String> = words(info.title);
            if said.is_empty() || said.iter().all(|word| name.contains(word) || kind.contains(word)) && said.len() > 1 {
                problems.push(format!("{}.{}: {text:?} says no more than the name", info.name, field.name));
            }
            if !text.ends_with(['.', ')', '`']) {
                problems.push(format!("{}.{}: {text:?} is no sentence", info.name, field.name));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// A document as an editor's language server hands it to a schema: tags are dropped, a tagged scalar is its text.
fn as_edited(value: serde_yaml::Value) -> Value {
    use serde_yaml::Value as Yaml;
    match value {
        Yaml::Null => Value::Null,
        Yaml::Bool(truth) => json!(truth),
        Yaml::Number(number) => serde_json::to_value(number).expect("a number"),
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => items.into_iter().map(as_edited).collect(),
        Yaml::Mapping(pairs) => {
            pairs.into_iter().map(|(key, value)| (text(as_edited(key)), as_edited(value))).collect()
        }
        Yaml::Tagged(tagged) => match as_edited(tagged.value) {
            list @ (Value::Array(_) | Value::Object(_)) => list,
            scalar => json!(text(scalar)),
        },
    }
}

fn text(scalar: Value) -> String {
    match scalar {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn read(yaml: &str) -> Value {
    let mut value: serde_yaml::Value = serde_yaml::from_str(yaml).expect("YAML");
    value.apply_merge().expect("merge keys");
    as_edited(value)
}

fn errors(validator: &jsonschema::Validator, document: &Value) -> Vec<String> {
    validator.iter_errors(document).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

/// Checks all blueprints below a folder.
fn all_pass(folder: &Path, exceptions: &[&str]) -> usize {
    let validator = blueprint();
    let files = texts(folder, &[".yaml", ".yml"]);
    let mut problems = Vec::new();
    for (name, yaml) in &files {
        let found = errors(&validator, &read(yaml));
        if found.is_empty() == exceptions.contains(&name.as_str()) {
            problems.push(format!("{name}: {found:#?}"));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    files.len()
}

#[test]
fn our_blueprints_pass() {
    assert!(all_pass(&root().join("blueprints"), &[]) > 20);
}

#[test]
fn blueprints_of_2024_6_pass() {
    let folder = match std::env::var_os("GATEWRIGHT_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => root().join("../shared/data"),
    };
    let folder = folder.join("authentik-2024.6.4/blueprints");
    if !folder.is_dir() {
        println!("skipped: no reference data (set GATEWRIGHT_TEST_DATA to its folder)");
        return;
    }
    assert!(all_pass(&folder, &[]) > 20);
}

/// What a schema must take, each a whole entry list.
const RIGHT: &[&str] = &[
    // every position takes a tag
    "[{model: authentik_flows.flow, identifiers: {slug: !Context slug}, attrs: {name: !Format ['%s', x], designation: !Context [d, recovery], compatibility_mode: !Env COMPAT}}]",
    "[{model: authentik_flows.flow, state: !If [!Condition [AND, true], present, absent], identifiers: {slug: x}}]",
    "[{model: authentik_flows.flow, state: !Env FLOW_STATE, identifiers: {slug: x}}]",
    "[{model: !Format ['authentik_flows.%s', flow], identifiers: {slug: x}}]",
    "[{model: authentik_flows.flow, conditions: [!Context x, true, !If [a]], identifiers: {slug: x}}]",
    "[{model: authentik_stages_prompt.promptstage, identifiers: {name: x}, attrs: {fields: !Enumerate [!Context f, SEQ, !Find [authentik_stages_prompt.prompt, [name, !Value 0]]]}}]",
    "[{model: authentik_stages_prompt.promptstage, identifiers: {name: x}, attrs: {fields: [!KeyOf a, !Find [authentik_stages_prompt.prompt, [name, b]], 0d2d5e4c-8a3c-4d6e-9d6b-0f4d5b6c7a81]}}]",
    "[{model: authentik_stages_prompt.promptstage, identifiers: {name: x}, attrs: {fields: !Context [fields, []]}}]",
    "[{model: authentik_core.user, identifiers: {username: x}, attrs: {name: !Context [name, !Context [other, []]]}}]",
    "[{model: authentik_core.user, identifiers: {username: x}, attrs: {attributes: !File [user.json, {}], is_active: !Context active}}]",
    "[{model: authentik_stages_email.emailstage, identifiers: {name: x}, attrs: {from_address: !Env MAIL_FROM, port: !Env MAIL_PORT}}]",
    // references: UUID, number of a numbered kind, null where nothing is allowed
    "[{model: authentik_core.application, identifiers: {slug: x}, attrs: {provider: 7, name: x}}]",
    "[{model: authentik_core.application, identifiers: {slug: x}, attrs: {provider: null}}]",
    "[{model: authentik_stages_identification.identificationstage, identifiers: {name: x}, attrs: {password_stage: 0d2d5e4c-8a3c-4d6e-9d6b-0f4d5b6c7a81, sources: []}}]",
    // identifiers by lookup and path
    "[{model: authentik_policies.policybinding, identifiers: {target__slug: x, order: 0}}]",
    "[{model: authentik_core.user, identifiers: {username__iexact: Admin}}]",
    "[{model: authentik_core.user, identifiers: {pk: 3}}]",
    // a creation has what it needs, among identifiers or attributes; an update needs nothing
    "[{model: authentik_flows.flow, state: must_created, identifiers: {slug: x}, attrs: {name: x, title: x, designation: recovery}}]",
    "[{model: authentik_flows.flow, state: absent, identifiers: {slug: x}}]",
    "[{model: authentik_flows.flow, identifiers: {slug: x}, attrs: null}]",
    // other releases, other spellings
    "[{model: authentik_core.User, identifiers: {username: x}}]",
    "[{model: authentik_tenants.tenant, identifiers: {domain: x}, attrs: {event_retention: days=1}}]",
    "[{model: authentik_sources_ldap.ldapsource, identifiers: {slug: x}, attrs: {user_property_mappings: []}}]",
    "[{model: authentik_stages_authenticator_totp.authenticatortotpstage, identifiers: {name: x}, attrs: {digits: 6}}]",
    "[{model: authentik_providers_oauth2.oauth2provider, identifiers: {name: x}, attrs: {redirect_uris: 'https://a.example/ https://b.example/'}}]",
    "[{model: authentik_providers_oauth2.oauth2provider, identifiers: {name: x}, attrs: {redirect_uris: [{matching_mode: strict, url: 'https://a.example/'}]}}]",
    "[{model: authentik_flows.flow, identifiers: {slug: x}, attrs: {flow_set: []}}]",
    // an instruction has no identifiers
    "[{model: authentik_blueprints.metaapplyblueprint, attrs: {identifiers: {name: x}}}]",
    "[{model: authentik_flows.flow, identifiers: {slug: x}, permissions: [{permission: view_flow, role: !KeyOf r}]}]",
    // groups of entries
    "{first: [{model: authentik_flows.flow, identifiers: {slug: x}}], second: null}",
];

/// What a schema must refuse, with the place that the error names.
const WRONG: &[(&str, &str)] = &[
    ("[{modle: authentik_flows.flow, identifiers: {slug: x}}]", "/entries/0"),
    ("[{model: authentik_flows.flwo, identifiers: {slug: x}}]", "/entries/0/model"),
    ("[{model: authentik_flows.flow, identifier: {slug: x}}]", "/entries/0"),
    ("[{model: authentik_flows.flow, attrs: {name: x}}]", "/entries/0"),
    ("[{model: authentik_flows.flow, identifiers: {}}]", "/entries/0/identifiers"),
    ("[{model: authentik_flows.flow, identifiers: {slgu: x}}]", "/entries/0/identifiers"),
    ("[{model: authentik_flows.flow, identifiers: {slgu__iexact: x}}]", "/entries/0/identifiers"),
    ("[{model: authentik_flows.flow, identifiers: {slug: two words}}]", "/entries/0/identifiers/slug"),
    ("[{model: authentik_flows.flow, state: presnet, identifiers: {slug: x}}]", "/entries/0/state"),
    ("[{model: authentik_flows.flow, identifiers: {slug: x}, attrs: {desingation: recovery}}]", "/entries/0/attrs"),
    (
        "[{model: authentik_flows.flow, identifiers: {slug: x}, attrs: {designation: recvoery}}]",
        "/entries/0/attrs/designation",
    ),
    ("[{model: authentik_flows.flow, identifiers: {slug: x}, attrs: {layout: null}}]", "/entries/0/attrs/layout"),
    ("[{model: authentik_flows.flow, identifiers: {slug: x}, attrs: {title: []}}]", "/entries/0/attrs/title"),
    ("[{model: authentik_flows.flow, id: 7, identifiers: {slug: x}}]", "/entries/0/id"),
    (
        "[{model: authentik_flows.flow, state: must_created, identifiers: {slug: x}, attrs: {name: x, title: x}}]",
        "/entries/0",
    ),
    (
        "[{model: authentik_core.application, identifiers: {slug: x}, attrs: {provider: my provider}}]",
        "/entries/0/attrs/provider",
    ),
    (
        "[{model: authentik_stages_identification.identificationstage, identifiers: {name: x}, attrs: {password_stage: 7}}]",
        "/entries/0/attrs/password_stage",
    ),
    (
        "[{model: authentik_flows.flowstagebinding, identifiers: {target: !Find [authentik_flows.flwo, [slug, x]]}}]",
        "/entries/0/identifiers/target/0",
    ),
    (
        "[{model: authentik_stages_identification.identificationstage, identifiers: {name: x}, attrs: {user_fields: [emial]}}]",
        "/entries/0/attrs/user_fields/0",
    ),
    (
        "[{model: authentik_stages_identification.identificationstage, identifiers: {name: x}, attrs: {user_fields: email}}]",
        "/entries/0/attrs/user_fields",
    ),
    (
        "[{model: authentik_providers_oauth2.oauth2provider, identifiers: {name: x}, attrs: {redirect_uris: [{mode: strict, url: x}]}}]",
        "/entries/0/attrs/redirect_uris",
    ),
    (
        "[{model: authentik_stages_email.emailstage, identifiers: {name: x}, attrs: {port: 99999}}]",
        "/entries/0/attrs/port",
    ),
    (
        "[{model: authentik_stages_email.emailstage, identifiers: {name: x}, attrs: {from_address: a b}}]",
        "/entries/0/attrs/from_address",
    ),
    ("[{model: authentik_blueprints.metaapplyblueprint, attrs: {required: true}}]", "/entries/0/attrs"),
    (
        "[{model: authentik_flows.flow, identifiers: {slug: x}, permissions: [{role: !KeyOf r}]}]",
        "/entries/0/permissions/0",
    ),
    ("{first: [{model: authentik_flows.flwo, identifiers: {slug: x}}]}", "/entries/first/0/model"),
];

#[test]
fn what_is_right_passes_and_what_is_wrong_is_refused_in_its_place() {
    let validator = blueprint();
    for entries in RIGHT {
        let document = read(&format!("version: 1\nmetadata: {{name: test}}\nentries: {entries}"));
        let found = errors(&validator, &document);
        assert!(found.is_empty(), "{entries}: {found:#?}");
    }
    for (entries, place) in WRONG {
        let document = read(&format!("version: 1\nentries: {entries}"));
        let places: BTreeSet<String> =
            validator.iter_errors(&document).map(|error| error.instance_path().to_string()).collect();
        assert_eq!(places, BTreeSet::from([(*place).to_owned()]), "{entries}");
    }
    for document in ["versoin: 1", "version: 2", "version: '1'", "metadata: {labels: {}}", "entries: !Context x"] {
        assert!(!errors(&validator, &read(document)).is_empty(), "{document}");
    }
}

#[test]
fn a_schema_of_one_kind_judges_one_entry_alike() {
    let registry = kinds();
    let whole = blueprint();
    for entries in RIGHT.iter().chain(WRONG.iter().map(|(entries, _)| entries)) {
        let document = read(&format!("entries: {entries}"));
        let entry = &document["entries"][0];
        let Some(info) = entry["model"].as_str().filter(|name| !name.contains(char::is_uppercase)) else { continue };
        let Some(info) = registry.find(info) else { continue };
        // The kinds that `!Find` names are known to the schema of the whole only.
        if entries.contains("!Find [authentik_flows.flwo") {
            continue;
        }
        let alone = compile(&publish::kind_schema(&registry, info));
        let found = errors(&alone, entry);
        assert_eq!(found.is_empty(), errors(&whole, &document).is_empty(), "{entries}: {found:?}");
    }
}
