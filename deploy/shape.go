package deploy

import (
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// The queues' settings.
const (
	// Visibility is for a consumer that extends it: a crashed one's messages
	// come back after this long.
	Visibility = 30 * time.Second
	// MaxReceives is how often a message is tried before it goes to the
	// dead-letter queue.
	MaxReceives = 10
	// Retention of the queue, and of the dead-letter queue: what arrives there
	// at the end of its retention still has ten days to be seen.
	Retention           = 4 * 24 * time.Hour
	DeadLetterRetention = 14 * 24 * time.Hour

	streamView = "NEW_IMAGE"
	timeToLive = "expires_at" // attribute of the control table's items
)

// Tables is the shape of the table and of its control table, with backups on
// and deletion protection off. Items of the control table that have a number
// expires_at, seconds since 1970, go some time after it.
func Tables(table string, index bool) []backend.TableSpec {
	main := keyed(table)
	main.StreamView = streamView
	if index {
		main.Index = &backend.IndexSpec{
			Name:         postroom.IndexName,
			PartitionKey: postroom.AttrGroupUUID,
			SortKey:      postroom.AttrUserUUID,
		}
	}
	control := keyed(postroom.ControlTable(table))
	control.TimeToLive = timeToLive
	return []backend.TableSpec{main, control}
}

func keyed(name string) backend.TableSpec {
	return backend.TableSpec{
		Name:                name,
		PartitionKey:        backend.AttrPK,
		SortKey:             backend.AttrSK,
		PointInTimeRecovery: true,
	}
}

// Queues is the shape of the queue and of its dead-letter queue, which comes
// first, since the queue names it.
func Queues(queue string) []backend.QueueSpec {
	dead := postroom.DeadLetterQueue(queue)
	return []backend.QueueSpec{
		{
			Name:              dead,
			VisibilitySeconds: int(Visibility / time.Second),
			RetentionSeconds:  int(DeadLetterRetention / time.Second),
		},
		{
			Name:              queue,
			VisibilitySeconds: int(Visibility / time.Second),
			RetentionSeconds:  int(Retention / time.Second),
			DeadLetterQueue:   dead,
			MaxReceiveCount:   MaxReceives,
		},
	}
}
