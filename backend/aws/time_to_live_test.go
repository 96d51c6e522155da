package aws

import (
	"errors"
	"fmt"
	"testing"

	"github.com/postroom/postroom/backend"
)

func lives(status, attribute string) answer {
	return ok(fmt.Sprintf(`{"TimeToLiveDescription":{"TimeToLiveStatus":%q,"AttributeName":%q}}`, status, attribute))
}

func TestSetTimeToLiveLooksFirst(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, lives("DISABLED", ""), failure(400, "ResourceInUseException", "being updated"), ok("{}"),
		lives("ENABLING", "expires_at"), lives("ENABLED", "expires_at"), lives("ENABLED", "another"))
	must(t, b.SetTimeToLive(t.Context(), "t", "expires_at"))
	wantSame(t, f.ops(), []string{"DescribeTimeToLive", "UpdateTimeToLive", "UpdateTimeToLive"})
	wantSame(t, f.last(), map[string]any{
		"TableName":               "t",
		"TimeToLiveSpecification": map[string]any{"AttributeName": "expires_at", "Enabled": true},
	})
	for range 2 { // it is so already
		must(t, b.SetTimeToLive(t.Context(), "t", "expires_at"))
	}
	err := b.SetTimeToLive(t.Context(), "t", "expires_at")
	wantError(t, err, backend.KindInvalid, "SetTimeToLive t", "expire by the attribute another already")
	wantSame(t, f.ops()[3:], []string{"DescribeTimeToLive", "DescribeTimeToLive", "DescribeTimeToLive"})
}

func TestSetTimeToLiveWhereAnotherWasFaster(t *testing.T) {
	t.Parallel()
	refused := failure(400, "ValidationException", "TimeToLive is already enabled")
	b, _ := openFake(t, lives("DISABLED", ""), refused, lives("ENABLING", "expires_at"),
		lives("DISABLED", ""), refused, lives("DISABLING", "expires_at"))
	must(t, b.SetTimeToLive(t.Context(), "t", "expires_at"))
	err := b.SetTimeToLive(t.Context(), "t", "expires_at")
	wantError(t, err, backend.KindInvalid, "SetTimeToLive t", "already enabled")
}

func TestCreateTableWithTimeToLive(t *testing.T) {
	t.Parallel()
	spec := backend.TableSpec{Name: "t", PartitionKey: "PK", SortKey: "SK", TimeToLive: "expires_at"}
	b, f := openFake(t, ok("{}"), tableStatus("CREATING", "", ""), tableStatus("ACTIVE", "ACTIVE", ""),
		lives("DISABLED", ""), ok("{}"))
	must(t, b.CreateTable(t.Context(), spec))
	wantSame(t, f.ops(), []string{"CreateTable", "DescribeTable", "DescribeTable", "DescribeTimeToLive", "UpdateTimeToLive"})
}

func TestCreateTableWhereTimeToLiveIsUnknown(t *testing.T) {
	t.Parallel()
	spec := fullSpec
	spec.StreamView, spec.TimeToLive = "", "expires_at"
	b, _ := openFake(t, ok("{}"), tableStatus("ACTIVE", "ACTIVE", ""), failure(400, "UnknownOperationException", ""))
	err := b.CreateTable(t.Context(), spec)
	wantError(t, err, backend.KindInvalid, "SetTimeToLive t", "UpdateContinuousBackups t", "does not know it")
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v is not errors.ErrUnsupported", err)
	}
	b, _ = openFake(t, ok("{}"), tableStatus("ACTIVE", "ACTIVE", ""),
		failure(400, "AccessDeniedException", "no"), failure(400, "UnknownOperationException", ""))
	err = b.CreateTable(t.Context(), spec)
	wantError(t, err, backend.KindDenied, "DescribeTimeToLive t")
	if errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v is errors.ErrUnsupported, though the server knows it", err)
	}
}

func TestAttributesOnTheWire(t *testing.T) {
	t.Parallel()
	b, f := openFake(t, ok(`{"QueueUrl":"http://q/1/q"}`), ok(`{"Successful":[]}`),
		ok(`{"Messages":[{"MessageId":"1","MessageAttributes":{
			"why":{"DataType":"String","StringValue":"because"},
			"theirs":{"DataType":"Number.int","StringValue":"7"},
			"bytes":{"DataType":"Binary","BinaryValue":"AAE="}}},
			{"MessageId":"2"}]}`))
	q := b.Queue("q")
	_, err := q.Send(t.Context(), []backend.SendEntry{{Body: "a", Attributes: map[string]string{"why": "because"}}, {Body: "b"}})
	must(t, err)
	wantSame(t, f.last()["Entries"], any([]any{
		map[string]any{"Id": "0", "MessageBody": "a", "MessageAttributes": map[string]any{
			"why": map[string]any{"DataType": "String", "StringValue": "because"},
		}},
		map[string]any{"Id": "1", "MessageBody": "b"},
	}))
	ds, err := q.Receive(t.Context(), 2, 0, backend.MaxVisibility)
	must(t, err)
	wantSame(t, f.last()["MessageAttributeNames"], any([]any{"All"}))
	wantSame(t, ds[0].Attributes, map[string]string{"why": "because", "theirs": "7"})
	if ds[1].Attributes != nil {
		t.Errorf("a message without attributes has %v", ds[1].Attributes)
	}
}
