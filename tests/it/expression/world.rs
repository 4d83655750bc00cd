//! A small world for expressions: users, groups, a flow, an HTTP peer; and a log of what was asked, for the oracle.

use std::sync::{Mutex, PoisonError};

use futures_util::{FutureExt, future::BoxFuture};
use gatewright::expression::{
    Answer, Call, Handle, Host, HostError, Lookup, Map, Names, ObjectRef, Query, Scope, Step, Value,
};
use serde_json::{Value as Json, json};

/// A value from JSON in its stable form.
pub fn value(json: Json) -> Value {
    Value::from_json(json).expect("a value")
}

/// A map from JSON.
pub fn map(json: Json) -> Map {
    match value(json) {
        Value::Map(map) => map,
        other => panic!("{other:?} is no map"),
    }
}

fn handle(kind: &str, id: &str, attributes: Json) -> Handle {
    Handle::with(kind, id, map(attributes))
}

pub struct World {
    pub objects: Mutex<Vec<Handle>>,
    /// Groups of users, by identities.
    pub members: Mutex<Vec<(String, String)>>,
    /// Every call, as text.
    pub calls: Mutex<Vec<String>>,
}

impl World {
    pub fn new() -> Self {
        let user = |id: &str, pk: i64, name: &str, full: &str, attributes: Json| {
            handle(
                "authentik_core.user",
                id,
                json!({
                    "pk": pk, "uuid": id, "uid": format!("uid-{name}"), "username": name, "name": full, "email": format!("{name}@example.com"),
                    "is_active": true, "is_superuser": name == "akadmin", "is_staff": false, "is_authenticated": true, "path": "users",
                    "type": "internal", "attributes": attributes, "avatar": "https://example.com/a.png", "password": "hash",
                }),
            )
        };
        let group = |id: &str, name: &str, attributes: Json| {
            handle(
                "authentik_core.group",
                id,
                json!({
                    "pk": id, "group_uuid": id, "name": name, "is_superuser": false, "parent": null, "attributes": attributes,
                }),
            )
        };
        let objects = vec![
            user(
                "u1",
                1,
                "marie",
                "Marie Curie",
                json!({"settings": {"locale": "de"}, "upn": "marie@corp", "reset_password": true, "sshPublicKey": ["k"]}),
            ),
            user("u2", 2, "akadmin", "admin", json!({})),
            group("g1", "admins", json!({"discord_role_id": "111"})),
            group("g2", "test_group", json!({"discord_role_id": "222"})),
            group("g3", "staff", json!({"level": 3})),
            handle("authentik_core.application", "a1", json!({"pk": "a1", "name": "Shop", "slug": "shop"})),
            handle(
                "authentik_stages_authenticator_duo.duodevice",
                "d1",
                json!({"pk": 9, "user": 1, "confirmed": true}),
            ),
            handle(
                "authentik_flows.flow",
                "f1",
                json!({"pk": "f1", "slug": "initial-setup", "authentication": "none"}),
            ),
        ];
        let members = [("u1", "g1"), ("u1", "g3")].map(|(user, group)| (user.to_owned(), group.to_owned()));
        Self { objects: Mutex::new(objects), members: Mutex::new(members.into()), calls: Mutex::default() }
    }

    pub fn user(&self, id: &str) -> Handle {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.iter().find(|one| one.id == id).cloned().expect("a user")
    }

    pub fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The scope in which the texts of the corpus make sense.
    pub fn scope(&self) -> Scope {
        let request = handle(
            "http.request",
            "r",
            json!({
                "path": "/if/flow/x/", "method": "GET", "META": {"HTTP_HOST": "id.example.com"}, "headers": {"Accept": "*/*"}, "GET": {}, "POST": {},
                "COOKIES": {}, "session": {},
                "tenant": {"$handle": {"kind": "authentik_brands.brand", "id": "b1", "attributes": {
                    "default_user_change_email": false, "default_user_change_name": true, "default_user_change_username": false, "branding_title": "T"}}},
            }),
        );
        let source = json!({"$handle": {"kind": "authentik_sources_oauth.oauthsource", "id": "s1",
            "attributes": {"pk": "s1", "slug": "discord", "name": "Discord", "provider_type": "discord", "realm": "EXAMPLE.COM"}}});
        let event = json!({"$handle": {"kind": "authentik_events.event", "id": "e1", "attributes": {"action": "model_updated", "app": "x",
            "client_ip": "192.0.2.7", "context": {"model": {"app": "authentik_core", "model_name": "group", "pk": "g1"}, "diff": {"users": {"add": [1]}}}}}});
        Scope {
            user: Some(self.user("u1")),
            http_request: Some(request),
            object: Some(Handle::with(
                "authentik_core.application",
                "a1",
                map(json!({"pk": "a1", "name": "Shop", "slug": "shop"})),
            )),
            debug: false,
            context: map(json!({"geoip": {"continent": "EU", "country": "US"}, "asn": {"asn": 64496}, "event": event})),
            plan: Some(map(json!({
                "pending_user": {"$handle": {"kind": "authentik_core.user", "id": "u1"}},
                "pending_user_identifier": "marie@foo.bar.com",
                "prompt_data": {"email": "new@example.com", "username": "new", "name": "New", "phone": " +1234 5", "password": "a", "password_repeat": "a",
                    "attributes": {}},
                "source": source, "is_sso": true, "oauth_scopes": ["my-admin-scope"], "oauth_jwt": {"iss": "https://my.issuer"},
                "oauth_userinfo": {"id": "42", "name": "m", "upn": "m@x", "given_name": "M", "family_name": "C", "login": "marie", "username": "m",
                    "discriminator": "1", "email": "m@x", "avatar": "abc"},
                "goauthentik.io/sources/connection": {"$handle": {"kind": "authentik_sources_oauth.useroauthsourceconnection", "id": "c1",
                    "attributes": {"access_token": "tok", "identifier": "42"}}},
                "notification": {"$handle": {"kind": "authentik_events.notification", "id": "n1", "attributes": {"body": "text", "severity": "alert"}}},
                "redirect_stage_target": "x",
            }))),
            client_ip: "10.0.0.9".parse().ok(),
            variables: map(json!({
                "ldap": {"cn": "Ann", "mail": "a@b", "name": "Ann B", "sAMAccountName": "ann", "uid": ["ann"], "givenName": ["Ann"], "sn": [],
                    "userPrincipalName": "ann@b", "phoneNumber": ["1"]},
                "dn": "cn=ann,ou=people,ou=Berlin,dc=example,dc=com", "source": source, "principal": "host/marie@example.com",
                "data": {"displayName": "D", "username": "d", "groups": ["x"], "phoneNumber": "2"},
                "group": {"$handle": {"kind": "authentik_core.group", "id": "g2"}}, "connection": null,
                "provider": {"$handle": {"kind": "authentik_providers_oauth2.oauth2provider", "id": "p1", "attributes": {
                    "application": {"$handle": {"kind": "authentik_core.application", "id": "a1"}},
                    "proxyprovider": {"$handle": {"kind": "authentik_providers_proxy.proxyprovider", "id": "pp", "attributes": {"internal_host": "http://in.example:8080/x"}}}}}},
                "packet": {"User-Name": "marie"}, "token": "123456", "prompt_context": {"email": "p@example.com"},
                "notification": {"$handle": {"kind": "authentik_events.notification", "id": "n1", "attributes": {"body": "text", "severity": "alert"}}},
            })),
        }
    }

    fn note(&self, text: String) {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    fn rows(&self, query: &Query) -> Result<Vec<Handle>, HostError> {
        let members = self.members.lock().unwrap_or_else(PoisonError::into_inner);
        let mut rows: Vec<Handle> = self
            .objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter(|one| one.kind == query.model)
            .filter(|one| match &query.related {
                None => true,
                Some((user, relation)) if relation == "ak_groups" || relation == "all_groups" => {
                    members.iter().any(|(who, group)| *who == user.id && *group == one.id)
                }
                Some((group, _)) => members.iter().any(|(who, of)| *of == group.id && *who == one.id),
            })
            .cloned()
            .collect();
        for step in &query.steps {
            let (conditions, keep) = match step {
                Step::Filter(conditions) => (conditions, true),
                Step::Exclude(conditions) => (conditions, false),
                Step::Reverse => {
                    rows.reverse();
                    continue;
                }
                Step::OrderBy(fields) => {
                    let field = fields.first().cloned().unwrap_or_default();
                    let key = |row: &Handle| {
                        format!(
                            "{:?}",
                            row.attributes.as_ref().and_then(|row| row.get(field.trim_start_matches('-')).cloned())
                        )
                    };
                    rows.sort_by_key(key);
                    if field.starts_with('-') {
                        rows.reverse();
                    }
                    continue;
                }
                Step::Slice(from, to) => {
                    let to = to.map_or(rows.len(), |to| rows.len().min(to as usize));
                    rows = rows.drain((*from as usize).min(to)..to).collect();
                    continue;
                }
                Step::Distinct => continue,
            };
            let mut kept = Vec::new();
            for row in rows {
                let fields = row.attributes.clone().unwrap_or_default();
                let mut all = true;
                for condition in conditions {
                    let lookup = Lookup::parse(&condition.path);
                    if !fields.contains_key(&lookup.path[0]) && lookup.path[0] != "pk" && lookup.path[0] != "target" {
                        return Err(HostError::raise(
                            "ValueError",
                            format!("Cannot resolve keyword '{}' into field.", lookup.path[0]),
                        ));
                    }
                    all &= lookup
                        .holds(&fields, &condition.value)
                        .map_err(|error| HostError::raise("ValueError", error))?;
                }
                if all == keep {
                    kept.push(row);
                }
            }
            rows = kept;
        }
        Ok(rows)
    }

    fn ask(&self, query: Query) -> Result<Value, HostError> {
        let rows = self.rows(&query)?;
        let fields = |row: &Handle, names: &[String]| -> Vec<(String, Value)> {
            let all = row.attributes.clone().unwrap_or_default();
            if names.is_empty() {
                all.into_iter().collect()
            } else {
                names.iter().map(|name| (name.clone(), all.get(name).cloned().unwrap_or_default())).collect()
            }
        };
        Ok(match query.answer {
            Answer::Objects => Value::List(rows.into_iter().map(Value::Handle).collect()),
            Answer::Values(names) => {
                Value::List(rows.iter().map(|row| Value::Map(fields(row, &names).into_iter().collect())).collect())
            }
            Answer::Tuples(names) => Value::List(
                rows.iter()
                    .map(|row| Value::Tuple(fields(row, &names).into_iter().map(|(_, value)| value).collect()))
                    .collect(),
            ),
            Answer::Count | Answer::Delete => Value::Int(rows.len() as i64),
            Answer::Exists => Value::Bool(!rows.is_empty()),
            Answer::Update(fields) => {
                self.note(format!("update {} {}", query.model, Value::Map(fields).to_json()));
                Value::Int(rows.len() as i64)
            }
        })
    }

    fn run(&self, call: Call) -> Result<Value, HostError> {
        match &call {
            Call::Method { name, .. } => match name.as_str() {
                "group_attributes" => Ok(value(json!({"level": 3, "goauthentik.io/user/can-change-email": true}))),
                "locale" => Ok("de".into()),
                "has_usable_password" => Ok(true.into()),
                "get_user_path" => Ok("goauthentik.io/sources/discord".into()),
                "app_entitlements" => Ok(value(
                    json!([{"$handle": {"kind": "authentik_core.applicationentitlement", "id": "en", "attributes": {"name": "editor"}}}]),
                )),
                "set_password" => Ok(Value::None),
                _ => Err(HostError::raise("AttributeError", format!("no attribute '{name}'"))),
            },
            Call::Create { model, fields } => {
                let made = Handle::with(model.clone(), "new", fields.clone());
                self.note(format!("create {model} {}", Value::Map(fields.clone()).to_json()));
                Ok(Value::Handle(made))
            }
            Call::Save { object, changes } => {
                self.note(format!("save {} {} {}", object.kind, object.id, Value::Map(changes.clone()).to_json()));
                Ok(Value::None)
            }
            Call::Relate { object, relation, change, members } => {
                let ids: Vec<_> = members.iter().map(|member| member.id.as_str()).collect();
                self.note(format!("relate {} {relation} {change:?} {}", object.id, ids.join(",")));
                Ok(Value::None)
            }
            Call::Delete { object } => {
                self.note(format!("delete {}", object.id));
                Ok(Value::None)
            }
            Call::HasAuthenticator { device_type, .. } => Ok(Value::Bool(device_type.as_deref() != Some("totp"))),
            Call::CallPolicy { name, context } => {
                self.note(format!("policy {name} {:?}", context.get("foo").map(Value::to_json)));
                match name.as_str() {
                    "none" => Err(HostError::raise("ValueError", "Policy does not exist.")),
                    _ => Ok(value(
                        json!({"passing": true, "messages": ["called"], "raw_result": {"a": 1}, "context": {"from_policy": 1}}),
                    )),
                }
            }
            Call::CreateEvent { action, context } => {
                self.note(format!("event {action} {}", context.keys().cloned().collect::<Vec<_>>().join(",")));
                Ok(Value::None)
            }
            Call::CreateJwt { scopes, .. } => Ok(Value::text(format!("jwt:{}", scopes.join("+")))),
            Call::ResolveDns { version, .. } => {
                Ok(value(if *version == Some(6) { json!(["2001:db8::1"]) } else { json!(["192.0.2.1"]) }))
            }
            Call::ReverseDns { address } => Ok(Value::text(format!("host-of-{address}"))),
            Call::DefineAttribute(fields) => {
                self.note(format!("attribute {}", Value::Map(fields.clone()).to_json()));
                Ok(Value::None)
            }
            Call::Http(http) => {
                self.note(format!("http {} {} {:?} {:?}", http.method, http.url, http.params, http.headers));
                let (status, body): (i64, &[u8]) = match http.url.as_str() {
                    "https://discord.com/api/users/@me/guilds" => (200, br#"[{"id": "123456789123456789"}]"#),
                    "https://api.github.com/user/orgs" => (200, br#"[{"login": "foo"}]"#),
                    url if url.ends_with("/member") => (200, br#"{"roles": ["111", "222", "123456789123456789"]}"#),
                    url if url.contains("avatars") => (200, b"\x89PNG"),
                    url if url.contains("down") => return Err(HostError::raise("ConnectionError", "no route")),
                    _ => (404, br#"{"error": "no"}"#),
                };
                Ok(Value::Map(Map::from_iter([
                    ("status_code".to_owned(), Value::Int(status)),
                    (
                        "headers".to_owned(),
                        value(json!({"Content-Type": "application/json", "content-type": "application/json"})),
                    ),
                    ("content".to_owned(), Value::Bytes(body.to_vec())),
                    ("url".to_owned(), Value::text(http.url.clone())),
                    ("reason".to_owned(), Value::text("Not Found")),
                ])))
            }
            Call::Random(bytes) => Ok(Value::Bytes((0..*bytes).map(|at| at as u8 + 7).collect())),
            Call::Now => Ok(value(json!({"$datetime": ["2024-06-15T12:30:00", 0]}))),
        }
    }
}

impl Host for World {
    fn attributes<'a>(
        &'a self,
        objects: &'a [ObjectRef],
        _: &'a Names,
    ) -> BoxFuture<'a, Result<Vec<Option<Map>>, HostError>> {
        async move {
            let known = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(objects
                .iter()
                .map(|wanted| known.iter().find(|one| one.id == wanted.id).and_then(|one| one.attributes.clone()))
                .collect())
        }
        .boxed()
    }

    fn query(&self, query: Query) -> BoxFuture<'_, Result<Value, HostError>> {
        async move { self.ask(query) }.boxed()
    }

    fn call(&self, call: Call) -> BoxFuture<'_, Result<Value, HostError>> {
        async move { self.run(call) }.boxed()
    }
}
