package aws

import (
	"context"
	"errors"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/terminal"
)

// Transact implements [backend.Table].
func (t *table) Transact(ctx context.Context, token string, actions []backend.Action) (backend.Units, error) {
	op := "Transact " + t.name
	if token == "" { // the SDK would generate a new one at each call
		return backend.Units{}, invalid(op, errors.New("the token is empty"))
	}
	in := &dynamodb.TransactWriteItemsInput{
		ClientRequestToken:     &token,
		TransactItems:          make([]types.TransactWriteItem, len(actions)),
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	for i, a := range actions {
		in.TransactItems[i] = t.action(a)
	}
	out, err := call(ctx, t.b.onDB, op, t.b.db.TransactWriteItems, in)
	if err != nil {
		return backend.Units{}, transactError(err, len(actions))
	}
	var units backend.Units
	for _, c := range out.ConsumedCapacity {
		units = units.Add(transactUnits(c))
	}
	return units, nil
}

func (t *table) action(a backend.Action) types.TransactWriteItem {
	var e expression
	condition := e.condition(a.Condition)
	if a.Put != nil {
		return types.TransactWriteItem{Put: &types.Put{
			TableName:                 &t.name,
			Item:                      a.Put,
			ConditionExpression:       condition,
			ExpressionAttributeNames:  e.names,
			ExpressionAttributeValues: e.values,
		}}
	}
	if a.Delete != (backend.Key{}) {
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName:                 &t.name,
			Key:                       keyItem(a.Delete),
			ConditionExpression:       condition,
			ExpressionAttributeNames:  e.names,
			ExpressionAttributeValues: e.values,
		}}
	}
	return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
		TableName:                 &t.name,
		Key:                       keyItem(a.Check),
		ConditionExpression:       condition,
		ExpressionAttributeNames:  e.names,
		ExpressionAttributeValues: e.values,
	}}
}

// transactUnits returns what a transaction consumed: write units, or read units if it
// was a repetition that changed nothing.
func transactUnits(c types.ConsumedCapacity) backend.Units {
	if c.ReadCapacityUnits == nil && c.WriteCapacityUnits == nil {
		return writeUnits(&c)
	}
	return backend.Units{Read: awssdk.ToFloat64(c.ReadCapacityUnits), Write: awssdk.ToFloat64(c.WriteCapacityUnits)}
}

// transactError adds the reasons of a refused transaction to its error. Without any
// it is a failure of the server.
func transactError(err error, actions int) error {
	var cancelled *types.TransactionCanceledException
	var e *backend.Error
	if !errors.As(err, &cancelled) || !errors.As(err, &e) {
		return err
	}
	e.Reasons = make([]*backend.Reason, actions)
	for i, r := range cancelled.CancellationReasons {
		code := awssdk.ToString(r.Code)
		if i < actions && code != "" && code != "None" {
			e.Reasons[i] = &backend.Reason{Kind: ofReason(code), Code: code, Message: terminal.Line(awssdk.ToString(r.Message), maxReason)}
		}
	}
	if e.Kind = backend.KindOfReasons(e.Reasons); e.Kind == backend.KindUnknown {
		e.Kind = backend.KindUnavailable
	}
	return err
}
