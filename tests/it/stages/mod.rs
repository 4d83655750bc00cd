//! Stages, told as people meet them: over HTTP, from the first page to the last.

mod account;
mod sign_in;

/// Entries of a document, in order, under one name.
fn document(entries: &str) -> String {
    format!("version: 1\nmetadata: {{name: flows}}\nentries:\n{entries}")
}

/// An entry of a flow.
fn flow(slug: &str, designation: &str) -> String {
    format!(
        "  - model: authentik_flows.flow\n    id: {slug}\n    identifiers: {{slug: {slug}}}\n    attrs: {{name: {slug}, \
         title: {slug}, designation: {designation}}}\n"
    )
}

/// Entries of a stage and of its place in a flow.
fn stage(slug: &str, order: u32, kind: &str, attrs: &str) -> String {
    let name = format!("{slug}-{order}");
    format!(
        "  - model: {kind}\n    id: {name}\n    identifiers: {{name: {name}}}\n    attrs: {{{attrs}}}\n  - model: \
         authentik_flows.flowstagebinding\n    identifiers: {{target: !KeyOf {slug}, stage: !KeyOf {name}, order: {order}}}\n"
    )
}

/// An entry of a prompt.
fn prompt(key: &str, kind: &str, more: &str) -> String {
    format!(
        "  - model: authentik_stages_prompt.prompt\n    id: prompt-{key}\n    identifiers: {{name: prompt-{key}}}\n    \
         attrs: {{field_key: {key}, label: {key}, type: {kind}, {more}}}\n"
    )
}

const IDENTIFICATION: &str = "authentik_stages_identification.identificationstage";
const PASSWORD: &str = "authentik_stages_password.passwordstage";
const LOGIN: &str = "authentik_stages_user_login.userloginstage";
const INBUILT: &str = "backends: [authentik.core.auth.InbuiltBackend]";

/// A sign-in by name and password.
fn sign_in(identification: &str) -> String {
    document(&format!(
        "{}{}{}{}",
        flow("in", "authentication"),
        stage("in", 10, IDENTIFICATION, identification),
        stage("in", 20, PASSWORD, INBUILT),
        stage("in", 30, LOGIN, "session_duration: hours=1"),
    ))
}
