package aws

import (
	"context"
	"errors"
	"slices"
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
		SequenceNumber:    optional(at.Sequence),
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
	keys, _ := attributevalue.FromDynamoDBStreamsMap(d.Keys) // an unknown type is not a key
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

// Shards implements [backend.Stream]. It looks the stream up at the first page of
// each listing: a stream that was switched off and on again is another one.
func (s *stream) Shards(ctx context.Context, after string) (backend.ShardPage, error) {
	arn, err := s.find(ctx, after == "")
	if err != nil {
		return backend.ShardPage{}, err
	}
	d, err := s.describe(ctx, "Shards "+s.table, &dynamodbstreams.DescribeStreamInput{
		StreamArn: &arn, ExclusiveStartShardId: optional(after),
	})
	if err != nil {
		return backend.ShardPage{}, err
	}
	return backend.ShardPage{
		StreamARN: arn,
		Disabled:  d.StreamStatus == types.StreamStatusDisabled || d.StreamStatus == types.StreamStatusDisabling,
		Last:      awssdk.ToString(d.LastEvaluatedShardId),
		Shards:    shards(d.Shards),
	}, nil
}

// maxChildPages bounds one call of Children. A shard has few children; a server with
// more pages ignores the filter, or its cursor loops.
const maxChildPages = 5

// Children implements [backend.Stream]. Children on pages that are not read appear in
// the next listing.
func (s *stream) Children(ctx context.Context, streamARN, parent string) ([]backend.Shard, error) {
	in := &dynamodbstreams.DescribeStreamInput{
		StreamArn:   &streamARN,
		ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeChildShards, ShardId: &parent},
	}
	var children []backend.Shard
	for range maxChildPages {
		d, err := s.describe(ctx, "Children "+s.table+" "+parent, in)
		if err != nil {
			return nil, err
		}
		for _, shard := range shards(d.Shards) {
			if !slices.Contains(children, shard) {
				children = append(children, shard)
			}
		}
		last := awssdk.ToString(d.LastEvaluatedShardId)
		if last == "" || last == awssdk.ToString(in.ExclusiveStartShardId) {
			break
		}
		in.ExclusiveStartShardId = &last
	}
	return children, nil
}

// describe reads one page of the description of the stream.
func (s *stream) describe(
	ctx context.Context, op string, in *dynamodbstreams.DescribeStreamInput,
) (*types.StreamDescription, error) {
	out, err := call(ctx, s.b.onStreams, op, s.b.streams.DescribeStream, in)
	if err != nil {
		return nil, err
	}
	if out.StreamDescription == nil {
		return &types.StreamDescription{}, nil
	}
	return out.StreamDescription, nil
}

func shards(described []types.Shard) []backend.Shard {
	shards := make([]backend.Shard, len(described))
	for i, shard := range described {
		shards[i] = backend.Shard{ID: awssdk.ToString(shard.ShardId), Parent: awssdk.ToString(shard.ParentShardId)}
	}
	return shards
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
