// Package lease keeps the leases of a stream's shards: who reads a shard, and up
// to where everything in it is done. It is the only code that reads or writes the
// items
//
//	PK            SK          attributes
//	stream#<ARN>  SHARD#<id>  format worker session epoch shard parent checkpoint
//	                          checkpoint_time finished finished_at lost at_first_start
//	                          start start_sequence until
//
// and that knows the partition keys of all worker groups ([GroupID]): the one above is
// that of the default group, and another's is stream#<ARN>#<group>.
//
// # Start
//
// Every lease says where its group begins: at a time, in one shard at a sequence number.
// It is there before the shard is read, and never changes, so whoever reads the shard
// leaves out the same records. The same holds of the time up to which it reads. Times of records are approximate, so those of up to a
// minute before the start, and after the end, are not left out. A lease of the default
// group has none of both. A lease is finished as well when its group has passed its end.
//
// # Owners
//
// A lease names its owner: one session of one worker. A lease without an owner is
// free, and so is a lease whose owner has no live session (package membership).
// The epoch starts at 1 and grows by one with every change of owner.
//
//	a lease that is  becomes            by
//	not there        free               Create
//	not there        owned              Acquire, if its parent was read here
//	free             owned              Acquire
//	owned            owned              Save
//	owned            owned, by another  Transfer
//	owned            free               nothing that is written: its session is gone
//	owned            finished           Save, once everything is acknowledged
//	finished         not there          Delete, long afterwards
//
// # Writes
//
// Every write is conditional on the worker, session, epoch, checkpoint and end of
// the lease as it was read or written last. A worker that freezes between a look
// at its clock and the write can therefore not write a checkpoint once the shard
// is another's.
//
// The answer to a write may be lost. The repeated write then finds its own
// predecessor: the same session and epoch, and no more than what is to be written
// now. It adopts that as the lease written last and writes again. Whatever else it
// finds means that the lease is lost ([ErrLost]).
//
// The time of a checkpoint says since when there may be records behind it: first it is
// that of the record at the checkpoint, and it moves on by itself while a shard brings
// none. It is no part of the condition.
//
// A checkpoint only grows, unless the lease notes a loss of data in the same
// write. A lease that is finished stays so.
//
// # Damage
//
// Of a lease whose item cannot be read nothing is known but that ([Lease].Damaged). It
// counts as neither owned nor free nor finished. So neither its shard nor the children
// are read, nobody writes the item, and a Handle that finds it is lost. When an operator
// has it repaired ([Repaired]) it is free, and nothing is skipped: the next owner
// acquires it with the next epoch.
//
// Two leases of one shard cannot be told apart if an operator deletes the item
// while its owner lives, and the same session acquires it anew: then what is found
// says more than what is to be written, and the older [Handle] is lost.
package lease
