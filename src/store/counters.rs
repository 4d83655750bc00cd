//! Counters that all processes share: attempts at secrets, reputation, what happened to a person, latches.
//!
//! An attempt is counted before the secret is looked at, in one statement, so that guesses made at once are all counted.

use std::net::IpAddr;

use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Store, StoreError,
    error::Doing,
    read::id,
    sql::{Statement, Value},
};

/// Attempts that were counted, with the one that is counted now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts {
    /// How many since the last success or since they were last forgotten, this one included.
    pub count: i64,
    /// The first of them, in microseconds since 1970.
    pub since: i64,
    /// The one before this, in microseconds since 1970; 0 when there was none.
    pub last: i64,
}

/// How an identifier or an address has behaved.
#[derive(Clone, Debug, PartialEq)]
pub struct Reputation {
    /// Identity of the record.
    pub id: Uuid,
    /// What was typed as the name.
    pub identifier: String,
    /// From where.
    pub ip: String,
    /// Below zero for failures, above for successes.
    pub score: i64,
    /// What is known of the address: `geo` and `asn`.
    pub place: Json,
    /// Microseconds since 1970.
    pub updated: i64,
    /// Microseconds since 1970.
    pub expires: i64,
}

impl Store {
    /// Counts an attempt at a secret. Those that lie longer back than `window` microseconds are forgotten.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn count_attempt(
        &self,
        scope: &str,
        subject: &str,
        now: i64,
        window: i64,
    ) -> Result<Attempts, StoreError> {
        const DOING: &str = "counting an attempt";
        let mut turn = self.begin_churn().await?;
        let before = "SELECT last FROM attempt WHERE scope = $1 AND subject = $2";
        let rows = turn.tx.fetch(Statement::new(before).bind(scope).bind(subject)).await.doing(DOING)?;
        let last = rows.first().map_or(Ok(0), |row| row.int(0)).doing(DOING)?;
        let upsert = "INSERT INTO attempt (scope, subject, count, since, last) VALUES ($1, $2, 1, $3, $4) \
            ON CONFLICT (scope, subject) DO UPDATE SET \
            count = CASE WHEN attempt.last < $5 THEN 1 ELSE attempt.count + 1 END, \
            since = CASE WHEN attempt.last < $6 THEN excluded.since ELSE attempt.since END, \
            last = excluded.last RETURNING count, since";
        let forgotten = now.saturating_sub(window);
        let statement = Statement::new(upsert).bind(scope).bind(subject).bind(now).bind(now);
        let rows = turn.tx.fetch(statement.bind(forgotten).bind(forgotten)).await.doing(DOING)?;
        turn.tx.commit().await.doing(DOING)?;
        let row = rows.first().ok_or_else(|| StoreError::Corrupt { what: "the table attempt".into() })?;
        Ok(Attempts { count: row.int(0).doing(DOING)?, since: row.int(1).doing(DOING)?, last })
    }

    /// Takes back one attempt at a secret that turned out to be a success.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forgive_attempt(&self, scope: &str, subject: &str) -> Result<(), StoreError> {
        let update = "UPDATE attempt SET count = count - 1 WHERE scope = $1 AND subject = $2 AND count > 0";
        self.churn(Statement::new(update).bind(scope).bind(subject), "taking back an attempt").await.map(drop)
    }

    /// Forgets the attempts at a secret, after a success.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_attempts(&self, scope: &str, subject: &str) -> Result<(), StoreError> {
        let delete = Statement::new("DELETE FROM attempt WHERE scope = $1 AND subject = $2");
        self.churn(delete.bind(scope).bind(subject), "forgetting attempts").await.map(drop)
    }

    /// Adds to a score, kept between two limits.
    ///
    /// # Errors
    /// When the database fails.
    #[allow(clippy::too_many_arguments, reason = "each is a column")]
    pub async fn change_reputation(
        &self,
        identifier: &str,
        ip: IpAddr,
        by: i64,
        limits: (i64, i64),
        place: &Json,
        now: i64,
        lasts: i64,
    ) -> Result<(), StoreError> {
        let clamp = |score: i64| score.clamp(limits.0, limits.1);
        let upsert = "INSERT INTO reputation (identifier, ip, id, score, place, updated, expires) \
            VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (identifier, ip) DO UPDATE SET \
            score = CASE WHEN reputation.expires <= $8 THEN excluded.score \
            WHEN reputation.score + $9 < $10 THEN $11 WHEN reputation.score + $12 > $13 THEN $14 \
            ELSE reputation.score + $15 END, \
            place = excluded.place, updated = excluded.updated, expires = excluded.expires";
        let statement = Statement::new(upsert)
            .bind(identifier)
            .bind(ip.to_string())
            .bind(Uuid::new_v4())
            .bind(clamp(by))
            .bind(place.to_string())
            .bind(now)
            .bind(now.saturating_add(lasts))
            .bind(now)
            .bind(by)
            .bind(limits.0)
            .bind(limits.0)
            .bind(by)
            .bind(limits.1)
            .bind(limits.1)
            .bind(by);
        self.churn(statement, "recording reputation").await.map(drop)
    }

    /// The sum of the scores of an identifier or an address, each if given; of all when neither is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reputation(&self, identifier: Option<&str>, ip: Option<IpAddr>, now: i64) -> Result<i64, StoreError> {
        let all = identifier.is_none() && ip.is_none();
        let query = "SELECT CAST(COALESCE(SUM(score), 0) AS BIGINT) FROM reputation \
            WHERE expires > $1 AND (identifier = $2 OR ip = $3 OR $4 = 1)";
        let statement = Statement::new(query)
            .bind(now)
            .bind(Value::MaybeText(identifier.map(str::to_owned)))
            .bind(Value::MaybeText(ip.map(|ip| ip.to_string())))
            .bind(i64::from(all));
        let rows = self.look(statement, "reading reputation").await?;
        rows.first().map_or(Ok(0), |row| row.int(0)).doing("reading reputation")
    }

    /// All records of reputation, latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reputations(&self, now: i64) -> Result<Vec<Reputation>, StoreError> {
        const DOING: &str = "reading reputation";
        let query = "SELECT id, identifier, ip, score, place, updated, expires FROM reputation \
            WHERE expires > $1 ORDER BY updated DESC, id";
        let rows = self.look(Statement::new(query).bind(now), DOING).await?;
        let record = |row: &super::db::Row| {
            let place = row.text(4).doing(DOING)?;
            Ok(Reputation {
                id: id(row, 0)?,
                identifier: row.text(1).doing(DOING)?,
                ip: row.text(2).doing(DOING)?,
                score: row.int(3).doing(DOING)?,
                place: serde_json::from_str(&place)
                    .map_err(|_| StoreError::Corrupt { what: "the table reputation".into() })?,
                updated: row.int(5).doing(DOING)?,
                expires: row.int(6).doing(DOING)?,
            })
        };
        rows.iter().map(record).collect()
    }

    /// Notes a sign-in or a change of password.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn note_person(
        &self,
        person: Uuid,
        last_login: Option<i64>,
        password_changed: Option<i64>,
    ) -> Result<(), StoreError> {
        let upsert = "INSERT INTO person_state (person, last_login, password_changed) VALUES ($1, $2, $3) \
            ON CONFLICT (person) DO UPDATE SET \
            last_login = COALESCE(excluded.last_login, person_state.last_login), \
            password_changed = COALESCE(excluded.password_changed, person_state.password_changed)";
        let statement = Statement::new(upsert).bind(person);
        let statement = statement.bind(Value::MaybeInt(last_login)).bind(Value::MaybeInt(password_changed));
        self.churn(statement, "noting a sign-in").await.map(drop)
    }

    /// When a person last signed in and last changed the password.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person_state(&self, person: Uuid) -> Result<(Option<i64>, Option<i64>), StoreError> {
        const DOING: &str = "reading the last sign-in";
        let query = Statement::new("SELECT last_login, password_changed FROM person_state WHERE person = $1");
        let rows = self.look(query.bind(person), DOING).await?;
        let Some(row) = rows.first() else { return Ok((None, None)) };
        Ok((row.maybe_int(0).doing(DOING)?, row.maybe_int(1).doing(DOING)?))
    }

    /// Closes a latch for good. Gives whether it was open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn close_latch(&self, name: &str, now: i64) -> Result<bool, StoreError> {
        let insert = Statement::new("INSERT INTO latch (name, at) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING");
        Ok(self.churn(insert.bind(name).bind(now), "closing a latch").await? > 0)
    }

    /// Whether a latch was closed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn latch_closed(&self, name: &str) -> Result<bool, StoreError> {
        let query = Statement::new("SELECT 1 FROM latch WHERE name = $1").bind(name);
        Ok(!self.look(query, "looking at a latch").await?.is_empty())
    }
}
