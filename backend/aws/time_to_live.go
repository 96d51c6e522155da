package aws

import (
	"context"
	"errors"
	"fmt"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// SetTimeToLive implements [backend.Backend]. It reads the setting first, since
// DynamoDB refuses a change that changes nothing, and any further change for an
// hour. It waits while the table is being created or changed, but not until DynamoDB
// has completed the change, which may take that hour.
func (b *Backend) SetTimeToLive(ctx context.Context, table, attribute string) error {
	op := "SetTimeToLive " + table
	if attribute == "" {
		return invalid(op, errors.New("no attribute is named"))
	}
	is, err := b.livesBy(ctx, op, table, attribute)
	if err != nil || is {
		return err
	}
	err = changeTable(ctx, op, func() error { return b.updateTimeToLive(ctx, op, table, attribute) })
	if backend.KindOf(err) == backend.KindInvalid && !errors.Is(err, errors.ErrUnsupported) {
		// Another process may have been faster.
		if is, lookErr := b.livesBy(ctx, op, table, attribute); lookErr == nil && is {
			return nil
		}
	}
	return err
}

// livesBy reports whether the table's items expire by the attribute already. It fails
// if they expire by another one.
func (b *Backend) livesBy(ctx context.Context, op, table, attribute string) (bool, error) {
	have, err := b.timeToLive(ctx, table)
	switch {
	case unsupported(err):
		return false, b.unknown(op)
	case err != nil || have == "":
		return false, err
	case have != attribute:
		return false, invalid(op, fmt.Errorf("its items expire by the attribute %s already", have))
	}
	return true, nil
}

func (b *Backend) updateTimeToLive(ctx context.Context, op, table, attribute string) error {
	_, err := call(ctx, b.onDB, op, b.db.UpdateTimeToLive, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &table,
		TimeToLiveSpecification: &types.TimeToLiveSpecification{AttributeName: &attribute, Enabled: awssdk.Bool(true)},
	})
	if unsupported(err) {
		return b.unknown(op)
	}
	return err
}

// timeToLive returns the attribute by which a table's items expire, as soon as it is
// switched on; empty: none.
func (b *Backend) timeToLive(ctx context.Context, table string) (string, error) {
	op := "DescribeTimeToLive " + table
	out, err := call(ctx, b.onDB, op, b.db.DescribeTimeToLive, &dynamodb.DescribeTimeToLiveInput{TableName: &table})
	if err != nil || out.TimeToLiveDescription == nil {
		return "", err
	}
	switch d := out.TimeToLiveDescription; d.TimeToLiveStatus {
	case types.TimeToLiveStatusEnabled, types.TimeToLiveStatusEnabling:
		return awssdk.ToString(d.AttributeName), nil
	}
	return "", nil
}

// unknown returns the error of an operation that the server does not have.
func (b *Backend) unknown(op string) error {
	return invalid(op, fmt.Errorf("%w: %s does not know it", errors.ErrUnsupported, b.onDB.place))
}
