package deploy

import (
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// The settings of the queues.
const (
	// visibility is for a consumer that extends it: the messages of a crashed consumer
	// come again after this time.
	visibility = 30 * time.Second
	// maxReceives is how often a message is received before it goes to the dead-letter
	// queue.
	maxReceives = 10
	// Retentions of the queue and of the dead-letter queue: a message that gets there at
	// the end of its retention stays for ten days more.
	retention           = 4 * 24 * time.Hour
	deadLetterRetention = 14 * 24 * time.Hour

	streamView = "NEW_IMAGE"
	timeToLive = "expires_at" // attribute of the control table's items
)

// Tables returns the specs of the table and of its control table, with backups on and
// deletion protection off. Items of the control table expire by the number expires_at,
// seconds since 1970.
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

// Queues returns the specs of the queue and of its dead-letter queue, which comes
// first because the queue refers to it. Without a name there are none.
func Queues(queue string) []backend.QueueSpec {
	if queue == "" {
		return nil
	}
	dead := postroom.DeadLetterQueue(queue)
	return []backend.QueueSpec{
		{
			Name:              dead,
			VisibilitySeconds: int(visibility / time.Second),
			RetentionSeconds:  int(deadLetterRetention / time.Second),
		},
		{
			Name:              queue,
			VisibilitySeconds: int(visibility / time.Second),
			RetentionSeconds:  int(retention / time.Second),
			DeadLetterQueue:   dead,
			MaxReceiveCount:   maxReceives,
		},
	}
}
