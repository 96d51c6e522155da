package local

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// iteratorLife is how long an iterator can be used.
// Source: DynamoDB Streams API reference, GetShardIterator.
const iteratorLife = 15 * time.Minute

// iterator is a position in a shard; readers get it as a text.
type iterator struct {
	table, shard int64
	after        int64 // number of the last record read
	horizon      bool  // it began at the trim horizon, so trimmed records are skipped
	issued       time.Time
}

func (it iterator) String() string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d.%d.%t.%d",
		it.table, it.shard, it.after, it.horizon, it.issued.UnixMicro()))
}

// parseIterator is the inverse of String.
func parseIterator(text string) (iterator, bool) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return iterator{}, false
	}
	var it iterator
	var issued int64
	if _, err := fmt.Sscanf(strings.ReplaceAll(string(data), ".", " "), "%d %d %d %t %d",
		&it.table, &it.shard, &it.after, &it.horizon, &issued); err != nil {
		return iterator{}, false
	}
	it.issued = time.UnixMicro(issued).UTC()
	return it, it.String() == text
}

// Records are numbered from 1. Their sequence numbers begin near the largest number
// of 21 digits, the fewest that DynamoDB uses: the tenth record's has 22 digits, so
// a program that compares sequence numbers as text fails early.
const (
	shortSequence   = "99999999999999999999" // followed by the number's one digit
	shortSequences  = 10
	longSequence    = "1" // followed by the number in 21 digits
	sequenceLength  = 21
	maxNumberDigits = 18 // any such number fits 64 bits
)

// sequence returns the sequence number of a record.
func sequence(num int64) string {
	if num < shortSequences {
		return shortSequence + strconv.FormatInt(num, 10)
	}
	return fmt.Sprintf("%s%0*d", longSequence, sequenceLength, num-shortSequences)
}

// parseSequence is the inverse of sequence.
func parseSequence(s string) (int64, bool) {
	digits, ok := strings.CutPrefix(s, shortSequence)
	add := int64(0)
	if !ok || len(s) != sequenceLength {
		digits, ok = strings.CutPrefix(s, longSequence)
		add = shortSequences
	}
	if !ok || strings.Trim(digits, "0123456789") != "" {
		return 0, false
	}
	digits = strings.TrimLeft(digits, "0")
	if len(digits) > maxNumberDigits {
		return 0, false
	}
	num, _ := strconv.ParseInt("0"+digits, 10, 64)
	return num + add, sequence(num+add) == s
}

// eventID returns the id of a record, unique in the file.
func eventID(shard, num int64) string { return fmt.Sprintf("%08x%016x", shard, num) }
