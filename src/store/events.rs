//! Events: what people and the server did, kept for audit until their time is over.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Store, StoreError,
    db::{Row, Tx},
    error::Doing,
    read::id,
    sql::{Statement, Value},
};

/// One event.
#[derive(Clone, Debug, PartialEq)]
pub struct EventRecord {
    /// Identity.
    pub id: Uuid,
    /// Microseconds since 1970.
    pub at: i64,
    /// From when it may be deleted, in microseconds since 1970.
    pub expires: i64,
    /// What happened, as the API names it.
    pub action: String,
    /// Part of the system.
    pub app: String,
    /// Whom it is about, if it is somebody known.
    pub person: Option<Uuid>,
    /// Address of the client.
    pub client_ip: Option<String>,
    /// Who did it, as the API shows it.
    pub actor: Json,
    /// Details.
    pub context: Json,
    /// Brand, as the API shows it.
    pub brand: Json,
}

/// Which events are wanted; what is not given does not narrow.
#[derive(Clone, Debug, Default)]
pub struct EventFilter<'a> {
    /// The action.
    pub action: Option<&'a str>,
    /// The person.
    pub person: Option<Uuid>,
    /// Later than this moment, in microseconds since 1970.
    pub after: Option<i64>,
    /// How many at most; 0 for 100.
    pub limit: u32,
}

const READING: &str = "reading events";

/// Writes an event within a transaction.
pub(super) async fn write(tx: &mut Tx, event: &EventRecord) -> Result<(), StoreError> {
    let insert = "INSERT INTO event (id, at, expires, action, app, person, client_ip, actor, context, brand) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    let statement = Statement::new(insert)
        .bind(event.id)
        .bind(event.at)
        .bind(event.expires)
        .bind(event.action.as_str())
        .bind(event.app.as_str())
        .bind(Value::MaybeText(event.person.map(|person| person.to_string())))
        .bind(Value::MaybeText(event.client_ip.clone()))
        .bind(event.actor.to_string())
        .bind(event.context.to_string())
        .bind(event.brand.to_string());
    tx.execute(statement).await.doing("writing an event").map(drop)
}

impl Store {
    /// Writes events.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn write_events(&self, events: &[EventRecord]) -> Result<(), StoreError> {
        let mut turn = self.begin_churn().await?;
        for event in events {
            write(&mut turn.tx, event).await?;
        }
        turn.tx.commit().await.doing("writing an event")
    }

    /// Events, latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn events(&self, filter: &EventFilter<'_>) -> Result<Vec<EventRecord>, StoreError> {
        let query = "SELECT id, at, expires, action, app, person, client_ip, actor, context, brand FROM event \
            WHERE ($1 = '' OR action = $2) AND ($3 = '' OR person = $4) AND at > $5 ORDER BY at DESC, id LIMIT $6";
        let action = filter.action.unwrap_or_default();
        let person = filter.person.map(|person| person.to_string()).unwrap_or_default();
        let limit = if filter.limit == 0 { 100 } else { i64::from(filter.limit) };
        let statement = Statement::new(query).bind(action).bind(action).bind(person.as_str()).bind(person.as_str());
        let statement = statement.bind(filter.after.unwrap_or(i64::MIN)).bind(limit);
        self.look(statement, READING).await?.iter().map(record).collect()
    }
}

fn record(row: &Row) -> Result<EventRecord, StoreError> {
    let corrupt = || StoreError::Corrupt { what: "the table event".into() };
    let json = |column: usize| -> Result<Json, StoreError> {
        serde_json::from_str(row.str(column).doing(READING)?).map_err(|_| corrupt())
    };
    let person = row.maybe_text(5).doing(READING)?;
    Ok(EventRecord {
        id: id(row, 0)?,
        at: row.int(1).doing(READING)?,
        expires: row.int(2).doing(READING)?,
        action: row.text(3).doing(READING)?,
        app: row.text(4).doing(READING)?,
        person: person.map(|person| person.parse()).transpose().map_err(|_| corrupt())?,
        client_ip: row.maybe_text(6).doing(READING)?,
        actor: json(7)?,
        context: json(8)?,
        brand: json(9)?,
    })
}
