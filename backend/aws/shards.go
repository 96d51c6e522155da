package aws

import (
	"context"
	"errors"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/postroom/postroom/backend"
)

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
