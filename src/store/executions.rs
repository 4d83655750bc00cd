//! Flows in progress, the flows as they were when somebody began them, and the links that resume them.
//!
//! The state of an execution holds what people typed; it is sealed. Where an execution stands is known by its version:
//! a write names the one that it read, and fails when another answer came first.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    Store, StoreError,
    error::Doing,
    read::id,
    sessions::digest,
    sql::{Statement, Value},
};

/// A flow in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Execution {
    /// Identity; another one after each start or restart of a flow.
    pub id: Uuid,
    /// The flow.
    pub flow: Uuid,
    /// Digest of the flow's slice.
    pub slice: String,
    /// Grows with each write; 0 when it was never written.
    pub version: i64,
    /// Plan and context, as the executor keeps them.
    pub state: Json,
}

/// A link that resumes a flow, to be written.
#[derive(Clone, Debug)]
pub struct FlowToken<'a> {
    /// The secret in the link.
    pub key: &'a str,
    /// A name; a later link with the same name replaces this one.
    pub identifier: &'a str,
    /// The flow.
    pub flow: Uuid,
    /// Whom it was made for.
    pub person: Option<Uuid>,
    /// Digest of the flow's slice.
    pub slice: &'a str,
    /// Plan and context.
    pub state: &'a Json,
    /// Now, and its end; microseconds since 1970.
    pub created: i64,
    /// See `created`.
    pub expires: i64,
}

/// What a link resumes.
#[derive(Clone, Debug, PartialEq)]
pub struct Resumed {
    /// The name of the link.
    pub identifier: String,
    /// The flow.
    pub flow: Uuid,
    /// Whom it was made for.
    pub person: Option<Uuid>,
    /// Digest of the flow's slice.
    pub slice: String,
    /// Plan and context.
    pub state: Json,
    /// Its end in microseconds since 1970.
    pub expires: i64,
}

/// What became of a write to an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// It was written; this is the new version.
    Version(i64),
    /// Another request wrote first, or the session has ended.
    Overtaken,
}

const READING: &str = "reading a flow in progress";
const WRITING: &str = "writing a flow in progress";

impl Store {
    /// The flow in progress in a session.
    ///
    /// # Errors
    /// When the database fails or the state was tampered with.
    pub async fn execution(&self, session: Uuid) -> Result<Option<Execution>, StoreError> {
        let query = "SELECT id, flow, slice, version, state FROM flow_execution WHERE session = $1";
        let rows = self.look(Statement::new(query).bind(session), READING).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let execution = id(row, 0)?;
        Ok(Some(Execution {
            id: execution,
            flow: id(row, 1)?,
            slice: row.text(2).doing(READING)?,
            version: row.int(3).doing(READING)?,
            state: self.open_state(&context(execution), &row.bytes(4).doing(READING)?)?,
        }))
    }

    /// Writes a flow in progress over the version that was read: 0 for one that begins, which replaces whatever flow the
    /// session was in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn save_execution(
        &self,
        session: Uuid,
        execution: &Execution,
        slice: Option<&str>,
        now: i64,
    ) -> Result<Saved, StoreError> {
        let state = self.key().seal(&context(execution.id), execution.state.to_string().as_bytes())?;
        let next = execution.version + 1;
        let statement = if execution.version == 0 {
            let upsert = "INSERT INTO flow_execution (session, id, flow, slice, version, state, updated) \
                SELECT s.id, $1, $2, $3, $4, $5, $6 FROM session s WHERE s.id = $7 \
                ON CONFLICT (session) DO UPDATE SET id = excluded.id, flow = excluded.flow, slice = excluded.slice, \
                version = excluded.version, state = excluded.state, updated = excluded.updated";
            let statement = Statement::new(upsert).bind(execution.id).bind(execution.flow);
            statement.bind(execution.slice.as_str()).bind(next).bind(state).bind(now).bind(session)
        } else {
            let update = "UPDATE flow_execution SET version = $1, state = $2, updated = $3 \
                WHERE session = $4 AND id = $5 AND version = $6";
            let statement = Statement::new(update).bind(next).bind(state).bind(now);
            statement.bind(session).bind(execution.id).bind(execution.version)
        };
        let mut turn = self.begin_churn().await?;
        if let Some(content) = slice {
            let insert = "INSERT INTO flow_slice (digest, content, created) VALUES ($1, $2, $3) \
                ON CONFLICT (digest) DO UPDATE SET created = excluded.created";
            let insert = Statement::new(insert).bind(execution.slice.as_str()).bind(content).bind(now);
            turn.tx.execute(insert).await.doing(WRITING)?;
        }
        let written = turn.tx.execute(statement).await.doing(WRITING)?;
        turn.tx.commit().await.doing(WRITING)?;
        Ok(if written == 0 { Saved::Overtaken } else { Saved::Version(next) })
    }

    /// Ends the flow in progress in a session, if it is still this one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn end_execution(&self, session: Uuid, execution: Uuid) -> Result<(), StoreError> {
        let delete = Statement::new("DELETE FROM flow_execution WHERE session = $1 AND id = $2");
        self.churn(delete.bind(session).bind(execution), "ending a flow").await.map(drop)
    }

    /// The content of a slice.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn flow_slice(&self, digest: &str) -> Result<Option<String>, StoreError> {
        let query = Statement::new("SELECT content FROM flow_slice WHERE digest = $1").bind(digest);
        let rows = self.look(query, "reading a flow").await?;
        rows.first().map(|row| row.text(0)).transpose().doing("reading a flow")
    }

    /// Writes a link. `slice` is the content of its slice, if it may not be stored yet.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn put_flow_token(&self, token: &FlowToken<'_>, slice: Option<&str>) -> Result<(), StoreError> {
        const DOING: &str = "writing a link into a flow";
        let stored = digest(token.key);
        let state = self.key().seal(&token_context(&stored), token.state.to_string().as_bytes())?;
        let mut turn = self.begin_churn().await?;
        if let Some(content) = slice {
            let insert = "INSERT INTO flow_slice (digest, content, created) VALUES ($1, $2, $3) \
                ON CONFLICT (digest) DO UPDATE SET created = excluded.created";
            let insert = Statement::new(insert).bind(token.slice).bind(content).bind(token.created);
            turn.tx.execute(insert).await.doing(DOING)?;
        }
        let former = Statement::new("DELETE FROM flow_token WHERE identifier = $1").bind(token.identifier);
        turn.tx.execute(former).await.doing(DOING)?;
        let insert = "INSERT INTO flow_token (token, identifier, flow, person, slice, state, created, expires) \
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        let insert = Statement::new(insert).bind(stored).bind(token.identifier).bind(token.flow);
        let insert = insert.bind(Value::MaybeText(token.person.map(|person| person.to_string()))).bind(token.slice);
        turn.tx.execute(insert.bind(state).bind(token.created).bind(token.expires)).await.doing(DOING)?;
        turn.tx.commit().await.doing(DOING)
    }

    /// Takes a link: what it resumes, once. A link that is unknown, used or has ended gives nothing.
    ///
    /// # Errors
    /// When the database fails or the state was tampered with.
    pub async fn take_flow_token(&self, key: &str, now: i64) -> Result<Option<Resumed>, StoreError> {
        const DOING: &str = "using a link into a flow";
        let stored = digest(key);
        let mut turn = self.begin_churn().await?;
        let take = "DELETE FROM flow_token WHERE token = $1 \
            RETURNING identifier, flow, person, slice, state, expires";
        let rows = turn.tx.fetch(Statement::new(take).bind(stored.as_str())).await.doing(DOING)?;
        turn.tx.commit().await.doing(DOING)?;
        let Some(row) = rows.first() else { return Ok(None) };
        let expires = row.int(5).doing(DOING)?;
        if expires <= now {
            return Ok(None);
        }
        let person = row.maybe_text(2).doing(DOING)?.map(|person| person.parse()).transpose();
        Ok(Some(Resumed {
            identifier: row.text(0).doing(DOING)?,
            flow: id(row, 1)?,
            person: person.map_err(|_| StoreError::Corrupt { what: "the table flow_token".into() })?,
            slice: row.text(3).doing(DOING)?,
            state: self.open_state(&token_context(&stored), &row.bytes(4).doing(DOING)?)?,
            expires,
        }))
    }

    fn open_state(&self, context: &str, sealed: &[u8]) -> Result<Json, StoreError> {
        let corrupt = || StoreError::Corrupt { what: "the state of a flow".into() };
        let plain = self.key().unseal(context, sealed).map_err(|_| corrupt())?;
        serde_json::from_slice(&plain).map_err(|_| corrupt())
    }
}

fn context(execution: Uuid) -> String {
    format!("flow-execution/{execution}")
}

fn token_context(digest: &str) -> String {
    format!("flow-token/{digest}")
}
