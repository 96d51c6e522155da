// Package verify compares the projection with the log, and has package projection
// repair what differs. It writes nothing itself.
//
// A scan goes through the whole table. Each item names a conversation, which is
// inspected once: its log is folded anew, by code that shares nothing with the
// projector but the vocabulary, and held against its head, its members' rows and,
// where there is one, the index. Each row that the scan meets must be one of
// those; so the scan finds rows that nobody would look for, and the inspection
// finds rows that are missing.
//
// The rows of all views of the table (package views) are compared, and a view that is ready
// must be named by every head.
//
// A message of the log that no inbox shows is a difference too, also where the
// projection leaves it out by its rules: somebody has posted it and waits for an
// answer. Those of one conversation are reported together.
//
// While a projector runs, a conversation is often between two states for a
// moment. So whatever differs is checked again after a while, and only what still
// differs then is reported. Every move puts all rows anew, so a difference in the
// rows or the index of a conversation that has moved on meanwhile does not count.
//
// What is repaired is what two looks have found. [projection.Projection.Restore] reads
// the conversation anew and decides by itself, so a finding only says where to look, and
// which rows are in wrong places: those are all that nobody finds without a scan or the
// index. Afterwards the conversation is looked at once more.
//
// A verification reads the table about twice. It needs memory for whatever
// differs, and a bounded cache beside that. It can also look at a part of the table. A
// sample consists of segments of a parallel scan, which the server forms by the hash of
// the partition keys: reading one of a thousand costs a thousandth. Each conversation of
// the sample is inspected like any other; of rows that belong to others only the place
// is compared with the head, for two reads.
package verify
