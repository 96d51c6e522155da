package aws

import (
	"context"
	"errors"
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
	arn string // of the listing under way
}

// Shards implements backend.Stream. The stream is looked up anew at the first
// page of each listing: switched off and on, it is another one.
func (s *stream) Shards(ctx context.Context, after string) (backend.ShardPage, error) {
	arn, err := s.find(ctx, after == "")
	if err != nil {
		return backend.ShardPage{}, err
	}
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &arn}
	if after != "" {
		in.ExclusiveStartShardId = &after
	}
	out, err := call(ctx, s.b.onStreams, "Shards "+s.table, func(ctx context.Context) (*dynamodbstreams.DescribeStreamOutput, error) {
		return s.b.streams.DescribeStream(ctx, in)
	})
	if err != nil {
		return backend.ShardPage{}, err
	}
	d := out.StreamDescription
	if d == nil {
		d = &types.StreamDescription{}
	}
	p := backend.ShardPage{
		StreamARN: arn,
		Disabled:  d.StreamStatus == types.StreamStatusDisabled || d.StreamStatus == types.StreamStatusDisabling,
		Last:      awssdk.ToString(d.LastEvaluatedShardId),
		Shards:    make([]backend.Shard, len(d.Shards)),
	}
	for i, shard := range d.Shards {
		p.Shards[i] = backend.Shard{ID: awssdk.ToString(shard.ShardId), Parent: awssdk.ToString(shard.ParentShardId)}
		if r := shard.SequenceNumberRange; r != nil {
			p.Shards[i].Ending = awssdk.ToString(r.EndingSequenceNumber)
		}
	}
	return p, nil
}

var errNoStream = errors.New("the table has no stream")

// find returns the stream's ARN.
func (s *stream) find(ctx context.Context, anew bool) (string, error) {
	s.mu.Lock()
	arn := s.arn
	s.mu.Unlock()
	if arn != "" && !anew {
		return arn, nil
	}
	description, err := s.b.table(s.table).describe(ctx)
	if err != nil {
		return "", err
	}
	arn = awssdk.ToString(description.LatestStreamArn)
	if arn == "" {
		return "", &backend.Error{Op: "Shards " + s.table, Kind: backend.KindNotFound, Err: errNoStream}
	}
	s.mu.Lock()
	s.arn = arn
	s.mu.Unlock()
	return arn, nil
}

var iteratorTypes = map[backend.PositionType]types.ShardIteratorType{
	backend.TrimHorizon:   types.ShardIteratorTypeTrimHorizon,
	backend.Latest:        types.ShardIteratorTypeLatest,
	backend.AtSequence:    types.ShardIteratorTypeAtSequenceNumber,
	backend.AfterSequence: types.ShardIteratorTypeAfterSequenceNumber,
}

// Iterator implements backend.Stream.
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
	out, err := call(ctx, s.b.onStreams, op, func(ctx context.Context) (*dynamodbstreams.GetShardIteratorOutput, error) {
		return s.b.streams.GetShardIterator(ctx, in)
	})
	if err != nil {
		return "", err
	}
	return awssdk.ToString(out.ShardIterator), nil
}

// Records implements backend.Stream.
func (s *stream) Records(ctx context.Context, iterator string, limit int) (backend.RecordPage, error) {
	in := &dynamodbstreams.GetRecordsInput{ShardIterator: &iterator, Limit: awssdk.Int32(int32(limit))}
	out, err := call(ctx, s.b.onStreams, "Records "+s.table, func(ctx context.Context) (*dynamodbstreams.GetRecordsOutput, error) {
		return s.b.streams.GetRecords(ctx, in)
	})
	if err != nil {
		return backend.RecordPage{}, err
	}
	p := backend.RecordPage{Next: awssdk.ToString(out.NextShardIterator), Records: make([]backend.Record, len(out.Records))}
	for i := range out.Records {
		p.Records[i] = record(&out.Records[i])
	}
	return p, nil
}

// Changed implements backend.Stream: AWS does not tell.
func (s *stream) Changed() <-chan struct{} { return nil }

func record(r *types.Record) backend.Record {
	d := r.Dynamodb
	if d == nil {
		d = &types.StreamRecord{}
	}
	image := d.NewImage
	return backend.Record{
		EventID:   awssdk.ToString(r.EventID),
		Event:     backend.EventName(r.EventName),
		Key:       backend.Key{PK: keyPart(d.Keys, backend.AttrPK), SK: keyPart(d.Keys, backend.AttrSK)},
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

func keyPart(keys map[string]types.AttributeValue, name string) string {
	if s, ok := keys[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}
