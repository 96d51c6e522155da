package stream

import "github.com/postroom/postroom/backend"

// Keys of the control table. All that belongs to a stream stands under its ARN,
// so that positions of one stream are never applied to another.
const (
	ownerSK     = "OWNER"
	shardPrefix = "SHARD#"
)

func partition(arn string) string { return "stream#" + arn }

func ownerKey(arn string) backend.Key { return backend.Key{PK: partition(arn), SK: ownerSK} }

func leaseKey(arn, shard string) backend.Key {
	return backend.Key{PK: partition(arn), SK: shardPrefix + shard}
}
