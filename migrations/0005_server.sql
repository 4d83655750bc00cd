-- What churns while the server runs: sessions, flows in progress, links into flows, events, counters. None of it is
-- configuration, so none of it is in "object" or in the change log, and a write here waits for no commit of a plan.
-- Ids that name objects have no foreign key: what refers to an object that is gone is refused when it is used.

-- "token" is the SHA-256 of what the cookie holds, so that a copy of the database opens no session.
CREATE TABLE session (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  token TEXT COLLATE "C" NOT NULL,
  person TEXT COLLATE "C",
  created BIGINT NOT NULL,
  used BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  data BYTEA NOT NULL
);
CREATE UNIQUE INDEX session_by_token ON session (token);
CREATE INDEX session_by_person ON session (person) WHERE person IS NOT NULL;
CREATE INDEX session_by_expiry ON session (expires);

-- One flow at a time in a session. "version" grows with each write, so that of two answers at once only one counts.
CREATE TABLE flow_execution (
  session TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES session (id) ON DELETE CASCADE,
  id TEXT COLLATE "C" NOT NULL,
  flow TEXT COLLATE "C" NOT NULL,
  slice TEXT COLLATE "C" NOT NULL,
  version BIGINT NOT NULL,
  state BYTEA NOT NULL,
  updated BIGINT NOT NULL
);
CREATE INDEX flow_execution_by_slice ON flow_execution (slice);

-- A flow with all that it consists of, as it was when somebody began it; named by the digest of its content.
CREATE TABLE flow_slice (
  digest TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  content TEXT NOT NULL,
  created BIGINT NOT NULL
);

-- Links that resume a flow: mails, recovery, the way back from another server. "token" is the SHA-256 of the link's key.
CREATE TABLE flow_token (
  token TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  identifier TEXT COLLATE "C" NOT NULL,
  flow TEXT COLLATE "C" NOT NULL,
  person TEXT COLLATE "C",
  slice TEXT COLLATE "C" NOT NULL,
  state BYTEA NOT NULL,
  created BIGINT NOT NULL,
  expires BIGINT NOT NULL
);
CREATE UNIQUE INDEX flow_token_by_identifier ON flow_token (identifier);
CREATE INDEX flow_token_by_slice ON flow_token (slice);
CREATE INDEX flow_token_by_expiry ON flow_token (expires);

CREATE TABLE event (
  id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  at BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  action TEXT COLLATE "C" NOT NULL,
  app TEXT NOT NULL,
  person TEXT COLLATE "C",
  client_ip TEXT COLLATE "C",
  actor TEXT NOT NULL,
  context TEXT NOT NULL,
  brand TEXT NOT NULL
);
CREATE INDEX event_by_time ON event (at, id);
CREATE INDEX event_by_action ON event (action, at);
CREATE INDEX event_by_person ON event (person, at) WHERE person IS NOT NULL;
CREATE INDEX event_by_expiry ON event (expires);

-- Attempts at a secret: counted before the secret is looked at.
CREATE TABLE attempt (
  scope TEXT COLLATE "C" NOT NULL,
  subject TEXT COLLATE "C" NOT NULL,
  count BIGINT NOT NULL,
  since BIGINT NOT NULL,
  last BIGINT NOT NULL,
  PRIMARY KEY (scope, subject)
);
CREATE INDEX attempt_by_time ON attempt (last);

CREATE TABLE reputation (
  identifier TEXT COLLATE "C" NOT NULL,
  ip TEXT COLLATE "C" NOT NULL,
  id TEXT COLLATE "C" NOT NULL,
  score BIGINT NOT NULL,
  place TEXT NOT NULL,
  updated BIGINT NOT NULL,
  expires BIGINT NOT NULL,
  PRIMARY KEY (identifier, ip)
);
CREATE INDEX reputation_by_ip ON reputation (ip);

-- What a person's sign-ins leave behind; a login does not touch "object".
CREATE TABLE person_state (
  person TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  last_login BIGINT,
  password_changed BIGINT
);

-- What using a device leaves behind. "position" only grows: the last time step of which a code was accepted, or the
-- device's own count of its signatures. "drift" is by how many steps its clock differs.
CREATE TABLE device_use (
  device TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  position BIGINT NOT NULL,
  drift BIGINT NOT NULL,
  used BIGINT NOT NULL
);

-- Codes that are good once and were used, by their SHA-256.
CREATE TABLE burnt_code (
  device TEXT COLLATE "C" NOT NULL,
  code TEXT COLLATE "C" NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (device, code)
);

-- Things that happen once in the life of a database.
CREATE TABLE latch (
  name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  at BIGINT NOT NULL
);

-- What people type to say who they are, in small letters.
CREATE INDEX user_by_username ON object (lower(attrs ->> 'username')) WHERE kind = 'authentik_core.user';
CREATE INDEX user_by_email ON object (lower(attrs ->> 'email')) WHERE kind = 'authentik_core.user';
CREATE INDEX user_by_upn ON object (lower(attrs -> 'attributes' ->> 'upn')) WHERE kind = 'authentik_core.user';
