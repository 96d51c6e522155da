package stream

import (
	"strings"

	"github.com/postroom/postroom/backend"
)

// Keys of the control table. All that belongs to a stream stands under its ARN,
// so that positions of one stream are never applied to another.
const (
	ownerSK      = "LEADER"
	workerPrefix = "WORKER#"
	shardPrefix  = "SHARD#"
	streamsPK    = "streams" // of one item for each stream that was ever read, by its ARN
)

func partition(arn string) string { return "stream#" + arn }

func ownerKey(arn string) backend.Key { return backend.Key{PK: partition(arn), SK: ownerSK} }

func workerKey(arn, run string) backend.Key {
	return backend.Key{PK: partition(arn), SK: workerPrefix + run}
}

func leaseKey(arn, shard string) backend.Key {
	return backend.Key{PK: partition(arn), SK: shardPrefix + shard}
}

// sameTable is what the ARNs of all streams of a table begin with: an ARN ends
// in "/stream/" and the label of the stream.
func sameTable(arn string) string { return arn[:strings.LastIndexByte(arn, '/')+1] }
