// Package verify compares the projection with the log. It reads and writes
// nothing.
//
// A scan goes through the whole table. Each item names a conversation, which is
// inspected once: its log is folded anew, by code that shares nothing with the
// projector but the vocabulary, and held against its head, its members' rows and,
// where there is one, the index. Each row that the scan meets must be one of
// those; so the scan finds rows that nobody would look for, and the inspection
// finds rows that are missing.
//
// Beside a live projector a conversation is often between two states for a
// moment. So whatever differs is looked at again after a while, and only what
// still differs then is reported. Every move puts all rows anew: a difference in
// the rows or the index of a conversation that has moved on meanwhile is none.
//
// Reading the table about twice is the price. Memory is bounded, except for what
// differs.
package verify
