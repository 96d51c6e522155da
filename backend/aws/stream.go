package aws

import (
	"context"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/postroom/postroom/backend"
)

// stream is the stream of one table.
type stream struct {
	table string
	b     *Backend

	mu  sync.Mutex
	arn string // of the current listing
}

var iteratorTypes = map[backend.PositionType]types.ShardIteratorType{
	backend.TrimHorizon:   types.ShardIteratorTypeTrimHorizon,
	backend.AtSequence:    types.ShardIteratorTypeAtSequenceNumber,
	backend.AfterSequence: types.ShardIteratorTypeAfterSequenceNumber,
}

// Iterator implements [backend.Stream].
func (s *stream) Iterator(ctx context.Context, streamARN, shard string, at backend.Position) (string, error) {
	in := &dynamodbstreams.GetShardIteratorInput{
		StreamArn:         &streamARN,
		ShardId:           &shard,
		ShardIteratorType: iteratorTypes[at.Type],
	}
	if at.Sequence != "" {
		in.SequenceNumber = &at.Sequence
	}
	op := "Iterator " + s.table + " " + shard
	out, err := call(ctx, s.b.onStreams, op, s.b.streams.GetShardIterator, in)
	if err != nil {
		return "", err
	}
	return awssdk.ToString(out.ShardIterator), nil
}

// Records implements [backend.Stream].
func (s *stream) Records(ctx context.Context, iterator string, limit int) (backend.RecordPage, error) {
	in := &dynamodbstreams.GetRecordsInput{ShardIterator: &iterator, Limit: awssdk.Int32(int32(limit))}
	out, err := call(ctx, s.b.onStreams, "Records "+s.table, s.b.streams.GetRecords, in)
	if err != nil {
		return backend.RecordPage{}, err
	}
	p := backend.RecordPage{Next: awssdk.ToString(out.NextShardIterator), Records: make([]backend.Record, len(out.Records))}
	for i := range out.Records {
		p.Records[i] = record(&out.Records[i])
	}
	return p, nil
}

// Changed implements [backend.Stream]: AWS does not report changes.
func (s *stream) Changed() <-chan struct{} { return nil }

func record(r *types.Record) backend.Record {
	d := r.Dynamodb
	if d == nil {
		d = &types.StreamRecord{}
	}
	keys, _ := attributevalue.FromDynamoDBStreamsMap(d.Keys) // an unknown type is no key
	image := d.NewImage
	return backend.Record{
		EventID:   awssdk.ToString(r.EventID),
		Event:     backend.EventName(r.EventName),
		Key:       backend.KeyOf(keys),
		Sequence:  awssdk.ToString(d.SequenceNumber),
		CreatedAt: awssdk.ToTime(d.ApproximateCreationDateTime),
		SizeBytes: awssdk.ToInt64(d.SizeBytes),
		NewImage: func() (backend.Item, error) {
			if image == nil {
				return nil, nil
			}
			return attributevalue.FromDynamoDBStreamsMap(image)
		},
	}
}
