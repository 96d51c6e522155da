package local

// queueSchema holds the queues and their messages. Times are microseconds since
// 1970.
//
// A message is ready while visible_at is NULL, and in flight otherwise; the next
// receive makes those messages ready whose visibility has ended. Ids grow with
// every message and are never reused: they give a group its order, and are part of
// a receipt.
//
// A group has a row while it has messages. It is blocked while its head, the
// message with the lowest id, is in flight. So a receive finds the free groups,
// oldest head first, without reading the messages of blocked groups.
const queueSchema = `
CREATE TABLE queues (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT NOT NULL UNIQUE,
  nonce        INTEGER NOT NULL, -- in every receipt
  visibility_s INTEGER NOT NULL,
  retention_s  INTEGER NOT NULL,
  dead_letter  TEXT NOT NULL,    -- name of the queue; '': none
  max_receives INTEGER NOT NULL
);

CREATE TABLE queue_groups (
  id      INTEGER PRIMARY KEY,
  queue   INTEGER NOT NULL,
  name    TEXT NOT NULL,
  head    INTEGER NOT NULL,
  blocked INTEGER NOT NULL,
  UNIQUE (queue, name)
);
CREATE INDEX queue_groups_free ON queue_groups (queue, head) WHERE blocked = 0;

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
  body        TEXT NOT NULL,
  attributes  TEXT NOT NULL -- a JSON object; '': none
);
CREATE INDEX queue_messages_group ON queue_messages (queue, grp, id, expires_at)
  WHERE grp IS NOT NULL;
CREATE INDEX queue_messages_ready ON queue_messages (queue, id, expires_at)
  WHERE grp IS NULL AND visible_at IS NULL;
CREATE INDEX queue_messages_flight ON queue_messages (queue, visible_at, expires_at)
  WHERE visible_at IS NOT NULL;

CREATE TABLE queue_dedup (
  hash    BLOB PRIMARY KEY, -- of queue, group and deduplication id
  sent_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX queue_dedup_age ON queue_dedup (sent_at);

CREATE TABLE processes (
  token INTEGER PRIMARY KEY, -- random: distinguishes processes with the same pid
  host  TEXT NOT NULL,
  pid   INTEGER NOT NULL
);`
