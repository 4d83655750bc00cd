//! Objects as the API shows them.

use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    flows::stage_binding::FlowStageBinding,
    identity::{avatar, person::Person, role::Role},
    model::{Kind, Model, Object},
};

/// Permissions of the server as a whole that a superuser has.
const SYSTEM_PERMISSIONS: [&str; 10] = [
    "view_system_settings",
    "view_role",
    "assign_role_permissions",
    "delete_role",
    "change_role",
    "view_system_info",
    "access_admin_interface",
    "add_role",
    "edit_system_settings",
    "unassign_role_permissions",
];

/// A point in time from microseconds since 1970; null for one that no calendar has.
pub fn time(us: i64) -> Value {
    Timestamp::from_microsecond(us).map_or(Value::Null, |time| json!(time.to_string()))
}

/// The SHA-256 of something in hexadecimal digits.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The stable identifier of a person that other systems get.
fn uid(person: &Person, instance: Uuid) -> String {
    sha256(format!("{}-{instance}", person.object.number.unwrap_or_default()).as_bytes())
}

fn picture(person: &Person) -> String {
    avatar::initials(match person.text("name") {
        "" => person.username(),
        name => name,
    })
}

/// A person as they see themselves.
pub fn user_self(model: &Model, person: &Person) -> Value {
    let groups = person.groups.iter().take(person.direct);
    let groups: Vec<Value> = groups.map(|group| json!({ "name": group.text("name"), "pk": group.id })).collect();
    json!({
        "pk": person.object.number,
        "username": person.username(),
        "name": person.text("name"),
        "is_active": person.is_active(),
        "is_superuser": person.is_superuser(),
        "groups": groups,
        "email": person.email(),
        "avatar": picture(person),
        "uid": uid(person, model.instance),
        "settings": person.merged_attributes().get("settings").cloned().unwrap_or_else(|| json!({})),
        "type": person.text("type"),
        "system_permissions": system_permissions(model, person),
    })
}

fn system_permissions(model: &Model, person: &Person) -> Vec<&'static str> {
    if person.is_superuser() {
        return SYSTEM_PERMISSIONS.to_vec();
    }
    let roles = person.groups.iter().flat_map(|group| group.targets("roles")).filter_map(|id| model.known(*id));
    let roles = roles.filter(|role| model.registry().get(role.kind).name == Role::NAME);
    let granted: Vec<&str> = std::iter::once(&*person.object)
        .chain(roles.map(|role| &**role))
        .filter_map(|object| object.attrs.get("permissions").and_then(Value::as_array))
        .flatten()
        .filter_map(|permission| permission.as_str()?.strip_prefix("authentik_rbac."))
        .collect();
    SYSTEM_PERMISSIONS.into_iter().filter(|permission| granted.contains(permission)).collect()
}

/// A person as administrators see them.
pub fn user(model: &Model, person: &Person, last_login: Option<i64>) -> Value {
    let direct = || person.groups.iter().take(person.direct);
    let ids: Vec<Uuid> = direct().map(|group| group.id).collect();
    let groups: Vec<Value> = direct().map(|group| self::group(person, group)).collect();
    json!({
        "pk": person.object.number,
        "username": person.username(),
        "name": person.text("name"),
        "is_active": person.is_active(),
        "last_login": last_login.map(time),
        "is_superuser": person.is_superuser(),
        "groups": ids,
        "groups_obj": groups,
        "email": person.email(),
        "avatar": picture(person),
        "attributes": person.attributes(),
        "uid": uid(person, model.instance),
        "path": person.text("path"),
        "type": person.text("type"),
        "uuid": person.id(),
    })
}

/// A group that a person is in.
fn group(person: &Person, group: &Object) -> Value {
    let parent = group.targets("parent").first();
    let above = parent.and_then(|parent| person.groups.iter().find(|group| group.id == *parent));
    let digits: String = group.id.as_u128().to_string().chars().take(5).collect();
    json!({
        "pk": group.id,
        "num_pk": digits.parse::<u64>().unwrap_or_default(),
        "name": group.text("name"),
        "is_superuser": group.attrs.get("is_superuser"),
        "parent": parent,
        "parent_name": above.and_then(|group| group.text("name")),
        "attributes": group.attrs.get("attributes"),
    })
}

/// The fields by which every object of a kind is described: what it is called, and which page of an administration edits
/// it.
fn described(model: &Model, object: &Object) -> Map<String, Value> {
    let kind = model.registry().get(object.kind);
    let short = kind.name.rsplit('.').next().unwrap_or_default();
    let component = short.strip_suffix("stage").map_or_else(
        || format!("ak-{}-form", short.replace("provider", "-provider").trim_matches('-')),
        |stage| format!("ak-stage-{stage}-form"),
    );
    let fields = json!({
        "pk": object.number.map_or_else(|| json!(object.id), |number| json!(number)),
        "name": object.text("name"),
        "component": component,
        "verbose_name": kind.title,
        "verbose_name_plural": format!("{}s", kind.title),
        "meta_model_name": kind.name,
    });
    match fields {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// The binding of a stage to a flow.
pub fn stage_binding(model: &Model, binding: &Object) -> Value {
    let attr = |field: &str| binding.attrs.get(field).cloned().unwrap_or(Value::Null);
    let stage = binding.targets("stage").first();
    let mut shown = json!({
        "pk": binding.id,
        "policybindingmodel_ptr_id": binding.id,
        "target": binding.targets("target").first(),
        "stage": stage,
        "stage_obj": {},
        "evaluate_on_plan": attr("evaluate_on_plan"),
        "re_evaluate_policies": attr("re_evaluate_policies"),
        "order": attr("order"),
        "policy_engine_mode": attr("policy_engine_mode"),
        "invalid_response_action": attr("invalid_response_action"),
    });
    if let Some(stage) = stage.and_then(|stage| model.known(*stage)) {
        let mut described = described(model, stage);
        described.insert("flow_set".to_owned(), Value::Array(flows_of(model, stage.id)));
        shown["stage_obj"] = Value::Object(described);
    }
    shown
}

/// The flows that a stage is bound to.
fn flows_of(model: &Model, stage: Uuid) -> Vec<Value> {
    let Some(kind) = model.registry().find(FlowStageBinding::NAME) else { return Vec::new() };
    let bindings = model.known_of_kind(kind.index).filter(|binding| binding.targets("stage").first() == Some(&stage));
    let flows = bindings.filter_map(|binding| model.known(*binding.targets("target").first()?));
    flows.map(|flow| self::flow(flow)).collect()
}

/// A flow in short.
fn flow(flow: &Object) -> Value {
    let attr = |field: &str| flow.attrs.get(field).cloned().unwrap_or(Value::Null);
    let slug = flow.text("slug").unwrap_or_default();
    json!({
        "pk": flow.id,
        "policybindingmodel_ptr_id": flow.id,
        "name": attr("name"),
        "slug": slug,
        "title": attr("title"),
        "designation": attr("designation"),
        "background": flow.text("background").unwrap_or_else(|| "/static/dist/assets/images/flow_background.jpg".to_owned()),
        "policy_engine_mode": attr("policy_engine_mode"),
        "compatibility_mode": attr("compatibility_mode"),
        "export_url": format!("/api/v3/flows/instances/{slug}/export/"),
        "layout": attr("layout"),
        "denied_action": attr("denied_action"),
    })
}

/// An application.
pub fn application(model: &Model, application: &Object) -> Value {
    let attr = |field: &str| application.attrs.get(field).cloned().unwrap_or(Value::Null);
    let provider = application.targets("provider").first().and_then(|id| model.known(*id));
    let backchannel: Vec<&std::sync::Arc<Object>> =
        application.targets("backchannel_providers").iter().filter_map(|id| model.known(*id)).collect();
    let shown = |found: &Object| self::provider(model, found, Some(application));
    json!({
        "pk": application.id,
        "name": attr("name"),
        "slug": attr("slug"),
        "provider": provider.and_then(|provider| provider.number),
        "provider_obj": provider.map(|found| shown(found)),
        "backchannel_providers": backchannel.iter().map(|found| found.number).collect::<Vec<_>>(),
        "backchannel_providers_obj": backchannel.iter().map(|found| shown(found)).collect::<Vec<_>>(),
        "launch_url": application.text("meta_launch_url").filter(|url| !url.is_empty()),
        "open_in_new_tab": attr("open_in_new_tab"),
        "meta_launch_url": attr("meta_launch_url"),
        "meta_icon": application.text("meta_icon").filter(|icon| !icon.is_empty()),
        "meta_description": attr("meta_description"),
        "meta_publisher": attr("meta_publisher"),
        "policy_engine_mode": attr("policy_engine_mode"),
        "group": attr("group"),
    })
}

fn provider(model: &Model, provider: &Object, application: Option<&Object>) -> Value {
    let mut fields = described(model, provider);
    let flow = |field: &str| json!(provider.targets(field).first());
    fields.insert("authentication_flow".to_owned(), flow("authentication_flow"));
    fields.insert("authorization_flow".to_owned(), flow("authorization_flow"));
    fields.insert("property_mappings".to_owned(), json!(provider.targets("property_mappings")));
    for field in ["slug", "name"] {
        let value = application.and_then(|application| application.text(field));
        fields.insert(format!("assigned_application_{field}"), json!(value));
    }
    Value::Object(fields)
}
