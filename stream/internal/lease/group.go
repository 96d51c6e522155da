package lease

import "strings"

// DefaultGroup is the worker group of whoever gives it no name.
const DefaultGroup = "projector"

// partitionPrefix begins the partition keys of all worker groups.
const partitionPrefix = "stream#"

// GroupID names a worker group: whose leases, heartbeats and history items are.
type GroupID struct {
	ARN  string // of the stream
	Name string // never empty, and without "#"
}

// Partition is the partition key of all items that belong to one group. The ARN
// changes when a stream is switched off and on, so that a position of the old
// stream is never applied to the new one. The default group has the stream's
// partition, as it had when there was no other group.
func (g GroupID) Partition() string {
	if g.Name == DefaultGroup {
		return partitionPrefix + g.ARN
	}
	return partitionPrefix + g.ARN + "#" + g.Name
}

// Of is the same group's id on another stream.
func (g GroupID) Of(arn string) GroupID { return GroupID{arn, g.Name} }

// ParsePartition returns the group that a partition key belongs to; false: to none.
func ParsePartition(pk string) (g GroupID, ok bool) {
	rest, ok := strings.CutPrefix(pk, partitionPrefix)
	arn, name, named := strings.Cut(rest, "#")
	if !named {
		name = DefaultGroup
	}
	return GroupID{arn, name}, ok
}
