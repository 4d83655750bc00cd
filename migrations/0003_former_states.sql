-- What each change took away, so that a rollback puts it back exactly, secrets included. Sealed under the store's key and
-- bound to the change, since it holds former passwords' hashes and values that the change log only calls "(secret)".
-- Rows may be deleted to forget the past; a run whose changes lack theirs can no longer be undone.
CREATE TABLE former (
  seq BIGINT NOT NULL PRIMARY KEY,
  sealed BYTEA NOT NULL
);
