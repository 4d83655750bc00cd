-- Sources of blueprints: what each attempt came to, where each source stands, and who may write for it.

-- Attempts that wrote nothing are runs as well. "times" and "last_at" count attempts that ended in the same way one
-- after the other, so that a source that fails all night is one row.
ALTER TABLE run ADD COLUMN source TEXT COLLATE "C";
ALTER TABLE run ADD COLUMN outcome TEXT NOT NULL DEFAULT 'applied';
ALTER TABLE run ADD COLUMN detail TEXT NOT NULL DEFAULT '{}';
ALTER TABLE run ADD COLUMN times BIGINT NOT NULL DEFAULT 1;
ALTER TABLE run ADD COLUMN last_at BIGINT NOT NULL DEFAULT 0;
CREATE INDEX run_by_source ON run (source, id);
CREATE INDEX change_by_run ON change (run, seq);

-- "fence" grows each time the lease changes hands; a commit for a source names the one that it was planned under.
CREATE TABLE source_state (
  source TEXT COLLATE "C" NOT NULL PRIMARY KEY,
  state TEXT NOT NULL,
  requested BIGINT NOT NULL,
  request TEXT NOT NULL,
  holder TEXT NOT NULL,
  fence BIGINT NOT NULL,
  lease_until BIGINT NOT NULL
);
