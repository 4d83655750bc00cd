-- Objects, their references and keys, secrets, ownership, and the change log.
-- One text for SQLite and PostgreSQL. COLLATE "C" is PostgreSQL's way to sort by bytes, which SQLite does anyway;
-- the migrator leaves the clause out there. Times are microseconds since 1970.

CREATE TABLE meta (
  key TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
);

CREATE TABLE object (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  number BIGINT,
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT COLLATE "C" NOT NULL,
  attrs JSONB NOT NULL,
  digest BYTEA NOT NULL,
  revision BIGINT NOT NULL,
  created BIGINT NOT NULL,
  updated BIGINT NOT NULL
);
CREATE INDEX object_by_name ON object (kind, name, id);
CREATE UNIQUE INDEX object_by_number ON object (number, kind) WHERE number IS NOT NULL;

-- Deferred, so that rows may come in any order and in cycles, and nothing dangles after the commit.
CREATE TABLE object_edge (
  source TEXT COLLATE "C" NOT NULL REFERENCES object (id) DEFERRABLE INITIALLY DEFERRED,
  field TEXT COLLATE "C" NOT NULL,
  position BIGINT NOT NULL,
  target TEXT COLLATE "C" NOT NULL REFERENCES object (id) DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (source, field, target)
);
CREATE INDEX object_edge_by_target ON object_edge (target, field, source);

-- "kind" is the scope of uniqueness: the name of a kind or of a family.
CREATE TABLE object_key (
  kind TEXT COLLATE "C" NOT NULL,
  field TEXT COLLATE "C" NOT NULL,
  value TEXT COLLATE "C" NOT NULL,
  object TEXT COLLATE "C" NOT NULL REFERENCES object (id) DEFERRABLE INITIALLY DEFERRED,
  PRIMARY KEY (kind, field, value)
);
CREATE INDEX object_key_by_object ON object_key (object);

-- The next integer key of each scope; numbers are never given out twice, even after a deletion.
CREATE TABLE number_sequence (
  scope TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  next BIGINT NOT NULL
);

CREATE TABLE secret (
  object TEXT COLLATE "C" NOT NULL REFERENCES object (id) DEFERRABLE INITIALLY DEFERRED,
  field TEXT COLLATE "C" NOT NULL,
  sealed BYTEA NOT NULL,
  digest BYTEA NOT NULL,
  PRIMARY KEY (object, field)
);

CREATE TABLE credential (
  object TEXT COLLATE "C" NOT NULL REFERENCES object (id) DEFERRABLE INITIALLY DEFERRED,
  field TEXT COLLATE "C" NOT NULL,
  hash TEXT NOT NULL,
  PRIMARY KEY (object, field)
);

CREATE TABLE run (
  id BIGINT NOT NULL PRIMARY KEY,
  revision BIGINT NOT NULL,
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  origin TEXT NOT NULL,
  summary JSONB NOT NULL
);

CREATE TABLE ownership (
  object TEXT COLLATE "C" NOT NULL REFERENCES object (id) DEFERRABLE INITIALLY DEFERRED,
  source TEXT COLLATE "C" NOT NULL,
  document TEXT COLLATE "C" NOT NULL,
  entry BIGINT NOT NULL,
  line BIGINT NOT NULL,
  fields JSONB NOT NULL,
  run BIGINT NOT NULL REFERENCES run (id),
  PRIMARY KEY (object, source, document, entry)
);
CREATE INDEX ownership_by_source ON ownership (source, object);

-- No foreign key to object: the log outlives what it tells about.
CREATE TABLE change (
  seq BIGINT NOT NULL PRIMARY KEY,
  run BIGINT NOT NULL REFERENCES run (id),
  at BIGINT NOT NULL,
  actor TEXT NOT NULL,
  object TEXT COLLATE "C" NOT NULL,
  kind TEXT COLLATE "C" NOT NULL,
  name TEXT NOT NULL,
  action TEXT NOT NULL,
  fields JSONB NOT NULL,
  hash TEXT NOT NULL
);
CREATE INDEX change_by_object ON change (object, seq);
