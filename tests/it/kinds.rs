//! The declared kinds against the blueprint schema of the reference system, where that is at hand.

use std::{collections::BTreeSet, path::PathBuf};

use gatewright::{
    model::{Change, KindInfo, kind::COMMON_READ_ONLY},
    registry::registry,
};
use serde_json::Value;

/// Values that we accept and 2024.6 does not know: kind, field, values. They come from later releases.
const LATER_VALUES: &[(&str, &str, &[&str])] = &[
    ("authentik_flows.flow", "authentication", &["require_redirect"]),
    (
        "authentik_policies_event_matcher.eventmatcherpolicy",
        "app",
        &[
            "authentik.enterprise.policies.unique_password",
            "authentik.enterprise.providers.ssf",
            "authentik.enterprise.stages.authenticator_endpoint_gdtc",
            "authentik.enterprise.stages.mtls",
            "authentik.policies.geoip",
            "authentik.providers.rac",
            "authentik.sources.kerberos",
            "authentik.stages.authenticator_email",
            "authentik.stages.redirect",
            "authentik.tasks",
            "authentik.tasks.schedules",
        ],
    ),
    ("authentik_sources_saml.samlsource", "name_id_policy", &["urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"]),
    ("authentik_stages_authenticator_validate.authenticatorvalidatestage", "device_classes", &["email"]),
    ("authentik_stages_password.passwordstage", "backends", &["authentik.sources.kerberos.auth.KerberosBackend"]),
];

/// Fields whose values 2024.6 lists and we describe by a pattern: names of kinds grow with every release.
const OPEN_VALUES: &[(&str, &str)] = &[("authentik_policies_event_matcher.eventmatcherpolicy", "model")];

/// Schema of the reference system's blueprints, from the folder that `GATEWRIGHT_TEST_DATA` names.
fn schema_2024_6() -> Option<Value> {
    let folder = match std::env::var_os("GATEWRIGHT_TEST_DATA") {
        Some(folder) => PathBuf::from(folder),
        None => PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
    };
    let text = std::fs::read_to_string(folder.join("authentik-2024.6.4/blueprints/schema.json")).ok()?;
    Some(serde_json::from_str(&text).expect("the schema is JSON"))
}

#[test]
fn every_kind_of_2024_6_is_declared_with_all_its_fields() {
    let Some(schema) = schema_2024_6() else {
        println!("skipped: no reference data (set GATEWRIGHT_TEST_DATA to its folder)");
        return;
    };
    let registry = registry().expect("the declarations agree");
    let definitions =
        schema.get("$defs").or(schema.get("definitions")).and_then(Value::as_object).expect("definitions");
    let mut problems = Vec::new();
    let mut kinds = 0;
    for (definition, theirs) in definitions {
        let Some(name) = definition.strip_prefix("model_") else { continue };
        kinds += 1;
        match registry.find(name) {
            Some(kind) => compare(kind, theirs, &mut problems),
            None => problems.push(format!("{name}: not declared")),
        }
    }
    assert_eq!(kinds, 81);
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

fn compare(kind: &KindInfo, theirs: &Value, problems: &mut Vec<String>) {
    for (field, theirs) in theirs["properties"].as_object().into_iter().flatten() {
        let Some(ours) = kind.fields.get(field) else {
            let changed = kind.changes.iter().any(|change| match change {
                Change::Renamed { from, .. } => from == field,
                Change::Removed { field: removed, .. } => removed == field,
                Change::Converted { .. } => false,
            });
            let read_only = kind.read_only.iter().chain(&COMMON_READ_ONLY).any(|name| name == field);
            if !changed && !read_only {
                problems.push(format!("{}.{field}: unknown", kind.name));
            }
            continue;
        };
        let (ours, theirs) = (values(&ours.schema), values(theirs));
        if theirs.is_empty() || OPEN_VALUES.contains(&(kind.name, field)) {
            continue;
        }
        let later: BTreeSet<String> = LATER_VALUES
            .iter()
            .filter(|(name, of, _)| *name == kind.name && of == field)
            .flat_map(|(_, _, values)| values.iter().map(|value| (*value).to_owned()))
            .collect();
        if let Some(missing) = theirs.difference(&ours).next() {
            problems.push(format!("{}.{field}: {missing} is not a value", kind.name));
        }
        let extra: BTreeSet<String> = ours.difference(&theirs).cloned().collect();
        if extra != later {
            problems.push(format!("{}.{field}: values {extra:?} are not of 2024.6", kind.name));
        }
    }
}

/// The listed values of a field, or of its items, other than null.
fn values(schema: &Value) -> BTreeSet<String> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let own = listed.filter(|value| !value.is_null()).map(|value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    let branches = schema["anyOf"].as_array().into_iter().flatten().chain(schema.get("items"));
    own.chain(branches.flat_map(values)).collect()
}
