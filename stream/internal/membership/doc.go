// Package membership decides which sessions of workers are alive, which of them
// leads, and which shards each is to read. It is the only code that reads or
// writes the items
//
//	PK            SK                attributes
//	stream#<ARN>  WORKER#<session>  format worker session counter lease_ms renewed_at
//	                                leads notify expired
//	stream#<ARN>  LEADER            format worker session epoch counter lease_ms renewed_at
//	stream#<ARN>  DESTINATION       format destination worker session set_at
//	stream#<ARN>  READERS           format groups session set_at
//
// in the partition of a worker group (lease.GroupID). All workers that share a control
// table and a group's name form a worker group of a stream. READERS is in the partition
// of the default group, for all groups.
//
// # Heartbeat
//
// A worker joins under a session id that was never used before, and renews its
// WORKER# item three times in each lease duration by raising the counter. Every
// write is conditional on the counter as it was written last.
//
//	          Join                  a third of the lease duration, Notify
//	(none) ─────────► valid ──────────────────► valid
//	                    │ ▲
//	    lease duration  │ │ a renewal succeeds: nobody expired the session
//	                    ▼ │
//	                  in doubt ── a renewal finds another's write ──► expired
//
// A session measures its lease from before it sent its last successful renewal.
// While it is in doubt, [Heartbeat.Fence] holds back everything that only a live
// session may do. So an outage of the control table is sat out.
//
// # Failure detector
//
// The others observe the counter, each on its own monotonic clock, ten times in a
// lease duration. A session whose counter has stood still for the longer of both
// lease durations is expired: its item is replaced by one that says so, on the
// condition that the counter is still the one that was observed, and then deleted.
// That one write takes all its leases. It fails if the session has renewed
// meanwhile; otherwise the session's next renewal fails. Nobody compares clocks:
// renewed_at is for people. The others measure from after they read the counter,
// so they wait longer, as long as all clocks run at about one speed.
//
// A worker without a valid heartbeat expires nobody. Of a time in which it could
// not look, it counts no more than a third of its lease duration as silence: a
// worker that is cut off from the control table is so together with those that it
// observes.
//
// # Damage
//
// A damaged heartbeat is observed like any other. If its session and counter are
// intact, a live session overwrites the damage with its next heartbeat; otherwise its
// next renewal fails, and the session is expired. A damaged heartbeat that stands still
// for the lease duration is expired by one write, on the condition that session and
// counter still stand, if its session could renew it; if not, no write is needed. Until
// then the session keeps its leases and gets no others. The item stays, left aside,
// until `postroom repair` deletes it.
//
// A damaged lock is acquired like a released one. A damaged destination stops nobody
// who has joined; a worker that finds nobody else alive replaces it.
//
// # Leader
//
// LEADER names the session that lists the shards and does what is to be done once
// for the group. While a live session says in its heartbeat that it leads, the
// lock is not read. It is acquired when it is released, or its session is not
// alive, and renewed like a heartbeat. Two leaders at once, after a freeze, do no
// harm: all that a leader writes is conditional, or idempotent.
//
// # Destination
//
// All workers of a group send what they read to one destination. The first worker sets
// it. A worker with another destination does not join while any heartbeat moves. Once
// all of them have stood still for the lease duration it joins, expires their sessions,
// and sets its own destination, on the condition that nobody else has. Two workers that
// start at once cannot both go on: each sends its heartbeat and then reads the
// destination again. A worker that has changed it looks for other live sessions
// afterwards, and if there is one it restores the old destination and leaves.
//
// # Readers
//
// Two groups may read the stream. One place is the default group's for good, so that
// nothing that an operator has started keeps the daemons out. READERS names the group
// that has the other. A session of another group than the default one that has sent its
// first heartbeat looks whether its group is named ([Places.Take]). If not it puts it
// there where nobody is, or in the place of a group whose heartbeats all stood still for
// the lease duration, or are none. Each is one write, on the condition that nobody has
// changed the item. If the other has shown that it lives the session leaves. It may take
// the place of a group that starts in that moment; so every session looks again and again
// whether its group is still there ([Places.Keep]), and rejoins if not. Who deletes or
// damages the item does no harm: those who read the stream write it anew.
//
// # Assignment
//
// [Snapshot.Assign] is a pure function of the live sessions and the leases, with
// no clock in it: all workers that see the same table come to the same assignment.
// Free leases go to the sessions that have the fewest. A session that has more
// than its share transfers leases to those that have less. Shares differ by at
// most one, and the remainder of the division stays where it is. So a balanced
// group moves nothing, and no lease moves more than once when a worker comes or
// goes. Leases are transferred by their owner and never taken from it.
//
// For this to be right the leases must be read before the heartbeats: in the other
// order the session of a lease's owner that has just joined would seem dead.
package membership
