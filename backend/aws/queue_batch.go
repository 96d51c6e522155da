package aws

import (
	"context"
	"fmt"
	"strconv"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/terminal"
)

// The id of a batch entry is its index.

// Send implements [backend.Queue].
func (q *queue) Send(ctx context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	in := &sqs.SendMessageBatchInput{Entries: make([]types.SendMessageBatchRequestEntry, len(entries))}
	for i, e := range entries {
		in.Entries[i] = types.SendMessageBatchRequestEntry{
			Id:                     entryID(i),
			MessageBody:            &e.Body,
			MessageGroupId:         optional(e.GroupID),
			MessageDeduplicationId: optional(e.DeduplicationID),
			MessageAttributes:      attributeValues(e.Attributes),
		}
	}
	out, err := onQueue(ctx, q, "Send "+q.name, 0, q.b.sqs.SendMessageBatch, in, &in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return entryErrors("Send "+q.name, len(in.Entries), ids(out.Successful, func(e types.SendMessageBatchResultEntry) *string { return e.Id }), out.Failed)
}

// Delete implements [backend.Queue].
func (q *queue) Delete(ctx context.Context, receipts []string) ([]backend.EntryError, error) {
	in := &sqs.DeleteMessageBatchInput{Entries: make([]types.DeleteMessageBatchRequestEntry, len(receipts))}
	for i, receipt := range receipts {
		in.Entries[i] = types.DeleteMessageBatchRequestEntry{Id: entryID(i), ReceiptHandle: &receipt}
	}
	out, err := onQueue(ctx, q, "Delete "+q.name, 0, q.b.sqs.DeleteMessageBatch, in, &in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return entryErrors("Delete "+q.name, len(in.Entries), ids(out.Successful, func(e types.DeleteMessageBatchResultEntry) *string { return e.Id }), out.Failed)
}

// ChangeVisibility implements [backend.Queue].
func (q *queue) ChangeVisibility(ctx context.Context, changes []backend.VisibilityChange) ([]backend.EntryError, error) {
	in := &sqs.ChangeMessageVisibilityBatchInput{
		Entries: make([]types.ChangeMessageVisibilityBatchRequestEntry, len(changes)),
	}
	for i, c := range changes {
		in.Entries[i] = types.ChangeMessageVisibilityBatchRequestEntry{
			Id:                entryID(i),
			ReceiptHandle:     &c.Receipt,
			VisibilityTimeout: int32((c.Timeout + time.Second - 1) / time.Second), // rounded up
		}
	}
	out, err := onQueue(ctx, q, "ChangeVisibility "+q.name, 0, q.b.sqs.ChangeMessageVisibilityBatch, in, &in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return entryErrors("ChangeVisibility "+q.name, len(in.Entries), ids(out.Successful, func(e types.ChangeMessageVisibilityBatchResultEntry) *string { return e.Id }), out.Failed)
}

func attributeValues(attributes map[string]string) map[string]types.MessageAttributeValue {
	if len(attributes) == 0 {
		return nil
	}
	values := make(map[string]types.MessageAttributeValue, len(attributes))
	for name, text := range attributes {
		values[name] = types.MessageAttributeValue{DataType: awssdk.String(backend.AttributeType), StringValue: &text}
	}
	return values
}

func entryID(i int) *string { return awssdk.String(strconv.Itoa(i)) }

// optional is a parameter that is left out where it is zero.
func optional[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

func ids[T any](entries []T, id func(T) *string) []*string {
	ids := make([]*string, len(entries))
	for i, e := range entries {
		ids[i] = id(e)
	}
	return ids
}

// unanswered is the code of an entry that the answer names neither as done nor as
// failed.
const unanswered = "Unanswered"

// entryErrors returns the failures of a batch of n entries. The code of a failure says
// whether the entry is at fault: servers set the flag for that also where it was
// throttled, or where a key or a permission is missing. An entry that the answer does
// not name has failed.
func entryErrors(op string, n int, done []*string, failed []types.BatchResultErrorEntry) ([]backend.EntryError, error) {
	answered := make([]bool, n)
	answer := func(id *string) (int, error) {
		i, err := strconv.Atoi(awssdk.ToString(id))
		if err != nil || i < 0 || i >= n {
			err = fmt.Errorf("SQS answered for an entry %.80q that was not sent", awssdk.ToString(id))
			return 0, &backend.Error{Op: op, Kind: backend.KindUnavailable, Err: err}
		}
		answered[i] = true
		return i, nil
	}
	for _, id := range done {
		if _, err := answer(id); err != nil {
			return nil, err
		}
	}
	var errs []backend.EntryError
	for _, f := range failed {
		i, err := answer(f.Id)
		if err != nil {
			return nil, err
		}
		kind, _ := ofCode(awssdk.ToString(f.Code))
		errs = append(errs, backend.EntryError{
			Index:       i,
			Code:        terminal.Line(awssdk.ToString(f.Code), maxCode),
			SenderFault: kind == backend.KindInvalid,
			Message:     terminal.Line(awssdk.ToString(f.Message), maxMessage),
		})
	}
	for i, ok := range answered {
		if !ok {
			errs = append(errs, backend.EntryError{Index: i, Code: unanswered, Message: "the answer does not say what became of it"})
		}
	}
	return errs, nil
}
