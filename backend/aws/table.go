package aws

import (
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
	if uncertain && backend.EqualItems(item, e.Item) {
		return nil
	}
	return err
}

func readUnits(c *types.ConsumedCapacity) backend.Units { return backend.Units{Read: capacity(c)} }

func writeUnits(c *types.ConsumedCapacity) backend.Units { return backend.Units{Write: capacity(c)} }

// capacity returns the units that a call consumed; 0 if the server does not say.
func capacity(c *types.ConsumedCapacity) float64 {
	if c == nil {
		return 0
	}
	return awssdk.ToFloat64(c.CapacityUnits)
}

// BatchGet implements [backend.Table].
func (t *table) BatchGet(ctx context.Context, keys []backend.Key) (
	items []backend.Item, unprocessed []backend.Key, units backend.Units, err error,
) {
	asked := make([]map[string]types.AttributeValue, len(keys))
	for i, k := range keys {
		asked[i] = keyItem(k)
	}
	in := &dynamodb.BatchGetItemInput{
		RequestItems: map[string]types.KeysAndAttributes{
			t.name: {Keys: asked, ConsistentRead: awssdk.Bool(true)},
		},
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	out, err := call(ctx, t.b.onDB, "BatchGet "+t.name, t.b.db.BatchGetItem, in)
	if err != nil {
		return nil, nil, backend.Units{}, err
	}
	for _, k := range out.UnprocessedKeys[t.name].Keys {
		unprocessed = append(unprocessed, backend.KeyOf(k))
	}
	for _, c := range out.ConsumedCapacity {
		units = units.Add(readUnits(&c))
	}
	return out.Responses[t.name], unprocessed, units, nil
}

// BatchWrite implements [backend.Table].
func (t *table) BatchWrite(ctx context.Context, writes []backend.Write) (
	unprocessed []backend.Write, units backend.Units, err error,
) {
	requests := make([]types.WriteRequest, len(writes))
	for i, w := range writes {
		if w.Put != nil {
			requests[i].PutRequest = &types.PutRequest{Item: w.Put}
		} else {
			requests[i].DeleteRequest = &types.DeleteRequest{Key: keyItem(w.Delete)}
		}
	}
	in := &dynamodb.BatchWriteItemInput{
		RequestItems:           map[string][]types.WriteRequest{t.name: requests},
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	out, err := call(ctx, t.b.onDB, "BatchWrite "+t.name, t.b.db.BatchWriteItem, in)
	if err != nil {
		return nil, backend.Units{}, err
	}
	for _, r := range out.UnprocessedItems[t.name] {
		if r.PutRequest != nil {
			unprocessed = append(unprocessed, backend.Write{Put: r.PutRequest.Item})
		} else if r.DeleteRequest != nil {
			unprocessed = append(unprocessed, backend.Write{Delete: backend.KeyOf(r.DeleteRequest.Key)})
		}
	}
	for _, c := range out.ConsumedCapacity {
		units = units.Add(writeUnits(&c))
	}
	return unprocessed, units, nil
}
