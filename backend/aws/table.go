package aws

import (
	"bytes"
	"context"
	"errors"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// table is one table.
type table struct {
	name string
	b    *Backend

	indexes sync.Map // of backend.IndexSpec by name, each looked up at its first query
}

// Get implements [backend.Table].
func (t *table) Get(ctx context.Context, key backend.Key) (backend.Item, backend.Units, error) {
	out, err := call(ctx, t.b.onDB, "Get "+t.name, t.b.db.GetItem, &dynamodb.GetItemInput{
		TableName:              &t.name,
		Key:                    keyItem(key),
		ConsistentRead:         awssdk.Bool(true),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	if err != nil {
		return nil, backend.Units{}, err
	}
	return out.Item, readUnits(out.ConsumedCapacity), nil
}

// Put implements [backend.Table].
func (t *table) Put(ctx context.Context, item backend.Item, condition backend.Condition) (backend.Units, error) {
	var e expression
	in := &dynamodb.PutItemInput{
		TableName:                           &t.name,
		Item:                                item,
		ConditionExpression:                 e.condition(condition),
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		ReturnConsumedCapacity:              types.ReturnConsumedCapacityTotal,
	}
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = e.names, e.values
	attempts := &recorder{RetryerV2: newRetryer().(awssdk.RetryerV2)}
	out, err := call(ctx, t.b.onDB, "Put "+t.name, t.b.db.PutItem, in, func(o *dynamodb.Options) { o.Retryer = attempts })
	if err != nil {
		return backend.Units{}, putError(err, item, attempts.uncertain)
	}
	return writeUnits(out.ConsumedCapacity), nil
}

// putError adds the item under the key to the error of a failed condition. It returns
// nil if an earlier attempt of the same call put that item: see the package's
// documentation.
func putError(err error, item backend.Item, uncertain bool) error {
	var failed *types.ConditionalCheckFailedException
	var e *backend.Error
	if !errors.As(err, &failed) || !errors.As(err, &e) {
		return err
	}
	if len(failed.Item) > 0 {
		e.Item = failed.Item
	}
	if uncertain && equalItems(item, e.Item) {
		return nil
	}
	return err
}

// equalItems reports whether two items are equal to DynamoDB, which compares numbers
// by their value and ignores the order of sets.
func equalItems(a, b backend.Item) bool {
	x, errX := canonical(a)
	y, errY := canonical(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func canonical(item backend.Item) ([]byte, error) {
	normal, err := backend.NormalItem(item)
	if err != nil {
		return nil, err
	}
	return backend.EncodeItem(normal)
}

func readUnits(c *types.ConsumedCapacity) backend.Units {
	if c == nil {
		return backend.Units{}
	}
	return backend.Units{Read: awssdk.ToFloat64(c.CapacityUnits)}
}

func writeUnits(c *types.ConsumedCapacity) backend.Units {
	if c == nil {
		return backend.Units{}
	}
	return backend.Units{Write: awssdk.ToFloat64(c.CapacityUnits)}
}
