package aws

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/postroom/postroom/backend"
)

func tableStatus(table, index, stream string) answer {
	return ok(fmt.Sprintf(`{"Table":{"TableStatus":%q,"LatestStreamArn":%q,
		"GlobalSecondaryIndexes":[{"IndexName":"i","IndexStatus":%q}]}}`, table, stream, index))
}

var fullSpec = backend.TableSpec{
	Name: "t", PartitionKey: "PK", SortKey: "SK", StreamView: "NEW_IMAGE", PointInTimeRecovery: true,
	Index: &backend.IndexSpec{Name: "i", PartitionKey: "g", SortKey: "PK"},
}

func TestCreateTableWaitsForEverything(t *testing.T) {
	t.Parallel()
	enabled := `{"StreamDescription":{"StreamStatus":%q}}`
	b, f := openFake(t, ok("{}"),
		failure(400, "ResourceNotFoundException", "not yet"),
		tableStatus("CREATING", "CREATING", ""),
		tableStatus("ACTIVE", "CREATING", arn),
		tableStatus("ACTIVE", "ACTIVE", arn), ok(fmt.Sprintf(enabled, "ENABLING")),
		tableStatus("ACTIVE", "ACTIVE", arn), ok(fmt.Sprintf(enabled, "ENABLED")),
		failure(400, "ContinuousBackupsUnavailableException", "not yet"),
		ok("{}"))
	must(t, b.CreateTable(t.Context(), fullSpec))
	wantSame(t, f.ops(), []string{
		"CreateTable", "DescribeTable", "DescribeTable", "DescribeTable",
		"DescribeTable", "DescribeStream", "DescribeTable", "DescribeStream",
		"UpdateContinuousBackups", "UpdateContinuousBackups",
	})
	wantSame(t, f.calls[0].body, map[string]any{
		"TableName":   "t",
		"BillingMode": "PAY_PER_REQUEST",
		"AttributeDefinitions": []any{
			map[string]any{"AttributeName": "PK", "AttributeType": "S"},
			map[string]any{"AttributeName": "SK", "AttributeType": "S"},
			map[string]any{"AttributeName": "g", "AttributeType": "S"},
		},
		"KeySchema": jsonKeys("PK", "SK"),
		"GlobalSecondaryIndexes": []any{map[string]any{
			"IndexName": "i", "KeySchema": jsonKeys("g", "PK"), "Projection": map[string]any{"ProjectionType": "KEYS_ONLY"},
		}},
		"StreamSpecification":       map[string]any{"StreamEnabled": true, "StreamViewType": "NEW_IMAGE"},
		"DeletionProtectionEnabled": false,
	})
}

func jsonKeys(pk, sk string) []any {
	return []any{
		map[string]any{"AttributeName": pk, "KeyType": "HASH"},
		map[string]any{"AttributeName": sk, "KeyType": "RANGE"},
	}
}

func TestCreateTableWhereBackupsAreUnknown(t *testing.T) {
	t.Parallel()
	spec := fullSpec
	spec.StreamView = ""
	b, _ := openFake(t, ok("{}"), tableStatus("ACTIVE", "ACTIVE", ""), failure(400, "UnknownOperationException", ""))
	err := b.CreateTable(t.Context(), spec)
	wantError(t, err, backend.KindInvalid, "UpdateContinuousBackups t", "does not know it")
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v is not errors.ErrUnsupported", err)
	}
}

func TestCreateTableDoesNotWaitForEver(t *testing.T) {
	t.Parallel()
	b, _ := openFake(t, ok("{}"), tableStatus("CREATING", "CREATING", ""))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := b.CreateTable(ctx, fullSpec)
	wantError(t, err, backend.KindUnavailable, "Table t")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not context.DeadlineExceeded", err)
	}
}

func TestSetDeletionProtectionWaitsUntilItHolds(t *testing.T) {
	t.Parallel()
	table := func(status string, protected bool) answer {
		return ok(fmt.Sprintf(`{"Table":{"TableStatus":%q,"DeletionProtectionEnabled":%t}}`, status, protected))
	}
	b, f := openFake(t, table("UPDATING", true),
		failure(400, "ResourceInUseException", "being updated"), ok("{}"),
		table("UPDATING", false), table("ACTIVE", true), table("ACTIVE", false))
	must(t, b.SetDeletionProtection(t.Context(), "t", false))
	wantSame(t, f.ops(), []string{
		"DescribeTable", "UpdateTable", "UpdateTable", "DescribeTable", "DescribeTable", "DescribeTable",
	})
	wantSame(t, f.calls[2].body, map[string]any{"TableName": "t", "DeletionProtectionEnabled": false})

	must(t, b.SetDeletionProtection(t.Context(), "t", false)) // it is off already
	wantSame(t, f.ops()[6:], []string{"DescribeTable"})
}

func TestDeleteTableWaitsUntilItIsGone(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, failure(400, "ResourceInUseException", "being updated"), ok("{}"),
		tableStatus("DELETING", "", ""), failure(400, "ResourceNotFoundException", "gone"))
	must(t, b.DeleteTable(t.Context(), "t"))
	wantSame(t, f.ops(), []string{"DeleteTable", "DeleteTable", "DescribeTable", "DescribeTable"})
}

func TestDescribeTableWithoutAccessToBackups(t *testing.T) {
	t.Parallel()
	b, _ := openFake(t, ok(`{"Table":{"KeySchema":[{"AttributeName":"PK","KeyType":"HASH"}],"DeletionProtectionEnabled":true}}`),
		failure(400, "AccessDeniedException", "no"))
	spec, err := b.DescribeTable(t.Context(), "t")
	must(t, err)
	wantSame(t, spec, backend.TableSpec{Name: "t", PartitionKey: "PK", DeletionProtection: true})
}

func TestCreateQueueAttributes(t *testing.T) {
	t.Parallel()
	b, f := openFake(t,
		ok(`{"QueueUrl":"http://q/1/dlq.fifo"}`), ok(`{"Attributes":{"QueueArn":"arn:aws:sqs:eu-west-1:1:dlq.fifo"}}`),
		ok(`{"QueueUrl":"http://q/1/q.fifo"}`),
		failure(400, "QueueDoesNotExist", "not yet"), ok(`{"Attributes":{"QueueArn":"arn"}}`))
	must(t, b.CreateQueue(t.Context(), backend.QueueSpec{
		Name: "q.fifo", VisibilitySeconds: 30, RetentionSeconds: 60, DeadLetterQueue: "dlq.fifo", MaxReceiveCount: 10,
	}))
	wantSame(t, f.calls[2].body["Attributes"], any(map[string]any{
		"FifoQueue": "true", "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId",
		"VisibilityTimeout": "30", "MessageRetentionPeriod": "60", "SqsManagedSseEnabled": "true",
		"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:1:dlq.fifo","maxReceiveCount":10}`,
	}))
}

// A server that knows no retention, such as ElasticMQ, does not stop anybody.
func TestDescribeQueueWithoutRetention(t *testing.T) {
	t.Parallel()
	b, _ := openFake(t, ok(`{"QueueUrl":"http://q"}`), ok(`{"Attributes":{"VisibilityTimeout":"30"}}`))
	spec, err := b.DescribeQueue(t.Context(), "q")
	must(t, err)
	wantSame(t, spec, backend.QueueSpec{Name: "q", VisibilitySeconds: 30})
}

func TestDescribeQueueReadsEitherCount(t *testing.T) {
	t.Parallel()
	for _, count := range []string{`10`, `"10"`} {
		policy := quoted(`{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:1:dlq","maxReceiveCount":` + count + `}`)
		b, _ := openFake(t, ok(`{"QueueUrl":"http://q/1/q"}`),
			ok(`{"Attributes":{"VisibilityTimeout":"30","MessageRetentionPeriod":"60","RedrivePolicy":`+policy+`}}`))
		spec, err := b.DescribeQueue(t.Context(), "q")
		must(t, err)
		wantSame(t, spec, backend.QueueSpec{
			Name: "q", VisibilitySeconds: 30, RetentionSeconds: 60, DeadLetterQueue: "dlq", MaxReceiveCount: 10,
		})
	}
}
