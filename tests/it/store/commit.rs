//! What a commit writes, and that it writes nothing twice.

use gatewright::{
    model::{Need, SecretState, symbol},
    store::{
        changeset::{Ownership, Precondition, SecretWrite},
        verify_password,
    },
};
use serde_json::json;

use super::{
    everything,
    kinds::{
        BADGE, DOOR, GATE, PERSON, RowExt, TEAM, badge, changes, create, create_numbered, delete, id, person, provider,
        registry, team, update,
    },
};
use crate::support::database::{key, on_each};

#[tokio::test]
async fn the_life_of_an_object() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let born = store
            .commit(
                &registry,
                &changes(vec![
                    // The reference comes before its target: order has no meaning.
                    create(
                        id(1),
                        PERSON,
                        person("ada")
                            .to("teams", &[id(12), id(11), id(12)])
                            .to("boss", &[id(1)])
                            .attr("attributes", json!({ "z": 1, "a": [null, 1.5, "é"] }))
                            .secret("token", SecretWrite::Seal("s3cret".into()))
                            .secret("password", SecretWrite::Hash("hunter2".into())),
                    ),
                    create(id(11), TEAM, team("red").to("parent", &[id(12)])),
                    create(id(12), TEAM, team("blue").to("parent", &[id(11)])),
                ]),
                1_000,
            )
            .await
            .expect("written");
        assert_eq!((born.revision, born.run), (1, Some(1)));
        assert_eq!(born.numbers, [(id(1), 1)].into());

        let objects = everything(&store, &registry).await;
        let ada = &objects[&id(1)];
        assert_eq!((ada.kind, ada.number), (PERSON, Some(1)));
        assert_eq!((ada.revision, ada.created, ada.updated), (1, 1_000, 1_000));
        assert_eq!(ada.attrs["attributes"], json!({ "a": [null, 1.5, "é"], "z": 1 }));
        assert_eq!(ada.edges, [("teams", vec![id(12), id(11)]), ("boss", vec![id(1)])].into());
        assert_eq!(ada.secrets["token"], SecretState::Sealed(key().digest("s3cret")));
        let SecretState::Password(hash) = &ada.secrets["password"] else { panic!("a hash is expected") };
        assert!(verify_password(hash, "hunter2") && !verify_password(hash, "hunter3"));
        assert_eq!(store.reveal(id(1), "token").await.expect("opens").expect("a value").as_str(), "s3cret");
        assert_eq!(store.reveal(id(1), "password").await.expect("answers"), None);

        // Secrets that are not named stay; references that are not named go.
        let row = person("ada.l").to("teams", &[id(11)]).attr("attributes", json!({}));
        let moved = store.commit(&registry, &changes(vec![update(id(1), PERSON, row)]), 2_000).await.expect("written");
        assert_eq!(moved.revision, 2);
        let objects = everything(&store, &registry).await;
        let ada = &objects[&id(1)];
        assert_eq!((ada.revision, ada.created, ada.updated, ada.number), (2, 1_000, 2_000, Some(1)));
        assert_eq!(ada.edges, [("teams", vec![id(11)])].into());
        assert_eq!(ada.secrets.len(), 2);
        let by_name = |name: &str| Need::Key("test.person", "username".into(), name.into());
        let mut reader = store.read().await.expect("a snapshot");
        assert_eq!(reader.answer(&registry, &[by_name("ada")]).await.expect("answers"), []);
        assert_eq!(reader.answer(&registry, &[by_name("ada.l")]).await.expect("answers"), std::slice::from_ref(ada));
        drop(reader);

        let row = person("ada.l").secret("token", SecretWrite::Clear).secret("password", SecretWrite::Clear);
        store.commit(&registry, &changes(vec![update(id(1), PERSON, row)]), 3_000).await.expect("written");
        assert_eq!(everything(&store, &registry).await[&id(1)].secrets.len(), 0);
        assert_eq!(store.reveal(id(1), "token").await.expect("answers"), None);

        store.commit(&registry, &changes(vec![delete(id(1), PERSON)]), 4_000).await.expect("deleted");
        assert_eq!(everything(&store, &registry).await.keys().copied().collect::<Vec<_>>(), [id(11), id(12)]);
        let log = store.changes_of(id(1)).await.expect("the log");
        let told: Vec<_> =
            log.iter().map(|change| (change.action.as_str(), change.name.as_str(), change.run)).collect();
        let last = id(1).to_string();
        assert_eq!(
            told,
            [("create", "ada", 1), ("update", "ada.l", 2), ("update", "ada.l", 3), ("delete", last.as_str(), 4)]
        );
        let after = store.changes_after(3, 10).await.expect("the log");
        assert_eq!(after.iter().map(|change| change.seq).collect::<Vec<_>>(), [4, 5, 6]);
        let runs = store.runs(2).await.expect("the runs");
        assert_eq!(
            runs.iter().map(|run| (run.id, run.revision, run.at)).collect::<Vec<_>>(),
            [(4, 4, 4_000), (3, 3, 3_000)]
        );
        assert_eq!(runs[0].run, changes(vec![delete(id(1), PERSON)]).run);
    })
    .await;
}

#[tokio::test]
async fn what_is_there_already_is_not_written_again() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let row = || {
            person("ada")
                .to("teams", &[id(11), id(12)])
                .secret("token", SecretWrite::Seal("s3cret".into()))
                .attr("attributes", json!({ "a": 1, "b": 2 }))
        };
        let owned = |line, fields: &[&str]| Ownership {
            object: id(1),
            source: "main".into(),
            document: "a.yaml".into(),
            entry: 0,
            line,
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let mut first = changes(vec![
            create(id(11), TEAM, team("red")),
            create(id(12), TEAM, team("blue")),
            create(id(1), PERSON, row()),
        ]);
        first.ownership = vec![owned(3, &["name"])];
        store.commit(&registry, &first, 1).await.expect("written");
        let before = everything(&store, &registry).await;

        // The same again: other order of keys and list entries, which mean nothing, and the same secret.
        let mut same = row().to("teams", &[id(12), id(11)]).attr("attributes", json!({ "b": 2, "a": 1 }));
        same.attrs.sort_keys();
        let mut again = changes(vec![update(id(1), PERSON, same), update(id(11), TEAM, team("red"))]);
        again.ownership = vec![owned(3, &["name"])];
        let idle = store.commit(&registry, &again, 2).await.expect("accepted");
        assert_eq!((idle.rows_written, idle.run, idle.revision), (0, None, 1));
        assert_eq!(store.runs(10).await.expect("the runs").len(), 1);
        assert_eq!(everything(&store, &registry).await, before);

        // Ownership alone is worth a run, and releasing it, too.
        again.ownership = vec![owned(4, &["name", "teams"])];
        let owning = store.commit(&registry, &again, 3).await.expect("written");
        assert_eq!((owning.run, owning.revision), (Some(2), 2));
        let mut reader = store.read().await.expect("a snapshot");
        assert_eq!(reader.ownership(vec![id(1), id(2)]).await.expect("answers"), again.ownership);
        assert_eq!(reader.ownership_of("main").await.expect("answers"), again.ownership);
        assert_eq!(reader.ownership_of("other").await.expect("answers"), []);
        drop(reader);
        again.ownership = vec![owned(0, &[])];
        store.commit(&registry, &again, 4).await.expect("written");
        let mut reader = store.read().await.expect("a snapshot");
        assert_eq!(reader.ownership(vec![id(1)]).await.expect("answers"), []);
        drop(reader);
        assert_eq!(everything(&store, &registry).await, before, "the objects were left alone");
    })
    .await;
}

#[tokio::test]
async fn ownership_of_one_document_is_replaced_as_a_whole() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let owned = |source: &str, document: &str, entry| Ownership {
            object: id(11),
            source: source.into(),
            document: document.into(),
            entry,
            line: entry + 1,
            fields: vec!["name".into()],
        };
        let mut first = changes(vec![create(id(11), TEAM, team("red"))]);
        first.ownership =
            vec![owned("main", "a", 0), owned("main", "a", 5), owned("main", "b", 0), owned("cli", "a", 0)];
        store.commit(&registry, &first, 1).await.expect("written");

        let mut second = changes(Vec::new());
        second.ownership = vec![owned("main", "a", 1)];
        store.commit(&registry, &second, 2).await.expect("written");
        let mut reader = store.read().await.expect("a snapshot");
        let found = reader.ownership(vec![id(11)]).await.expect("answers");
        assert_eq!(found, [owned("cli", "a", 0), owned("main", "a", 1), owned("main", "b", 0)]);
    })
    .await;
}

#[tokio::test]
async fn numbers_are_given_once_and_symbols_become_numbers() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let url =
            symbol::text(vec![json!("https://x/"), symbol::number_of(id(1)), json!("/"), symbol::number_of(id(2))]);
        let first = changes(vec![
            create(id(1), GATE, provider("gate").attr("url", url).attr("list", json!([symbol::number_of(id(2))]))),
            create(id(2), DOOR, provider("door")),
            create(id(3), PERSON, person("ada")),
        ]);
        let written = store.commit(&registry, &first, 1).await.expect("written");
        assert_eq!(written.numbers, [(id(1), 1), (id(2), 2), (id(3), 1)].into(), "providers share one sequence");
        let gate = everything(&store, &registry).await.remove(&id(1)).expect("the gate");
        assert_eq!((&gate.attrs["url"], &gate.attrs["list"]), (&json!("https://x/1/2"), &json!([2])));
        let log = store.changes_of(id(1)).await.expect("the log");
        assert!(log[0].fields.iter().any(|change| change.after == json!("https://x/1/2")), "{log:?}");

        // A number that was asked for moves the sequence on, and one that was used does not come back.
        let second = changes(vec![
            delete(id(2), DOOR),
            create_numbered(id(4), DOOR, 10, provider("back door")),
            create(id(5), GATE, provider("other gate")),
        ]);
        let written = store.commit(&registry, &second, 2).await.expect("written");
        assert_eq!(written.numbers, [(id(4), 10), (id(5), 11)].into());

        let scope = "authentik_core.provider";
        let needs = [Need::Number(scope, 10), Need::Number(scope, 2), Need::Number("test.person", 1)];
        let mut reader = store.read().await.expect("a snapshot");
        let mut found: Vec<_> =
            reader.answer(&registry, &needs).await.expect("answers").into_iter().map(|object| object.id).collect();
        found.sort();
        assert_eq!(found, [id(3), id(4)]);
    })
    .await;
}

#[tokio::test]
async fn identifiers_and_badges_change_hands_in_one_commit() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let first = changes(vec![
            create(id(21), BADGE, badge("gold")),
            create(id(1), PERSON, person("ada").to("badge", &[id(21)])),
            create(id(2), PERSON, person("bob")),
            create(id(3), PERSON, person("cyd")),
        ]);
        store.commit(&registry, &first, 1).await.expect("written");
        let mut second = changes(vec![
            update(id(1), PERSON, person("bob")),
            update(id(2), PERSON, person("ada").to("badge", &[id(21)])),
            delete(id(3), PERSON),
            create(id(4), PERSON, person("cyd")),
        ]);
        second.preconditions = vec![
            Precondition::Revision(id(1), 1),
            Precondition::Missing(id(4)),
            Precondition::KeyOf("test.person", "username".into(), "cyd".into(), id(3)),
            Precondition::FreeKey("test.person", "username".into(), "dan".into()),
        ];
        store.commit(&registry, &second, 2).await.expect("written");
        let objects = everything(&store, &registry).await;
        assert_eq!((objects[&id(1)].text("username"), objects[&id(1)].targets("badge")), (Some("bob".into()), &[][..]));
        assert_eq!(objects[&id(2)].targets("badge"), [id(21)]);
        let mut reader = store.read().await.expect("a snapshot");
        let need = Need::Key("test.person", "username".into(), "cyd".into());
        assert_eq!(reader.answer(&registry, &[need]).await.expect("answers")[0].id, id(4));
    })
    .await;
}

#[tokio::test]
async fn needs_are_answered_in_bulk_and_the_model_holds_what_is_resident() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let mut writes = vec![create(id(9_000), TEAM, team("all")), create(id(9_001), TEAM, team("none"))];
        writes.extend(
            (0..1_200)
                .map(|number| create(id(number), PERSON, person(&format!("p{number}")).to("teams", &[id(9_000)]))),
        );
        store.commit(&registry, &changes(writes), 1).await.expect("written");

        let mut reader = store.read().await.expect("a snapshot");
        let model = reader.model(registry.clone()).await.expect("the model");
        assert_eq!(model.counts(), [(TEAM, 2)].into());
        assert_eq!((model.instance, model.revision), (reader.instance(), 1));
        assert_eq!(model.get(id(3)).expect_err("people are paged"), Need::Id(id(3)));

        let mut needs: Vec<Need> = (0..1_300).map(|number| Need::Id(id(number))).collect();
        assert_eq!(reader.answer(&registry, &needs).await.expect("answers").len(), 1_200, "unknown ids add nothing");
        needs = (0..1_300).map(|number| Need::Key("test.person", "username".into(), format!("p{number}"))).collect();
        needs.push(Need::Id(id(7)));
        assert_eq!(reader.answer(&registry, &needs).await.expect("answers").len(), 1_200, "each object once");
        needs = vec![Need::Referrers("teams", id(9_000)), Need::Referrers("teams", id(9_001))];
        assert_eq!(reader.answer(&registry, &needs).await.expect("answers").len(), 1_200);
        assert_eq!(reader.load_kind(&registry, PERSON).await.expect("answers").len(), 1_200);
    })
    .await;
}

#[tokio::test]
async fn what_this_program_does_not_know_is_left_alone() {
    on_each(|database| async move {
        let (store, registry) = (database.store().await, registry());
        let known = changes(vec![create(id(11), TEAM, team("red")), create(id(1), PERSON, person("ada"))]);
        store.commit(&registry, &known, 1).await.expect("written");
        let before = everything(&store, &registry).await;
        let (red, ada, alien) = (id(11), id(1), id(99));
        database
            .sql(&format!(
                "INSERT INTO object SELECT '{alien}', NULL, 'test.alien', 'x', attrs, digest, 1, 1, 1 FROM object WHERE id = '{red}';
                 INSERT INTO object_edge VALUES ('{red}', 'moon', 0, '{ada}'), ('{alien}', 'parent', 0, '{red}');
                 INSERT INTO secret SELECT '{red}', 'moonlight', digest, digest FROM object WHERE id = '{red}';
                 INSERT INTO credential VALUES ('{alien}', 'password', 'x')"
            ))
            .await;
        let mut reader = store.read().await.expect("a snapshot");
        assert_eq!(reader.load_resident(&registry).await.expect("loads"), [before[&red].clone()]);
        assert_eq!(reader.load_ids(&registry, vec![ada, alien]).await.expect("loads"), [before[&ada].clone()]);
    })
    .await;
}
