//! Random changesets: both engines hold what a map in memory holds, after every step.

use std::collections::{BTreeMap, BTreeSet};

use gatewright::store::{
    Store, StoreError,
    changeset::{Row, SecretWrite, Write},
};
use proptest::prelude::*;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    everything,
    kinds::{DOOR, GATE, PERSON, RowExt, TEAM, changes, create, delete, id, person, provider, registry, team, update},
};
use crate::support::database::{Database, key};

/// One object of the map: what must be found again.
#[derive(Clone, Debug, PartialEq)]
struct Kept {
    kind: u16,
    number: Option<i64>,
    attrs: Map<String, Value>,
    edges: BTreeMap<String, BTreeSet<Uuid>>,
    token: Option<String>,
    keys: BTreeSet<(String, String)>,
}

/// One step: what to do to which of sixteen objects; whether it fits is for the map to say.
#[derive(Clone, Debug)]
enum Act {
    Put { object: u128, name: u8, attributes: Value, targets: Vec<u128>, token: Option<u8> },
    Delete { object: u128 },
}

fn act() -> impl Strategy<Value = Act> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e300..1e300f64).prop_map(Value::from),
        (-10.0..10.0f64).prop_map(Value::from),
        "[^\\x00]{0,12}".prop_map(Value::from),
    ];
    let json = leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[^\\x00]{0,6}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let put = (0..16u128, 0..24u8, json, prop::collection::vec(0..20u128, 0..4), prop::option::of(0..3u8))
        .prop_map(|(object, name, attributes, targets, token)| Act::Put { object, name, attributes, targets, token });
    prop_oneof![4 => put, 1 => (0..16u128).prop_map(|object| Act::Delete { object })]
}

/// The kind of an object follows from its number, so that objects keep it.
fn row(object: u128, name: u8, attributes: &Value, targets: &[u128], token: Option<u8>) -> (u16, Row) {
    let ids: Vec<Uuid> = targets.iter().map(|target| id(*target)).collect();
    let name = format!("n{name}");
    let (kind, row) = match object % 4 {
        0 => {
            let secret = token.map_or(SecretWrite::Clear, |token| SecretWrite::Seal(format!("token {token}")));
            (PERSON, person(&name).to("teams", &ids).secret("token", secret))
        }
        1 => (TEAM, team(&name).to("parent", &ids[..ids.len().min(1)])),
        2 => (GATE, provider(&name)),
        _ => (DOOR, provider(&name)),
    };
    (kind.0, row.attr("attributes", attributes.clone()))
}

/// What the store must say to a changeset.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Written,
    Duplicate,
    Dangling,
}

/// A map that does what the store should.
#[derive(Clone, Debug, Default)]
struct InMemory {
    objects: BTreeMap<Uuid, Kept>,
    next: BTreeMap<&'static str, i64>,
}

impl InMemory {
    /// Turns acts into writes that fit what is there, and says what must come of them.
    fn take(&mut self, acts: &[Act]) -> (Vec<Write>, Verdict) {
        let mut after = self.clone();
        let mut writes = BTreeMap::new();
        for act in acts {
            match act {
                Act::Put { object, name, attributes, targets, token } => {
                    let (kind, row) = row(*object, *name, attributes, targets, *token);
                    let id = id(*object);
                    if writes.contains_key(&id) {
                        continue;
                    }
                    let edges = row.edges.iter().filter(|(_, targets)| !targets.is_empty());
                    let kept = Kept {
                        kind,
                        number: self.objects.get(&id).and_then(|kept| kept.number),
                        attrs: row.attrs.clone(),
                        edges: edges
                            .map(|(field, targets)| (field.to_string(), targets.iter().copied().collect()))
                            .collect(),
                        token: token.filter(|_| kind == PERSON.0).map(|token| format!("token {token}")),
                        keys: row.keys.iter().map(|(scope, _, value)| (scope.to_string(), value.clone())).collect(),
                    };
                    let kind = gatewright::model::KindIndex(kind);
                    let write =
                        if self.objects.contains_key(&id) { update(id, kind, row) } else { create(id, kind, row) };
                    after.objects.insert(id, kept);
                    writes.insert(id, write);
                }
                Act::Delete { object } => {
                    let id = id(*object);
                    if let (Some(kept), false) = (self.objects.get(&id), writes.contains_key(&id)) {
                        writes.insert(id, delete(id, gatewright::model::KindIndex(kept.kind)));
                        after.objects.remove(&id);
                    }
                }
            }
        }
        for (id, write) in &writes {
            if let Write::Create { kind, .. } = write
                && *kind != TEAM
            {
                let scope = if *kind == PERSON { "person" } else { "provider" };
                let next = after.next.entry(scope).or_insert(1);
                after.objects.get_mut(id).expect("it was put").number = Some(*next);
                *next += 1;
            }
        }
        let mut taken = BTreeSet::new();
        let duplicate = after.objects.values().flat_map(|kept| &kept.keys).any(|key| !taken.insert(key));
        let mut targets = after.objects.values().flat_map(|kept| kept.edges.values().flatten());
        let dangling = targets.any(|target| !after.objects.contains_key(target));
        let verdict = match (duplicate, dangling) {
            (true, _) => Verdict::Duplicate,
            (false, true) => Verdict::Dangling,
            (false, false) => Verdict::Written,
        };
        if verdict == Verdict::Written {
            *self = after;
        }
        (writes.into_values().collect(), verdict)
    }
}

/// What the store holds, in the map's terms.
async fn held(store: &Store) -> BTreeMap<Uuid, Kept> {
    let registry = registry();
    let mut held = BTreeMap::new();
    for (id, object) in everything(store, &registry).await {
        let kind = registry.get(object.kind);
        let keys = kind.keys.iter().filter_map(|key| {
            let scope = gatewright::model::object::key_scope(kind, key);
            Some((scope.to_owned(), object.key_value(key)?))
        });
        let token = store.reveal(id, "token").await.expect("opens").map(|text| text.as_str().to_owned());
        let digest = token.as_ref().map(|token| gatewright::model::SecretState::Sealed(key().digest(token)));
        assert_eq!(object.secrets.get("token").cloned(), digest, "the digest belongs to the value");
        let kept = Kept {
            kind: object.kind.0,
            number: object.number,
            keys: keys.collect(),
            token,
            attrs: object.attrs,
            edges: object.edges.into_iter().map(|(field, to)| (field.to_owned(), to.into_iter().collect())).collect(),
        };
        held.insert(id, kept);
    }
    held
}

async fn check(steps: &[Vec<Act>]) {
    let mut databases = vec![Database::sqlite()];
    databases.extend(Database::postgres().await);
    for database in databases {
        let store = database.store().await;
        let mut expected = InMemory::default();
        for acts in steps {
            let (writes, verdict) = expected.take(acts);
            let found = match store.commit(&registry(), &changes(writes.clone()), 1).await {
                Ok(_) => Verdict::Written,
                Err(StoreError::Duplicate { .. }) => Verdict::Duplicate,
                Err(StoreError::Dangling(_)) => Verdict::Dangling,
                Err(other) => panic!("{}: {other}: {writes:?}", database.url),
            };
            assert_eq!(found, verdict, "{}: {writes:?}", database.url);
            assert_eq!(held(&store).await, expected.objects, "{}", database.url);
        }
        let report = store.verify_audit().await.expect("reads");
        assert_eq!(report.fault, None, "{}", database.url);
    }
}

#[test]
fn both_engines_hold_what_a_map_would_hold() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let config = ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec(prop::collection::vec(act(), 1..6), 1..10);
    proptest::test_runner::TestRunner::new(config)
        .run(&steps, |steps| {
            runtime.block_on(check(&steps));
            Ok(())
        })
        .expect("every sequence holds");
}
