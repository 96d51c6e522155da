package aws

import (
	"context"
	"fmt"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// Query implements [backend.Table].
func (t *table) Query(ctx context.Context, q backend.Query) (backend.Page, error) {
	in := &dynamodb.QueryInput{
		TableName:              &t.name,
		ScanIndexForward:       awssdk.Bool(!q.Descending),
		ConsistentRead:         &q.Consistent,
		Limit:                  optional(int32(q.Limit)),
		ExclusiveStartKey:      startKey(q.After),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	keys := backend.IndexSpec{PartitionKey: backend.AttrPK, SortKey: backend.AttrSK}
	if q.Index != "" {
		var err error
		if keys, err = t.index(ctx, q.Index); err != nil {
			return backend.Page{}, err
		}
		in.IndexName = &q.Index
		if in.ExclusiveStartKey != nil {
			in.ExclusiveStartKey[keys.PartitionKey] = str(q.AfterIndex.PK)
			in.ExclusiveStartKey[keys.SortKey] = str(q.AfterIndex.SK)
		}
	}
	var e expression
	in.KeyConditionExpression = e.within(keys.PartitionKey, q.PK, keys.SortKey, q.SKPrefix)
	in.ExpressionAttributeNames, in.ExpressionAttributeValues = e.names, e.values
	out, err := call(ctx, t.b.onDB, "Query "+t.name, t.b.db.Query, in)
	if err != nil {
		return backend.Page{}, err
	}
	p := page(out.Items, out.LastEvaluatedKey, out.ConsumedCapacity)
	if q.Index != "" && p.Last != nil {
		p.LastIndex = backend.Key{
			PK: backend.Text(out.LastEvaluatedKey, keys.PartitionKey),
			SK: backend.Text(out.LastEvaluatedKey, keys.SortKey),
		}
	}
	return p, nil
}

// Scan implements [backend.Table].
func (t *table) Scan(ctx context.Context, s backend.Scan) (backend.Page, error) {
	in := &dynamodb.ScanInput{
		TableName:              &t.name,
		ConsistentRead:         &s.Consistent,
		Limit:                  optional(int32(s.Limit)),
		ExclusiveStartKey:      startKey(s.After),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	if s.Segments != 0 {
		in.Segment, in.TotalSegments = awssdk.Int32(int32(s.Segment)), awssdk.Int32(int32(s.Segments))
	}
	out, err := call(ctx, t.b.onDB, "Scan "+t.name, t.b.db.Scan, in)
	if err != nil {
		return backend.Page{}, err
	}
	return page(out.Items, out.LastEvaluatedKey, out.ConsumedCapacity), nil
}

func page(items []backend.Item, last backend.Item, consumed *types.ConsumedCapacity) backend.Page {
	p := backend.Page{Items: items, Units: readUnits(consumed)}
	if len(last) > 0 {
		k := backend.KeyOf(last)
		p.Last = &k
	}
	return p
}

func startKey(k backend.Key) backend.Item {
	if k == (backend.Key{}) {
		return nil
	}
	return keyItem(k)
}

// index returns the key attributes of an index, which it looks up once.
func (t *table) index(ctx context.Context, name string) (backend.IndexSpec, error) {
	if known, ok := t.indexes.Load(name); ok {
		return known.(backend.IndexSpec), nil
	}
	description, err := t.describe(ctx)
	if err != nil {
		return backend.IndexSpec{}, err
	}
	for _, g := range description.GlobalSecondaryIndexes {
		if awssdk.ToString(g.IndexName) != name {
			continue
		}
		pk, sk := keyNames(g.KeySchema)
		spec := backend.IndexSpec{Name: name, PartitionKey: pk, SortKey: sk}
		t.indexes.Store(name, spec)
		return spec, nil
	}
	return backend.IndexSpec{}, invalid("Query "+t.name, fmt.Errorf("the table has no index %q", name))
}
