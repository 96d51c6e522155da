package local

// streamSchema holds the shards of the tables' streams and their records. Records
// are numbered without gaps within a shard, and a child continues its parent's
// numbers.
const streamSchema = `
CREATE TABLE shards (
  num       INTEGER PRIMARY KEY AUTOINCREMENT,
  tbl       INTEGER NOT NULL,
  id        TEXT NOT NULL UNIQUE,
  parent    TEXT NOT NULL, -- id; '': none
  low       INTEGER NOT NULL, -- the range of its hashes, both included
  high      INTEGER NOT NULL,
  first     INTEGER NOT NULL, -- number of its first record
  last      INTEGER NOT NULL, -- number of its newest record, first - 1 at the start
  closed_at INTEGER           -- microseconds since 1970
);
CREATE INDEX shards_listed ON shards (tbl, num);
CREATE INDEX shards_closed ON shards (tbl, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX shards_open ON shards (tbl, low) WHERE closed_at IS NULL;

CREATE TABLE records (
  shard      INTEGER NOT NULL,
  num        INTEGER NOT NULL,
  created_at INTEGER NOT NULL, -- microseconds since 1970
  event      TEXT NOT NULL,
  pk         TEXT NOT NULL,
  sk         TEXT NOT NULL,
  size       INTEGER NOT NULL,
  image      TEXT, -- NULL after a removal
  PRIMARY KEY (shard, num)
) WITHOUT ROWID;`
