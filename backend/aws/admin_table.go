package aws

import (
	"context"
	"errors"
	"slices"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	streamtypes "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/postroom/postroom/backend"
)

// CreateTable implements [backend.Backend]. It waits until the table, its index and
// its stream are active, usually less than ten seconds, and then switches time to
// live and point-in-time recovery on. If the server lacks these, the error is
// errors.ErrUnsupported, and the table exists.
func (b *Backend) CreateTable(ctx context.Context, spec backend.TableSpec) error {
	op := "CreateTable " + spec.Name
	_, err := call(ctx, b.onDB, op, b.db.CreateTable, createInput(spec))
	if err != nil {
		return err
	}
	if err := poll(ctx, op, func() (bool, error) { return b.tableActive(ctx, spec) }); err != nil {
		return err
	}
	var lacking [2]error
	if spec.TimeToLive != "" {
		lacking[0] = b.SetTimeToLive(ctx, spec.Name, spec.TimeToLive)
	}
	if spec.PointInTimeRecovery {
		lacking[1] = b.setRecovery(ctx, spec.Name)
	}
	for _, err := range lacking {
		if err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return errors.Join(lacking[:]...)
}

// setRecovery switches point-in-time recovery on, for a new table.
func (b *Backend) setRecovery(ctx context.Context, table string) error {
	return poll(ctx, "CreateTable "+table, func() (bool, error) {
		op := "UpdateContinuousBackups " + table
		_, err := call(ctx, b.onDB, op, b.db.UpdateContinuousBackups, &dynamodb.UpdateContinuousBackupsInput{
			TableName: &table,
			PointInTimeRecoverySpecification: &types.PointInTimeRecoverySpecification{
				PointInTimeRecoveryEnabled: awssdk.Bool(true),
			},
		})
		if unsupported(err) {
			return false, b.unknown(op)
		}
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
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		in.AttributeDefinitions = append(in.AttributeDefinitions, types.AttributeDefinition{
			AttributeName: &key, AttributeType: types.ScalarAttributeTypeS,
		})
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

// keyNames is the inverse of keySchema.
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

// tableActive reports whether a new table, its index and its stream can be used.
func (b *Backend) tableActive(ctx context.Context, spec backend.TableSpec) (bool, error) {
	d, err := b.table(spec.Name).describe(ctx)
	if backend.KindOf(err) == backend.KindNotFound { // not visible everywhere yet
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
	out, err := call(ctx, b.onStreams, "CreateTable "+spec.Name, b.streams.DescribeStream, &dynamodbstreams.DescribeStreamInput{StreamArn: d.LatestStreamArn})
	if backend.KindOf(err) == backend.KindNotFound {
		return false, nil
	}
	if err != nil || out.StreamDescription == nil {
		return false, err
	}
	return out.StreamDescription.StreamStatus == streamtypes.StreamStatusEnabled, nil
}

// changeTable calls change, and repeats it while the table is "in use": while it is
// being created or changed.
func changeTable(ctx context.Context, op string, change func() error) error {
	return poll(ctx, op, func() (bool, error) {
		err := change()
		if backend.KindOf(err) == backend.KindExists {
			return false, nil
		}
		return true, err
	})
}

// SetDeletionProtection implements [backend.Backend]. It changes the table only if
// necessary, and returns once the table is active again.
func (b *Backend) SetDeletionProtection(ctx context.Context, table string, on bool) error {
	op := "SetDeletionProtection " + table
	is := func(d *types.TableDescription) bool { return awssdk.ToBool(d.DeletionProtectionEnabled) == on }
	d, err := b.table(table).describe(ctx)
	if err != nil || is(d) {
		return err
	}
	err = changeTable(ctx, op, func() error {
		_, err := call(ctx, b.onDB, op, b.db.UpdateTable, &dynamodb.UpdateTableInput{TableName: &table, DeletionProtectionEnabled: &on})
		return err
	})
	if err != nil {
		return err
	}
	return poll(ctx, op, func() (bool, error) {
		d, err := b.table(table).describe(ctx)
		return err == nil && d.TableStatus == types.TableStatusActive && is(d), err
	})
}

// DeleteTable implements [backend.Backend]. It returns once the name is free.
func (b *Backend) DeleteTable(ctx context.Context, name string) error {
	op := "DeleteTable " + name
	err := changeTable(ctx, op, func() error {
		_, err := call(ctx, b.onDB, op, b.db.DeleteTable, &dynamodb.DeleteTableInput{TableName: &name})
		return err
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

func (t *table) describe(ctx context.Context) (*types.TableDescription, error) {
	op := "DescribeTable " + t.name
	out, err := call(ctx, t.b.onDB, op, t.b.db.DescribeTable, &dynamodb.DescribeTableInput{TableName: &t.name})
	if err != nil {
		return nil, err
	}
	if out.Table == nil {
		return &types.TableDescription{}, nil
	}
	return out.Table, nil
}

// DescribeTable implements [backend.Backend]. Of several indexes it returns the first
// by name. It returns point-in-time recovery and time to live as off if the server
// does not have them or denies access to them.
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
	spec.TimeToLive, err = b.timeToLive(ctx, name)
	if err != nil && !unsupported(err) && backend.KindOf(err) != backend.KindDenied {
		return spec, err
	}
	spec.PointInTimeRecovery, err = b.recovers(ctx, name)
	return spec, err
}

func (b *Backend) recovers(ctx context.Context, table string) (bool, error) {
	op := "DescribeContinuousBackups " + table
	out, err := call(ctx, b.onDB, op, b.db.DescribeContinuousBackups, &dynamodb.DescribeContinuousBackupsInput{TableName: &table})
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
