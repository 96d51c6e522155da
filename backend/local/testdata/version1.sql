-- A file as schema version 1 made it, with a table, its index and stream, and a queue
-- of which one message is in flight.
PRAGMA application_id = 1349481332;
CREATE TABLE settings (
  name  TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO settings VALUES('index_lag_us',0);
INSERT INTO settings VALUES('roll_size',50);
INSERT INTO settings VALUES('schema_version',1);
INSERT INTO settings VALUES('shards',2);
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
  recovery    INTEGER NOT NULL
);
INSERT INTO tables VALUES(1,'postroom','PK','SK','by-group','group','PK','NEW_IMAGE','arn:aws:dynamodb:local:000000000000:table/postroom/stream/2026-05-21T10:30:00.000-1',0,1);
CREATE TABLE items (
  tbl  INTEGER NOT NULL,
  hash INTEGER NOT NULL,
  pk   TEXT NOT NULL,
  sk   TEXT NOT NULL,
  size INTEGER NOT NULL, -- bytes, as DynamoDB counts
  item TEXT NOT NULL,
  PRIMARY KEY (tbl, hash, pk, sk)
) WITHOUT ROWID;
INSERT INTO items VALUES(1,344844741,'p','s',23,'{"PK":{"S":"p"},"SK":{"S":"s"},"group":{"S":"g"},"until":{"N":"1779359401"}}');
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
INSERT INTO index_entries VALUES(1,'g','p','p','s',1779359400000000,NULL);
CREATE TABLE tokens (
  token   TEXT PRIMARY KEY,
  digest  BLOB NOT NULL,
  ends_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO tokens VALUES('token',X'71e71a408f412cb8f88d02b6e8adc2676fae64ed1e4c8fbb3b9d267a4638b3f5',1779360000000000);
CREATE TABLE shards (
  num       INTEGER PRIMARY KEY AUTOINCREMENT,
  tbl       INTEGER NOT NULL,
  id        TEXT NOT NULL UNIQUE,
  parent    TEXT NOT NULL, -- id; '': none
  low       INTEGER NOT NULL, -- the hashes it takes, both included
  high      INTEGER NOT NULL,
  first     INTEGER NOT NULL, -- number of its first record
  last      INTEGER NOT NULL, -- number of its newest record, first - 1 at the start
  closed_at INTEGER           -- microseconds since 1970
);
INSERT INTO shards VALUES(1,1,'shardId-00000001779359400000-00000001','',0,4294967295,1,1,NULL);
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
) WITHOUT ROWID;
INSERT INTO records VALUES(1,1,1779359400000000,'INSERT','p','s',29,'{"PK":{"S":"p"},"SK":{"S":"s"},"group":{"S":"g"},"until":{"N":"1779359401"}}');
CREATE TABLE queues (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT NOT NULL UNIQUE,
  nonce        INTEGER NOT NULL, -- in every receipt
  visibility_s INTEGER NOT NULL,
  retention_s  INTEGER NOT NULL,
  dead_letter  TEXT NOT NULL,    -- name of the queue; '': none
  max_receives INTEGER NOT NULL
);
INSERT INTO queues VALUES(1,'dead.fifo',3185319609756702927,30,345600,'',0);
INSERT INTO queues VALUES(2,'live.fifo',782829918025334651,30,345600,'dead.fifo',1);
CREATE TABLE queue_groups (
  id      INTEGER PRIMARY KEY,
  queue   INTEGER NOT NULL,
  name    TEXT NOT NULL,
  head    INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  UNIQUE (queue, name)
);
INSERT INTO queue_groups VALUES(1,2,'g',1,1);
CREATE TABLE queue_messages (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  queue       INTEGER NOT NULL,
  grp         INTEGER, -- queue_groups.id; NULL on a standard queue
  visible_at  INTEGER,
  process     INTEGER, -- processes.token of the receiver
  receives    INTEGER NOT NULL DEFAULT 0,
  received_at INTEGER, -- for the first time
  sent_at     INTEGER NOT NULL,
  expires_at  INTEGER NOT NULL,
  uuid        BLOB NOT NULL,
  group_id    TEXT NOT NULL,
  dedup_id    TEXT NOT NULL,
  body        TEXT NOT NULL
);
INSERT INTO queue_messages VALUES(1,2,1,1779359430000000,5524948517729463464,1,1779359400000000,1779359400000000,1779705000000000,X'be577c5aeefb46ccaaff4a2d631ebd94','g','1','first');
INSERT INTO queue_messages VALUES(2,2,1,NULL,NULL,0,NULL,1779359400000000,1779705000000000,X'09f9555de33b43b6a52be091543916bb','g','2','second');
CREATE TABLE queue_dedup (
  hash    BLOB PRIMARY KEY, -- of queue, group and deduplication id
  sent_at INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO queue_dedup VALUES(X'6d58f5a28ca31b5ee196ac16a595450c',1779359400000000);
INSERT INTO queue_dedup VALUES(X'ce2d36cf6d11f8846afb2e469a406422',1779359400000000);
CREATE TABLE processes (
  token INTEGER PRIMARY KEY, -- random: tells processes of one pid apart
  host  TEXT NOT NULL,
  pid   INTEGER NOT NULL
);
INSERT INTO processes VALUES(5524948517729463464,'elsewhere',1);
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('tables',1);
INSERT INTO sqlite_sequence VALUES('shards',1);
INSERT INTO sqlite_sequence VALUES('queues',2);
INSERT INTO sqlite_sequence VALUES('queue_messages',2);
CREATE INDEX index_removed ON index_entries (tbl, until_at) WHERE until_at IS NOT NULL;
CREATE INDEX tokens_ended ON tokens (ends_at);
CREATE INDEX shards_listed ON shards (tbl, num);
CREATE INDEX shards_closed ON shards (tbl, closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX shards_open ON shards (tbl, low) WHERE closed_at IS NULL;
CREATE INDEX queue_groups_free ON queue_groups (queue, head) WHERE blocked = 0;
CREATE INDEX queue_messages_group ON queue_messages (queue, grp, id, expires_at)
  WHERE grp IS NOT NULL;
CREATE INDEX queue_messages_ready ON queue_messages (queue, id, expires_at)
  WHERE grp IS NULL AND visible_at IS NULL;
CREATE INDEX queue_messages_flight ON queue_messages (queue, visible_at, expires_at)
  WHERE visible_at IS NOT NULL;
CREATE INDEX queue_dedup_age ON queue_dedup (sent_at);
