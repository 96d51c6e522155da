package aws

import (
	"context"
	"errors"
	"fmt"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/postroom/postroom/backend"
)

// CreateTable implements backend.Backend. It returns once the table, its index
// and its stream are active, usually within ten seconds, or when the context is
// done. Then it switches point-in-time recovery on; a server that does not know
// that makes it return an error that is errors.ErrUnsupported, and the table is
// there all the same.
func (b *Backend) CreateTable(ctx context.Context, spec backend.TableSpec) error {
	op := "CreateTable " + spec.Name
	_, err := call(ctx, b.onDB, op, func(ctx context.Context) (*dynamodb.CreateTableOutput, error) {
		return b.db.CreateTable(ctx, createInput(spec))
	})
	if err != nil {
		return err
	}
	if err := poll(ctx, op, func() (bool, error) { return b.tableActive(ctx, spec) }); err != nil {
		return err
	}
	if !spec.PointInTimeRecovery {
		return nil
	}
	return poll(ctx, op, func() (bool, error) {
		err := b.enableRecovery(ctx, spec.Name)
		if codeOf(err) == "ContinuousBackupsUnavailableException" { // for a moment after the table was made
			return false, nil
		}
		return true, err
	})
}

func createInput(spec backend.TableSpec) *dynamodb.CreateTableInput {
	in := &dynamodb.CreateTableInput{
		TableName:                 &spec.Name,
		KeySchema:                 keySchema(spec.PartitionKey, spec.SortKey),
		BillingMode:               types.BillingModePayPerRequest,
		DeletionProtectionEnabled: &spec.DeletionProtection,
	}
	keys := []string{spec.PartitionKey, spec.SortKey}
	if x := spec.Index; x != nil {
		keys = append(keys, x.PartitionKey, x.SortKey)
		in.GlobalSecondaryIndexes = []types.GlobalSecondaryIndex{{
			IndexName:  &x.Name,
			KeySchema:  keySchema(x.PartitionKey, x.SortKey),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}}
	}
	defined := map[string]bool{}
	for _, key := range keys {
		if !defined[key] {
			defined[key] = true
			in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
				AttributeName: &key, AttributeType: types.ScalarAttributeTypeS,
			})
		}
	}
	if spec.StreamView != "" {
		in.StreamSpecification = &types.StreamSpecification{
			StreamEnabled: awssdk.Bool(true), StreamViewType: types.StreamViewType(spec.StreamView),
		}
	}
	return in
}

func keySchema(pk, sk string) []types.KeySchemaElement {
	return []types.KeySchemaElement{
		{AttributeName: &pk, KeyType: types.KeyTypeHash},
		{AttributeName: &sk, KeyType: types.KeyTypeRange},
	}
}

// keyNames is keySchema backwards.
func keyNames(schema []types.KeySchemaElement) (pk, sk string) {
	for _, k := range schema {
		if k.KeyType == types.KeyTypeHash {
			pk = awssdk.ToString(k.AttributeName)
		} else {
			sk = awssdk.ToString(k.AttributeName)
		}
	}
	return pk, sk
}

// tableActive reports whether a new table can be used, index and stream
// included.
func (b *Backend) tableActive(ctx context.Context, spec backend.TableSpec) (bool, error) {
	d, err := b.table(spec.Name).describe(ctx)
	if backend.KindOf(err) == backend.KindNotFound { // not seen everywhere yet
		return false, nil
	}
	if err != nil || d.TableStatus != types.TableStatusActive {
		return false, err
	}
	for _, g := range d.GlobalSecondaryIndexes {
		if g.IndexStatus != types.IndexStatusActive {
			return false, nil
		}
	}
	if spec.StreamView == "" {
		return true, nil
	}
	if d.LatestStreamArn == nil {
		return false, nil
	}
	out, err := call(ctx, b.onStreams, "CreateTable "+spec.Name, func(ctx context.Context) (*dynamodbstreams.DescribeStreamOutput, error) {
		return b.streams.DescribeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: d.LatestStreamArn})
	})
	if backend.KindOf(err) == backend.KindNotFound {
		return false, nil
	}
	if err != nil || out.StreamDescription == nil {
		return false, err
	}
	return out.StreamDescription.StreamStatus == streamtypes.StreamStatusEnabled, nil
}

func (b *Backend) enableRecovery(ctx context.Context, table string) error {
	op := "UpdateContinuousBackups " + table
	_, err := call(ctx, b.onDB, op, func(ctx context.Context) (*dynamodb.UpdateContinuousBackupsOutput, error) {
		return b.db.UpdateContinuousBackups(ctx, &dynamodb.UpdateContinuousBackupsInput{
			TableName: &table,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{
				PointInTimeRecoveryEnabled: awssdk.Bool(true),
			},
		})
	})
	if unsupported(err) {
		return invalid(op, fmt.Errorf("%w: %s does not know it", errors.ErrUnsupported, b.onDB.place))
	}
	return err
}

func (t *table) describe(ctx context.Context) (*types.TableDescription, error) {
	op := "DescribeTable " + t.name
	out, err := call(ctx, t.b.onDB, op, func(ctx context.Context) (*dynamodb.DescribeTableOutput, error) {
		return t.b.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &t.name})
	})
	if err != nil {
		return nil, err
	}
	if out.Table == nil {
		return &types.TableDescription{}, nil
	}
	return out.Table, nil
}

// DescribeTable implements backend.Backend. Of several indexes it tells the
// first by name. Point-in-time recovery reads as off where the server does not
// know it or the credentials do not reach to it.
func (b *Backend) DescribeTable(ctx context.Context, name string) (backend.TableSpec, error) {
	d, err := b.table(name).describe(ctx)
	if err != nil {
		return backend.TableSpec{}, err
	}
	spec := backend.TableSpec{Name: name, DeletionProtection: awssdk.ToBool(d.DeletionProtectionEnabled)}
	spec.PartitionKey, spec.SortKey = keyNames(d.KeySchema)
	for _, g := range d.GlobalSecondaryIndexes {
		x := backend.IndexSpec{Name: awssdk.ToString(g.IndexName)}
		x.PartitionKey, x.SortKey = keyNames(g.KeySchema)
		if spec.Index == nil || x.Name < spec.Index.Name {
			spec.Index = &x
		}
	}
	if s := d.StreamSpecification; s != nil && awssdk.ToBool(s.StreamEnabled) {
		spec.StreamView = string(s.StreamViewType)
	}
	spec.PointInTimeRecovery, err = b.recovers(ctx, name)
	return spec, err
}

func (b *Backend) recovers(ctx context.Context, table string) (bool, error) {
	op := "DescribeContinuousBackups " + table
	out, err := call(ctx, b.onDB, op, func(ctx context.Context) (*dynamodb.DescribeContinuousBackupsOutput, error) {
		return b.db.DescribeContinuousBackups(ctx, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
	})
	if unsupported(err) || backend.KindOf(err) == backend.KindDenied {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	d := out.ContinuousBackupsDescription
	return d != nil && d.PointInTimeRecoveryDescription != nil &&
		d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled, nil
}

// DeleteTable implements backend.Backend. It returns once the name is free.
func (b *Backend) DeleteTable(ctx context.Context, name string) error {
	op := "DeleteTable " + name
	err := poll(ctx, op, func() (bool, error) {
		_, err := call(ctx, b.onDB, op, func(ctx context.Context) (*dynamodb.DeleteTableOutput, error) {
			return b.db.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
		})
		if backend.KindOf(err) == backend.KindExists { // "in use": it is being made or changed
			return false, nil
		}
		return true, err
	})
	if err != nil {
		return err
	}
	return poll(ctx, op, func() (bool, error) {
		_, err := b.table(name).describe(ctx)
		if backend.KindOf(err) == backend.KindNotFound {
			return true, nil
		}
		return false, err
	})
}

// Pauses between two looks at what takes its time.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = time.Second
)

// poll calls f with growing pauses until it is done, for the operation op.
func poll(ctx context.Context, op string, f func() (done bool, err error)) error {
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		done, err := f()
		if done || err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return &backend.Error{Op: op, Kind: backend.KindUnavailable, Err: context.Cause(ctx)}
		}
	}
}
