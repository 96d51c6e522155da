package aws

import (
	"context"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

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
