package local

import (
	"fmt"
	"math/big"
	"time"
)

// iteratorLife is how long an iterator can be used.
// Source: DynamoDB Streams API reference, GetShardIterator.
const iteratorLife = 15 * time.Minute

// iterator is a position in a shard; readers get it as a text.
type iterator struct {
	shard   int64 // of the one stream: no other one has a shard of that number, nor ever will
	after   int64 // number of the last record read
	horizon bool  // it began at the trim horizon, so trimmed records are skipped
	issued  time.Time
}

func (it iterator) String() string {
	return opaque(it.shard, it.after, it.horizon, it.issued.UnixMicro())
}

// parseIterator is the inverse of String.
func parseIterator(text string) (iterator, bool) {
	var it iterator
	var issued int64
	if !parseOpaque(text, &it.shard, &it.after, &it.horizon, &issued) {
		return iterator{}, false
	}
	it.issued = fromMicros(issued)
	return it, it.String() == text
}

// firstSequence is the sequence number of record 0; records are numbered from 1. It
// is close to the largest number of 21 digits, the fewest that DynamoDB uses: the
// tenth record's has 22 digits, so a program that compares sequence numbers as text
// fails early.
const firstSequence = "999999999999999999990"

// sequence returns the sequence number of a record.
func sequence(num int64) string {
	first, _ := new(big.Int).SetString(firstSequence, 10)
	return first.Add(first, big.NewInt(num)).String()
}

// parseSequence is the inverse of sequence.
func parseSequence(s string) (int64, bool) {
	first, _ := new(big.Int).SetString(firstSequence, 10)
	num, ok := new(big.Int).SetString(s, 10)
	if !ok || !num.Sub(num, first).IsInt64() {
		return 0, false
	}
	return num.Int64(), num.Sign() >= 0 && sequence(num.Int64()) == s
}

// eventID returns the id of a record, unique in the file.
func eventID(shard, num int64) string { return fmt.Sprintf("%08x%016x", shard, num) }
