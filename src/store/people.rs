//! Finding users by what people type to say who they are, by an index: there may be millions of them.

use uuid::Uuid;

use super::{
    Store, StoreError,
    read::id,
    sql::{Statement, Value},
};

/// What is compared with what was typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersonField {
    /// The user name.
    Username,
    /// The mail address.
    Email,
    /// The attribute `upn`.
    Upn,
}

/// How many people with one address are looked at.
const MOST: i64 = 20;

impl Store {
    /// The users whose field is the text, whatever its letter case; the oldest first, and no more than a few. Both engines
    /// know the letter case of ASCII; PostgreSQL that of its locale as well.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn people_by(&self, field: PersonField, text: &str) -> Result<Vec<Uuid>, StoreError> {
        // The expressions are those of the indexes of the schema, to the letter.
        let query = match field {
            PersonField::Username => {
                "SELECT id FROM object WHERE kind = 'authentik_core.user' AND lower(attrs ->> 'username') = lower($1) \
                 ORDER BY created, id LIMIT $2"
            }
            PersonField::Email => {
                "SELECT id FROM object WHERE kind = 'authentik_core.user' AND lower(attrs ->> 'email') = lower($1) \
                 ORDER BY created, id LIMIT $2"
            }
            PersonField::Upn => {
                "SELECT id FROM object WHERE kind = 'authentik_core.user' \
                 AND lower(attrs -> 'attributes' ->> 'upn') = lower($1) ORDER BY created, id LIMIT $2"
            }
        };
        let statement = Statement::new(query).bind(Value::from(text)).bind(MOST);
        self.look(statement, "finding a user").await?.iter().map(|row| id(row, 0)).collect()
    }
}
