//! Browser sessions. The database holds the SHA-256 of what the cookie holds, and the session's data sealed.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Store, StoreError,
    db::Row,
    error::Doing,
    read::id,
    sql::{Statement, Value},
};

/// A session as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    /// Public identity: the same through all rotations of the cookie.
    pub id: Uuid,
    /// Who is signed in.
    pub person: Option<Uuid>,
    /// Microseconds since 1970.
    pub created: i64,
    /// Last use, in microseconds since 1970; written about once a minute.
    pub used: i64,
    /// Absolute end, in microseconds since 1970.
    pub expires: i64,
    /// What the server keeps in it, sealed at rest.
    pub data: Json,
}

/// A session to be written.
#[derive(Clone, Debug)]
pub struct SessionWrite<'a> {
    /// The session.
    pub session: &'a Session,
    /// The cookie's content under which the session was found; none for a session that is new. The write fails when it is
    /// another one meanwhile.
    pub known: Option<&'a str>,
    /// The new cookie's content, when it changes; a session that is new needs one.
    pub token: Option<&'a str>,
    /// The people's other sessions end with this write.
    pub end_others: bool,
}

const READING: &str = "reading a session";
const WRITING: &str = "writing a session";

impl Store {
    /// The session that a cookie stands for, unless it has ended.
    ///
    /// # Errors
    /// When the database fails or the session's data was tampered with.
    pub async fn session(&self, token: &str, now: i64) -> Result<Option<Session>, StoreError> {
        let query = "SELECT id, person, created, used, expires, data FROM session WHERE token = $1 AND expires > $2";
        let rows = self.look(Statement::new(query).bind(digest(token)).bind(now), READING).await?;
        rows.first().map(|row| self.open_session(row)).transpose()
    }

    /// All sessions in which a person is signed in, newest first.
    ///
    /// # Errors
    /// When the database fails or a session's data was tampered with.
    pub async fn sessions_of(&self, person: Uuid, now: i64) -> Result<Vec<Session>, StoreError> {
        let query = "SELECT id, person, created, used, expires, data FROM session \
            WHERE person = $1 AND expires > $2 ORDER BY created DESC, id";
        let rows = self.look(Statement::new(query).bind(person).bind(now), READING).await?;
        rows.iter().map(|row| self.open_session(row)).collect()
    }

    /// Writes a session, new or known. Gives false, and writes nothing, when a known one has ended meanwhile or goes by
    /// another cookie: whoever rotated it knew more, as of who is signed in.
    ///
    /// # Errors
    /// When the database fails, or a session is new and has no cookie.
    pub async fn put_session(&self, write: &SessionWrite<'_>) -> Result<bool, StoreError> {
        let SessionWrite { session, known, token, end_others } = write;
        let Some(token) = token.or(*known) else {
            return Err(StoreError::Corrupt { what: format!("the new session {}", session.id) });
        };
        let data = self.seal_session(session)?;
        let mut turn = self.begin_churn().await?;
        let person = Value::MaybeText(session.person.map(|person| person.to_string()));
        let written = match known {
            None => {
                let insert = "INSERT INTO session (id, token, person, created, used, expires, data) \
                    VALUES ($1, $2, $3, $4, $5, $6, $7)";
                let statement = Statement::new(insert).bind(session.id).bind(digest(token)).bind(person);
                statement.bind(session.created).bind(session.used).bind(session.expires).bind(data)
            }
            Some(known) => {
                let update = "UPDATE session SET token = $1, person = $2, created = $3, used = $4, expires = $5, \
                    data = $6 WHERE id = $7 AND token = $8";
                let statement = Statement::new(update).bind(digest(token)).bind(person).bind(session.created);
                let statement = statement.bind(session.used).bind(session.expires).bind(data);
                statement.bind(session.id).bind(digest(known))
            }
        };
        let written = turn.tx.execute(written).await.doing(WRITING)? > 0;
        if written
            && *end_others
            && let Some(person) = session.person
        {
            let others = Statement::new("DELETE FROM session WHERE person = $1 AND id <> $2");
            turn.tx.execute(others.bind(person).bind(session.id)).await.doing("ending sessions")?;
        }
        turn.tx.commit().await.doing(WRITING)?;
        Ok(written)
    }

    /// Notes that a session was used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn touch_session(&self, session: Uuid, now: i64) -> Result<(), StoreError> {
        let update = Statement::new("UPDATE session SET used = $1 WHERE id = $2").bind(now).bind(session);
        self.churn(update, WRITING).await.map(drop)
    }

    /// Ends a session and the flow in it. Gives whether there was one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_session(&self, session: Uuid) -> Result<bool, StoreError> {
        let delete = Statement::new("DELETE FROM session WHERE id = $1").bind(session);
        Ok(self.churn(delete, "ending a session").await? > 0)
    }

    /// Ends all sessions of a person. Gives how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_sessions_of(&self, person: Uuid) -> Result<u64, StoreError> {
        let delete = Statement::new("DELETE FROM session WHERE person = $1").bind(person);
        self.churn(delete, "ending sessions").await
    }

    /// Deletes what has ended: sessions, links, events, counters. Nothing depends on when this runs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn clean_up(&self, now: i64) -> Result<(), StoreError> {
        /// Counters that nobody has touched for a day say nothing any more.
        const DAY: i64 = 86_400_000_000;
        let statements = [
            Statement::new("DELETE FROM session WHERE expires <= $1").bind(now),
            Statement::new("DELETE FROM flow_token WHERE expires <= $1").bind(now),
            Statement::new("DELETE FROM event WHERE expires <= $1").bind(now),
            Statement::new("DELETE FROM reputation WHERE expires <= $1").bind(now),
            Statement::new("DELETE FROM attempt WHERE last <= $1").bind(now - DAY),
            Statement::new(
                "DELETE FROM flow_slice WHERE created <= $1 \
                 AND NOT EXISTS (SELECT 1 FROM flow_execution e WHERE e.slice = flow_slice.digest) \
                 AND NOT EXISTS (SELECT 1 FROM flow_token t WHERE t.slice = flow_slice.digest)",
            )
            .bind(now - DAY),
        ];
        for statement in statements {
            self.churn(statement, "cleaning up").await?;
        }
        Ok(())
    }

    /// Runs a query in a snapshot of its own.
    pub(super) async fn look(&self, query: Statement, doing: &'static str) -> Result<Vec<Row>, StoreError> {
        self.inner.pool.fetch(query).await.doing(doing)
    }

    /// Runs a statement in a short transaction of its own; gives the number of rows that it wrote.
    pub(super) async fn churn(&self, statement: Statement, doing: &'static str) -> Result<u64, StoreError> {
        let mut turn = self.begin_churn().await?;
        let written = turn.tx.execute(statement).await.doing(doing)?;
        turn.tx.commit().await.doing(doing)?;
        Ok(written)
    }

    fn open_session(&self, row: &Row) -> Result<Session, StoreError> {
        let session = id(row, 0)?;
        let person = row.maybe_text(1).doing(READING)?;
        let corrupt = || StoreError::Corrupt { what: format!("the session {session}") };
        let data = self.key().unseal(&context(session), &row.bytes(5).doing(READING)?).map_err(|_| corrupt())?;
        Ok(Session {
            id: session,
            person: person.map(|person| person.parse()).transpose().map_err(|_| corrupt())?,
            created: row.int(2).doing(READING)?,
            used: row.int(3).doing(READING)?,
            expires: row.int(4).doing(READING)?,
            data: serde_json::from_slice(&data).map_err(|_| corrupt())?,
        })
    }

    fn seal_session(&self, session: &Session) -> Result<Vec<u8>, StoreError> {
        Ok(self.key().seal(&context(session.id), session.data.to_string().as_bytes())?)
    }
}

/// Where the sealed data of a session belongs.
fn context(session: Uuid) -> String {
    format!("session/{session}")
}

/// What is kept of a secret of 128 bits or more that whoever holds it presents: without a salt, so that it can be
/// looked up, and without stretching, because it cannot be guessed.
pub(super) fn digest(token: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
