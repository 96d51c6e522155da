package aws

import (
	"context"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

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
