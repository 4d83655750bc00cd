//! The expressions' benchmarks: `cargo bench --bench expression`. Prints one table.
//!
//! Each row is the best and the median of several rounds of one evaluation with the program in the cache, the host's
//! answers at hand: what the engine itself takes.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, future::BoxFuture};
use gatewright::expression::{
    Call, Handle, Host, HostError, Limits, Map, Names, ObjectRef, Query, Scope, Value, Variables, compile, evaluate,
};
use serde_json::json;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 30;
const EVALUATIONS: u32 = 200;

struct World;

fn map(json: serde_json::Value) -> Map {
    match Value::from_json(json) {
        Ok(Value::Map(map)) => map,
        _ => Map::new(),
    }
}

fn user() -> Map {
    map(json!({
        "pk": 1, "uuid": "u1", "uid": "x", "username": "marie", "name": "Marie Curie", "email": "marie@example.com", "is_active": true,
        "is_superuser": false, "is_authenticated": true, "path": "users", "type": "internal", "attributes": {"a": 1, "b": [1, 2]},
    }))
}

impl Host for World {
    fn attributes<'a>(
        &'a self,
        objects: &'a [ObjectRef],
        _: &'a Names,
    ) -> BoxFuture<'a, Result<Vec<Option<Map>>, HostError>> {
        async move { Ok(objects.iter().map(|_| Some(user())).collect()) }.boxed()
    }

    fn query(&self, _: Query) -> BoxFuture<'_, Result<Value, HostError>> {
        let group = |number: i64| {
            Value::Handle(Handle::with(
                "authentik_core.group",
                format!("g{number}"),
                map(json!({"name": format!("group {number}"), "attributes": {}})),
            ))
        };
        async move { Ok(Value::List((0..5).map(group).collect())) }.boxed()
    }

    fn call(&self, _: Call) -> BoxFuture<'_, Result<Value, HostError>> {
        async { Ok(Value::Map(map(json!({"level": 3})))) }.boxed()
    }
}

fn main() {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
    let context = map(
        json!({"prompt_data": {"email": "a@example.com", "username": "a"}, "geoip": {"country": "DE"}, "is_sso": true}),
    );
    let bare = Scope {
        context: context.clone(),
        variables: map(json!({"ldap": {"cn": ["Ann"], "uid": "ann"}})),
        ..Scope::default()
    };
    let full = Scope {
        user: Some(Handle::with("authentik_core.user", "u1", user())),
        context,
        plan: Some(map(
            json!({"pending_user": {"$handle": {"kind": "authentik_core.user", "id": "u1"}}, "prompt_data": {"email": "x"}}),
        )),
        ..Scope::default()
    };
    let rows: &[(&str, &str, &Scope)] = &[
        ("a constant", "return True", &bare),
        ("a mapping of a map", "return {'username': ldap.get('uid'), 'name': list_flatten(ldap.get('cn'))}", &bare),
        (
            "a policy on the context",
            "if context['geoip']['country'] != 'DE':\n    return False\nreturn 'username' in context.get('prompt_data', {})",
            &bare,
        ),
        (
            "a policy on the user",
            "return request.user.email.endswith('@example.com') and request.user.is_active",
            &full,
        ),
        (
            "a policy on the plan",
            "plan = request.context.get('flow_plan')\nif not plan:\n    return True\nreturn not hasattr(plan.context.get('pending_user'), 'backend')",
            &full,
        ),
        (
            "a scope mapping with groups",
            "return {'name': request.user.name, 'email': request.user.email, 'groups': [group.name for group in request.user.ak_groups.all()]}",
            &full,
        ),
        ("a membership", "return ak_is_group_member(request.user, name='admins')", &full),
        ("in a worker", "n = 0\nwhile n < 10:\n    n += 1\nreturn n", &bare),
    ];
    println!("{:<30} {:>12} {:>12} {:>12}", "evaluation", "best", "median", "compile");
    let limits = Limits::default();
    for (name, text, scope) in rows {
        let variables = Variables::mapping(["ldap"]);
        let since = Instant::now();
        let Ok(program) = compile(text, &variables) else { continue };
        let compiled = since.elapsed();
        let mut times: Vec<Duration> = (0..ROUNDS)
            .map(|_| {
                let since = Instant::now();
                runtime.block_on(async {
                    for _ in 0..EVALUATIONS {
                        let outcome = evaluate(&program, (*scope).clone(), &World, &limits).await;
                        assert!(black_box(outcome).is_ok(), "{name}");
                    }
                });
                since.elapsed() / EVALUATIONS
            })
            .collect();
        times.sort_unstable();
        println!("{name:<30} {:>12.1?} {:>12.1?} {compiled:>12.1?}", times[0], times[ROUNDS / 2]);
    }
}
