//! Giving out integer keys: one sequence per scope, each number once.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::prepare::{LARGEST_NUMBER, Prepared};
use crate::{
    model::Registry,
    store::{
        StoreError,
        changeset::Write,
        db::Tx,
        error::Doing,
        read::{id, number_kinds},
        sql::{LIST, List, Statement, Value, chunks},
    },
};

/// The numbers of the objects that are created, and where the sequences stand afterwards.
#[derive(Default)]
pub(super) struct Numbers {
    pub(super) given: HashMap<Uuid, i64>,
    /// Scope and its next number, of the scopes that moved.
    pub(super) next: BTreeMap<&'static str, i64>,
}

/// Allots numbers to all creations. A number that a creation asks for is given if it is free, and the
/// sequence goes on after it.
pub(super) async fn allot(tx: &mut Tx, registry: &Registry, prepared: &[Prepared<'_>]) -> Result<Numbers, StoreError> {
    let mut asked: BTreeMap<&'static str, Vec<(Uuid, i64)>> = BTreeMap::new();
    let mut open: BTreeMap<&'static str, Vec<Uuid>> = BTreeMap::new();
    for write in prepared.iter().filter(|write| write.kind.numbered) {
        if let Write::Create { number, .. } = write.write {
            let scope = write.kind.number_scope();
            match number {
                Some(number) => asked.entry(scope).or_default().push((write.id, *number)),
                None => open.entry(scope).or_default().push(write.id),
            }
        }
    }
    let mut numbers = Numbers::default();
    let scopes: HashSet<&'static str> = asked.keys().chain(open.keys()).copied().collect();
    if scopes.is_empty() {
        return Ok(numbers);
    }
    let list = List::Values(scopes.into_iter().map(Value::from).collect());
    let query =
        Statement::with_lists(&["SELECT scope, next FROM number_sequence WHERE scope IN ({})"], vec![], vec![list]);
    let mut stored = HashMap::new();
    for row in tx.fetch(query).await.doing("reading number sequences")? {
        stored.insert(row.text(0).doing("reading number sequences")?, row.int(1).doing("reading number sequences")?);
    }
    let start = |scope: &str| stored.get(scope).copied().unwrap_or(1);
    for (scope, wanted) in asked {
        refuse_taken(tx, registry, scope, &wanted).await?;
        let beyond = wanted.iter().map(|(_, number)| number + 1).max().unwrap_or(1);
        numbers.next.insert(scope, beyond.max(start(scope)));
        numbers.given.extend(wanted);
    }
    for (scope, ids) in open {
        let next = numbers.next.entry(scope).or_insert_with(|| start(scope));
        for id in ids {
            if *next > LARGEST_NUMBER {
                return Err(StoreError::NumbersExhausted { scope });
            }
            numbers.given.insert(id, *next);
            *next += 1;
        }
    }
    Ok(numbers)
}

async fn refuse_taken(
    tx: &mut Tx,
    registry: &Registry,
    scope: &'static str,
    wanted: &[(Uuid, i64)],
) -> Result<(), StoreError> {
    let duplicate = |object, number: i64, holder| StoreError::Duplicate {
        scope: scope.to_owned(),
        key: "number".to_owned(),
        value: number.to_string(),
        object,
        holder,
    };
    let mut takers = HashMap::new();
    for (object, number) in wanted {
        if let Some(other) = takers.insert(*number, *object) {
            return Err(duplicate(*object, *number, Some(other)));
        }
    }
    let kinds: Vec<Value> = number_kinds(registry, scope).map(Value::from).collect();
    let asked: Vec<Value> = wanted.iter().map(|(_, number)| Value::from(*number)).collect();
    for chunk in chunks(asked, LIST) {
        let query = Statement::with_lists(
            &["SELECT number, id FROM object WHERE number IN ({}) AND kind IN ({})"],
            Vec::new(),
            vec![List::Values(chunk), List::Values(kinds.clone())],
        );
        if let Some(row) = tx.fetch(query).await.doing("looking for taken numbers")?.first() {
            let number = row.int(0).doing("looking for taken numbers")?;
            let object = takers.get(&number).copied().unwrap_or_default();
            return Err(duplicate(object, number, Some(id(row, 1)?)));
        }
    }
    Ok(())
}
