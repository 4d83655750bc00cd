//! Exports of hand-built models with the real kinds.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, LazyLock},
};

use insta::assert_snapshot;
use serde_json::{Map, Value as Json, json};
use serde_yaml::Value;
use uuid::Uuid;

use super::{Export, ExportError, LeftOut, Options, Selection, export};
use crate::{
    blueprint::{desired::same, plan::fill_defaults},
    model::{Model, Object, Registry, SecretState},
};

fn registry() -> Arc<Registry> {
    static REGISTRY: LazyLock<Arc<Registry>> =
        LazyLock::new(|| Arc::new(crate::registry::registry().expect("the declarations agree")));
    REGISTRY.clone()
}

/// A model under construction. Objects go by a handle, from which their ids are derived, so that the same model can be
/// built with other ids.
struct World {
    model: Model,
    registry: Arc<Registry>,
    seed: Uuid,
    numbers: i64,
}

impl World {
    fn new(seed: u128) -> World {
        let registry = registry();
        World { model: Model::empty(registry.clone()), registry, seed: Uuid::from_u128(seed), numbers: 0 }
    }

    fn id(&self, handle: &str) -> Uuid {
        Uuid::new_v5(&self.seed, handle.as_bytes())
    }

    /// Puts an object. Where a field is a reference its value is a handle or a list of handles; where it is a secret,
    /// any value sets it.
    fn put(&mut self, kind: &str, handle: &str, fields: Json) {
        let registry = self.registry.clone();
        let info = registry.find(kind).expect("a kind");
        self.numbers += 1;
        let mut object = Object {
            id: self.id(handle),
            kind: info.index,
            number: info.numbered.then_some(self.numbers),
            attrs: Map::new(),
            edges: BTreeMap::new(),
            secrets: BTreeMap::new(),
            revision: 1,
            created: 1,
            updated: 1,
        };
        for (name, value) in fields.as_object().expect("a mapping") {
            let field = info.fields.get(name).unwrap_or_else(|| panic!("{kind} has no {name}"));
            if let Some(reference) = field.reference {
                let handles = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
                let targets = handles.iter().filter_map(Json::as_str).map(|handle| self.id(handle)).collect();
                object.edges.insert(reference.field, targets);
            } else if field.secret.is_some() {
                let (name, _) = info.secret_names().find(|(known, _)| known == name).expect("a secret");
                object.secrets.insert(name, SecretState::Sealed([7; 32]));
            } else {
                object.attrs.insert(name.clone(), value.clone());
            }
        }
        fill_defaults(info, &mut object);
        self.model.put(Arc::new(object));
    }

    fn everything(&self) -> Export {
        export(&self.model, &Selection::Everything, &Options::default()).expect("an export")
    }

    fn objects(&self, handles: &[&str], closure: bool) -> Export {
        let ids = handles.iter().map(|handle| self.id(handle)).collect();
        export(&self.model, &Selection::Objects { ids, closure }, &Options::default()).expect("an export")
    }
}

fn parse(export: &Export) -> Vec<Value> {
    let document: Value = serde_yaml::from_str(&export.text).unwrap_or_else(|error| panic!("{error}\n{}", export.text));
    let entries = document["entries"].as_sequence().expect("entries").clone();
    assert_eq!(entries.len(), export.entries);
    entries
}

/// Values from YAML as a document would hold them.
fn yaml(text: &str) -> Value {
    serde_yaml::from_str(text).expect("YAML")
}

/// Kinds and identifiers of the entries, in order.
fn identified(export: &Export) -> Vec<(String, Value)> {
    let name = |entry: &Value| entry["model"].as_str().expect("a model").to_owned();
    parse(export).iter().map(|entry| (name(entry), entry["identifiers"].clone())).collect()
}

/// A sign-in flow with a form, policies on all levels, a setup stage, and references out of it.
fn sign_in(seed: u128) -> World {
    let mut world = World::new(seed);
    world.put("authentik_core.group", "staff", json!({ "name": "staff" }));
    world.put("authentik_core.user", "akadmin", json!({ "username": "akadmin", "name": "", "groups": "staff" }));
    world.put("authentik_rbac.role", "auditors", json!({ "name": "auditors" }));
    world.put(
        "authentik_flows.flow",
        "login",
        json!({ "name": "Welcome!", "slug": "login", "title": "Welcome to %(app)s", "designation": "authentication",
            "background": "/static/dist/background.jpg" }),
    );
    world.put(
        "authentik_flows.flow",
        "setup",
        json!({ "name": "Set up", "slug": "totp-setup", "title": "Set up", "designation": "stage_configuration" }),
    );
    world.put(
        "authentik_stages_prompt.prompt",
        "mail",
        json!({ "name": "mail", "field_key": "email", "label": "Mail: yours", "type": "email", "required": false }),
    );
    world.put(
        "authentik_policies_expression.expressionpolicy",
        "company",
        json!({ "name": "company-mail", "expression": "mail = request.context[\"prompt_data\"][\"email\"]\n\
            if not mail.endswith(\"@example.com\"):\n    ak_message(\"no: not ours\")\n    return False\nreturn True\n" }),
    );
    world.put(
        "authentik_policies_reputation.reputationpolicy",
        "reputation",
        json!({ "name": "on", "check_ip": false, "threshold": -20 }),
    );
    world.put(
        "authentik_stages_prompt.promptstage",
        "form",
        json!({ "name": "form", "fields": ["mail"], "validation_policies": ["company"] }),
    );
    world.put(
        "authentik_stages_authenticator_totp.authenticatortotpstage",
        "totp",
        json!({ "name": "totp", "configure_flow": "setup", "digits": "8" }),
    );
    world.put(
        "authentik_stages_authenticator_validate.authenticatorvalidatestage",
        "second",
        json!({ "name": "second factor", "not_configured_action": "configure", "configuration_stages": ["totp"],
            "device_classes": [] }),
    );
    world.put(
        "authentik_stages_captcha.captchastage",
        "captcha",
        json!({ "name": "captcha", "public_key": "0x4AAA", "private_key": "set" }),
    );
    for (handle, stage, order) in [("b1", "captcha", 5), ("b2", "form", 10), ("b3", "second", 20)] {
        let fields = json!({ "target": "login", "stage": stage, "order": order, "evaluate_on_plan": stage == "form" });
        world.put("authentik_flows.flowstagebinding", handle, fields);
    }
    let bind = [
        ("p1", json!({ "target": "b1", "policy": "reputation", "order": 0 })),
        ("p2", json!({ "target": "login", "group": "staff", "order": 0, "enabled": false })),
        ("p3", json!({ "target": "login", "user": "akadmin", "order": 1, "failure_result": true })),
        ("p4", json!({ "target": "setup", "policy": "reputation", "order": 0 })),
    ];
    for (handle, fields) in bind {
        world.put("authentik_policies.policybinding", handle, fields);
    }
    for (handle, permission) in [("g1", "view_flow"), ("g2", "change_flow")] {
        let fields = json!({ "object": "login", "permission": permission, "role": "auditors" });
        world.put("gatewright_rbac.objectpermission", handle, fields);
    }
    world
}

#[test]
fn a_flow_is_exported_with_its_parts_and_nothing_of_its_surroundings() {
    let world = sign_in(1);
    let options = Options { schema: Some("../schemas/blueprint.json".to_owned()), ..Options::default() };
    let export = export(&world.model, &Selection::Flow(world.id("login")), &options).expect("an export");
    assert_snapshot!(export.text);
    parse(&export);
    let variables: Vec<&str> = export.placeholders.iter().map(|placeholder| placeholder.variable.as_str()).collect();
    assert_eq!(variables, ["GATEWRIGHT_EXPORT_CAPTCHASTAGE_CAPTCHA_PRIVATE_KEY"]);
}

#[test]
fn the_text_does_not_depend_on_ids() {
    let (one, other) = (sign_in(1), sign_in(2));
    assert_eq!(one.everything(), other.everything());
    for closure in [true, false] {
        let handles = ["p1", "second", "akadmin", "b2"];
        assert_eq!(one.objects(&handles, closure), other.objects(&handles, closure));
    }
}

#[test]
fn every_reference_to_an_entry_points_backwards_and_every_entry_id_is_used() {
    let export = sign_in(1).everything();
    let mut known = Vec::new();
    let mut referred = BTreeSet::new();
    for entry in parse(&export) {
        let mut stack = vec![&entry];
        while let Some(value) = stack.pop() {
            match value {
                Value::Tagged(tagged) => {
                    assert_ne!(tagged.tag, "!Find", "everything is in the export");
                    if tagged.tag == "!KeyOf" {
                        assert!(known.contains(&tagged.value), "{entry:?} refers forwards");
                        referred.insert(tagged.value.as_str().expect("an id").to_owned());
                    }
                }
                Value::Sequence(items) => stack.extend(items),
                Value::Mapping(pairs) => stack.extend(pairs.values()),
                _ => {}
            }
        }
        known.extend(entry.get("id").cloned());
    }
    let known: Vec<String> = known.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    assert_eq!(known.iter().cloned().collect::<BTreeSet<_>>(), referred);
    assert_eq!(known.len(), referred.len(), "ids are unique");
}

#[test]
fn values_that_differ_from_those_of_a_creation_are_written_and_no_others() {
    let mut world = World::new(1);
    let user = |fields: Json| {
        let mut all = json!({ "username": "u", "name": "" });
        all.as_object_mut().expect("a mapping").extend(fields.as_object().expect("a mapping").clone());
        all
    };
    let cases = [
        // Required fields are given, empty or not.
        ("authentik_core.user", user(json!({})), "{name: ''}"),
        // Off where the default is on.
        ("authentik_core.user", user(json!({ "is_active": false })), "{name: '', is_active: false}"),
        (
            "authentik_sources_saml.samlsource",
            json!({ "name": "s", "slug": "s", "enabled": false }),
            "{name: s, enabled: false, sso_url: ''}",
        ),
        // Empty where the default is not.
        (
            "authentik_stages_authenticator_validate.authenticatorvalidatestage",
            json!({ "name": "v", "device_classes": [] }),
            "{device_classes: []}",
        ),
        // A generated value is written even if it equals the default, for a creation would make up another.
        (
            "authentik_sources_plex.plexsource",
            json!({ "name": "p", "slug": "p", "plex_token": "set", "client_id": "" }),
            "{name: p, client_id: '', plex_token: !Env GATEWRIGHT_EXPORT_PLEXSOURCE_P_PLEX_TOKEN}",
        ),
        (
            "authentik_core.token",
            json!({ "identifier": "t", "intent": "api", "key": "set" }),
            "{intent: api, key: !Env GATEWRIGHT_EXPORT_TOKEN_T_KEY}",
        ),
        // A required secret has a placeholder even if it is not set; others have none then.
        (
            "authentik_stages_captcha.captchastage",
            json!({ "name": "c", "public_key": "k" }),
            "{public_key: k, private_key: !Env GATEWRIGHT_EXPORT_CAPTCHASTAGE_C_PRIVATE_KEY}",
        ),
        ("authentik_stages_email.emailstage", json!({ "name": "e", "host": "mail" }), "{host: mail}"),
    ];
    for (kind, fields, expected) in cases {
        world.put(kind, "it", fields.clone());
        let entry = parse(&world.objects(&["it"], false)).remove(0);
        let (Value::Mapping(found), Value::Mapping(expected)) = (entry["attrs"].clone(), yaml(expected)) else {
            panic!("{kind} {fields}: {entry:?}");
        };
        let sorted = |mapping: serde_yaml::Mapping| {
            let mut pairs: Vec<_> = mapping.into_iter().collect();
            pairs.sort_by(|(one, _), (other, _)| one.as_str().cmp(&other.as_str()));
            pairs
        };
        assert_eq!(sorted(found), sorted(expected), "{kind} {fields}");
    }
}

/// What a creation makes of an entry: defaults, with what the entry says over them.
fn created(registry: &Registry, entry: &Value) -> Map<String, Json> {
    let info = registry.find(entry["model"].as_str().expect("a model")).expect("a kind");
    let mut attrs = Map::new();
    for field in info.fields.values().filter(|field| field.reference.is_none() && field.secret.is_none()) {
        let said = entry["identifiers"].get(&field.name).or_else(|| entry.get("attrs")?.get(&field.name));
        let value = said.map_or_else(|| field.default.clone(), |value| serde_json::to_value(value).expect("JSON"));
        attrs.insert(field.name.clone(), value);
    }
    attrs
}

#[test]
fn nothing_is_lost_for_any_kind() {
    /// Another value than the given one.
    type Change = fn(&Json) -> Json;
    let changes: [Change; 3] = [
        |value| match value {
            Json::Bool(truth) => json!(!truth),
            Json::Number(number) => json!(number.as_i64().unwrap_or(0) + 1),
            Json::String(text) if text.is_empty() => json!("1:30"),
            Json::String(_) => json!(""),
            Json::Array(items) if items.is_empty() => json!(["no", "a: b"]),
            Json::Array(_) => json!([]),
            Json::Object(pairs) if pairs.is_empty() => json!({ "on": { "012": null } }),
            Json::Object(_) => json!({}),
            Json::Null => json!("null"),
        },
        |_| Json::Null,
        Json::clone,
    ];
    let registry = registry();
    for info in registry.kinds().filter(|info| !info.meta) {
        let plain = |name: &&String| info.fields[*name].reference.is_none() && info.fields[*name].secret.is_none();
        for change in changes {
            let mut world = World::new(1);
            let fields = info.fields.keys().filter(plain);
            let fields = fields.map(|name| (name.clone(), change(&info.fields[name].default))).collect();
            world.put(info.name, "it", Json::Object(fields));
            for full in [false, true] {
                let selection = Selection::Objects { ids: vec![world.id("it")], closure: false };
                let options = Options { full, ..Options::default() };
                let export = export(&world.model, &selection, &options).expect("an export");
                let stored = Json::from(world.model.known(world.id("it")).expect("the object").attrs.clone());
                let created = Json::from(created(&registry, &parse(&export)[0]));
                assert!(same(&created, &stored), "{created}\n{stored}\n{}", export.text);
            }
        }
    }
}

#[test]
fn a_full_export_writes_every_field_that_a_file_can_say() {
    let mut world = World::new(1);
    world.put("authentik_core.group", "g", json!({ "name": "g" }));
    let selection = Selection::Objects { ids: vec![world.id("g")], closure: false };
    let options = Options { full: true, ..Options::default() };
    let full = export(&world.model, &selection, &options).expect("an export");
    assert_eq!(parse(&full)[0]["attrs"], yaml("{is_superuser: false, parent: null, attributes: {}, roles: []}"));
}

#[test]
fn identifiers_are_the_first_natural_key_then_a_small_set_then_the_primary_key() {
    let mut world = sign_in(1);
    world.put("authentik_core.application", "app", json!({ "name": "App", "slug": "app" }));
    world.put("authentik_core.applicationentitlement", "ent", json!({ "name": "admin", "app": "app" }));
    world.put("authentik_policies.policybinding", "on-ent", json!({ "target": "ent", "group": "staff", "order": 3 }));
    for (handle, provider) in [("rac1", "one"), ("rac2", "two")] {
        let fields = json!({ "name": provider, "authorization_flow": "login" });
        world.put("authentik_providers_rac.racprovider", handle, fields);
    }
    let endpoint = |name: &str, provider: &str, host: &str| json!({ "name": name, "provider": provider, "protocol": "ssh", "host": host, "auth_mode": "static" });
    let rac = "authentik_providers_rac.endpoint";
    for (handle, fields) in [
        ("alone", endpoint("alone", "rac1", "h")),
        ("shared1", endpoint("shared", "rac1", "h")),
        ("shared2", endpoint("shared", "rac2", "h")),
        ("twin1", endpoint("twin", "rac1", "h")),
        ("twin2", endpoint("twin", "rac1", "h")),
        ("host1", endpoint("hosts", "rac1", "h1")),
        ("host2", endpoint("hosts", "rac1", "h2")),
    ] {
        world.put(rac, handle, fields);
    }
    world.put("authentik_stages_authenticator_totp.totpdevice", "d1", json!({ "name": "phone" }));
    world.put("authentik_stages_authenticator_totp.totpdevice", "d2", json!({ "name": "phone" }));
    let number = world.model.known(world.id("d2")).and_then(|device| device.number).expect("a number");
    let find_rac1 = "!Find [authentik_providers_rac.racprovider, [name, one]]";
    let cases = [
        ("login", "{slug: login}".to_owned()),
        ("form", "{name: form}".to_owned()),
        ("ent", "{app: !Find [authentik_core.application, [slug, app]], name: admin}".to_owned()),
        (
            "b1",
            "{target: !Find [authentik_flows.flow, [slug, login]],
              stage: !Find [authentik_stages_captcha.captchastage, [name, captcha]], order: 5}"
                .to_owned(),
        ),
        // Without the policy of its natural key, a binding is told by the group or user in its place.
        (
            "p2",
            "{target: !Find [authentik_flows.flow, [slug, login]], group: !Find [authentik_core.group, [name, staff]],
              order: 0}"
                .to_owned(),
        ),
        (
            "on-ent",
            "{target: !Find [authentik_core.applicationentitlement,
                [app, !Find [authentik_core.application, [slug, app]]], [name, admin]],
              group: !Find [authentik_core.group, [name, staff]], order: 3}"
                .to_owned(),
        ),
        ("alone", "{name: alone}".to_owned()),
        ("shared1", format!("{{name: shared, provider: {find_rac1}}}")),
        ("host2", "{name: hosts, host: h2}".to_owned()),
        ("twin1", format!("{{pk: {}}}", world.id("twin1"))),
        ("d2", format!("{{pk: {number}}}")),
    ];
    for (handle, expected) in cases {
        let (_, identifiers) = identified(&world.objects(&[handle], false)).remove(0);
        assert_eq!(identifiers, yaml(&expected), "{handle}");
    }
    // Within one export, keys refer to entries.
    let both = identified(&world.objects(&["ent", "app"], false));
    assert_eq!(both[1].1, yaml("{app: !KeyOf application-app, name: admin}"));
}

#[test]
fn memberships_are_written_at_the_member_and_lists_are_sorted_by_name() {
    let mut world = World::new(1);
    for name in ["zebra", "ape", "mouse"] {
        world.put("authentik_core.group", name, json!({ "name": name }));
    }
    world.put("authentik_core.user", "u", json!({ "username": "u", "name": "U", "groups": ["mouse", "zebra", "ape"] }));
    let entries = parse(&world.objects(&["u", "ape"], false));
    assert_eq!(entries[0].get("attrs"), None, "the group does not list its users");
    let expected = "[!KeyOf group-ape, !Find [authentik_core.group, [name, mouse]],
        !Find [authentik_core.group, [name, zebra]]]";
    assert_eq!(entries[1]["attrs"]["groups"], yaml(expected));
}

#[test]
fn a_closure_holds_what_is_referred_to_and_the_bindings() {
    let mut world = sign_in(1);
    world.put(
        "authentik_providers_oauth2.oauth2provider",
        "oidc",
        json!({ "name": "o", "authorization_flow": "login" }),
    );
    world.put("authentik_core.application", "app", json!({ "name": "App", "slug": "app", "provider": "oidc" }));
    world.put("authentik_core.application", "other", json!({ "name": "Other", "slug": "other" }));
    world.put("authentik_policies.policybinding", "on-app", json!({ "target": "app", "group": "staff", "order": 0 }));
    let export = world.objects(&["app"], true);
    let kinds: Vec<String> = identified(&export).into_iter().map(|(kind, _)| kind).collect();
    let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
    assert_eq!(count("authentik_core.application"), 1);
    // Both flows: the second is the one in which a stage of the first is set up.
    assert_eq!(count("authentik_flows.flow"), 2);
    assert_eq!(count("authentik_flows.flowstagebinding"), 3);
    assert_eq!(count("authentik_policies.policybinding"), 5);
    // By the bindings and the permissions on a flow.
    assert_eq!((count("authentik_core.group"), count("authentik_rbac.role")), (1, 1));
    assert!(!export.text.contains("!Find"), "{}", export.text);
}

#[test]
fn what_cannot_be_applied_elsewhere_is_left_out_and_counted() {
    let mut world = World::new(1);
    world.put("authentik_events.event", "e1", json!({ "action": "login", "app": "a" }));
    world.put("authentik_events.event", "e2", json!({ "action": "login", "app": "a" }));
    world.put("authentik_stages_authenticator_totp.totpdevice", "d", json!({ "name": "phone" }));
    world.put("authentik_enterprise.license", "l", json!({ "key": "k" }));
    let internal = json!({ "username": "ak-outpost", "name": "", "type": "internal_service_account" });
    world.put("authentik_core.user", "outpost", internal);
    world.put(
        "authentik_core.token",
        "t",
        json!({ "identifier": "t", "user": "outpost", "intent": "api", "key": "k" }),
    );
    world.put("authentik_core.user", "alice", json!({ "username": "alice", "name": "", "password": "set" }));
    let everything = world.everything();
    let left_out: Vec<(&str, usize)> =
        everything.left_out.iter().map(|LeftOut { kind, count, .. }| (*kind, *count)).collect();
    let expected = [
        ("authentik_events.event", 2),
        ("authentik_enterprise.license", 1),
        ("authentik_core.token", 1),
        ("authentik_core.user", 1),
        ("authentik_stages_authenticator_totp.totpdevice", 1),
    ];
    assert_eq!(left_out, expected);
    assert_eq!(identified(&everything), [("authentik_core.user".to_owned(), yaml("{username: alice}"))]);
    assert_eq!(everything.passwords_left_out, 1);
    for (kind, count) in expected {
        assert!(everything.text.contains(&format!("#   {count} of {kind}: ")), "{}", everything.text);
    }
    let options = Options {
        include: vec!["authentik_events.Event".to_owned()],
        passwords: true,
        prefix: "X_".to_owned(),
        ..Options::default()
    };
    let more = export(&world.model, &Selection::Everything, &options).expect("an export");
    assert_eq!((more.entries, more.passwords_left_out), (3, 0));
    assert_eq!(more.placeholders[0].variable, "X_USER_ALICE_PASSWORD");
}

#[test]
fn placeholders_and_entry_ids_are_unique_and_ascii() {
    let mut world = World::new(1);
    for name in ["Größe & Co", "Gr e co", "日本", "gr-e_CO"] {
        let fields = json!({ "name": name, "public_key": "p", "private_key": "set" });
        world.put("authentik_stages_captcha.captchastage", &format!("stage {name}"), fields);
        world.put("authentik_core.group", &format!("group {name}"), json!({ "name": name }));
        let fields = json!({ "username": name, "name": "", "groups": format!("group {name}") });
        world.put("authentik_core.user", &format!("user {name}"), fields);
    }
    let everything = world.everything();
    let variables: Vec<&str> = everything.placeholders.iter().map(|found| found.variable.as_str()).collect();
    let expected = ["GR_E_CO_PRIVATE_KEY", "GR_E_CO_PRIVATE_KEY_2", "GR_E_CO_PRIVATE_KEY_3", "PRIVATE_KEY"];
    assert_eq!(variables, expected.map(|rest| format!("GATEWRIGHT_EXPORT_CAPTCHASTAGE_{rest}")));
    let mut ids: Vec<String> =
        parse(&everything).iter().filter_map(|entry| Some(entry.get("id")?.as_str()?.to_owned())).collect();
    ids.sort();
    assert_eq!(ids, ["group", "group-gr-e-co", "group-gr-e-co-2", "group-gr-e-co-3"]);
}

#[test]
fn names_cannot_end_their_comment() {
    let mut world = World::new(1);
    let fields = json!({ "name": "a\nentries: []\u{85}#\u{2028}x: ", "public_key": "p", "private_key": "set" });
    world.put("authentik_stages_captcha.captchastage", "it", fields);
    let export = world.objects(&["it"], false);
    assert_eq!(parse(&export).len(), 1);
    assert_eq!(export.text.lines().filter(|line| line.starts_with('#')).count(), 2, "{}", export.text);
}

#[test]
fn wrong_selections_are_refused() {
    let world = sign_in(1);
    let options = Options::default();
    let nothing = Uuid::from_u128(404);
    let failed = |selection: Selection| export(&world.model, &selection, &options).expect_err("no export");
    assert!(matches!(failed(Selection::Flow(nothing)), ExportError::UnknownObject(id) if id == nothing));
    assert!(matches!(failed(Selection::Flow(world.id("staff"))), ExportError::NotAFlow { .. }));
    let objects = Selection::Objects { ids: vec![nothing], closure: true };
    assert!(matches!(failed(objects), ExportError::UnknownObject(id) if id == nothing));
    let partial = Model::partial(world.registry.clone(), Uuid::nil(), 1);
    let incomplete = export(&partial, &Selection::Everything, &options).expect_err("no export");
    assert!(matches!(incomplete, ExportError::Incomplete(_)));
    for name in ["authentik_core.usr", "authentik_blueprints.metaapplyblueprint"] {
        let options = Options { include: vec![name.to_owned()], ..Options::default() };
        let unknown = export(&world.model, &Selection::Everything, &options).expect_err("no export");
        assert!(matches!(unknown, ExportError::UnknownKind(found) if found == name));
    }
}
