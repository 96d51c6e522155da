package local

// tableSchema holds the tables and their items. Items are stored as DynamoDB's
// JSON, so that the sqlite3 shell can show them.
const tableSchema = `
CREATE TABLE tables (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  name        TEXT NOT NULL UNIQUE,
  pk_name     TEXT NOT NULL,
  sk_name     TEXT NOT NULL,
  index_name  TEXT NOT NULL, -- '': no index
  index_pk    TEXT NOT NULL,
  index_sk    TEXT NOT NULL,
  stream_view TEXT NOT NULL, -- '': no stream
  stream_arn  TEXT NOT NULL,
  protected   INTEGER NOT NULL,
  recovery    INTEGER NOT NULL,
  ttl         TEXT NOT NULL -- attribute; '': items stay
);

-- hash is the hash of the partition key: a scan follows it, and a segment of a scan
-- is a range of hashes.
CREATE TABLE items (
  tbl  INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  pk   TEXT NOT NULL,
  sk   TEXT NOT NULL,
  size INTEGER NOT NULL, -- bytes, as DynamoDB counts
  item TEXT NOT NULL,
  expires_at INTEGER, -- seconds since 1970: the whole part of the table's attribute ttl
  PRIMARY KEY (tbl, hash, pk, sk)
) WITHOUT ROWID;
CREATE INDEX items_expiring ON items (tbl, expires_at) WHERE expires_at IS NOT NULL;

-- Times are microseconds since 1970. An entry is visible from from_at until
-- until_at; until_at is NULL while the entry is not removed.
CREATE TABLE index_entries (
  tbl      INTEGER NOT NULL,
  index_pk TEXT NOT NULL,
  index_sk TEXT NOT NULL,
  pk       TEXT NOT NULL,
  sk       TEXT NOT NULL,
  from_at  INTEGER NOT NULL,
  until_at INTEGER,
  PRIMARY KEY (tbl, index_pk, index_sk, pk, sk, from_at)
) WITHOUT ROWID;
CREATE INDEX index_removed ON index_entries (tbl, until_at) WHERE until_at IS NOT NULL;

CREATE TABLE tokens (
  token   TEXT PRIMARY KEY,
  digest  BLOB NOT NULL,
  ends_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX tokens_ended ON tokens (ends_at);`
