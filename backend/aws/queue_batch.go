package aws

import (
	"context"
	"strconv"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/postroom/postroom/backend"
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
	return entryErrors(out.Failed), nil
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
	return entryErrors(out.Failed), nil
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
	return entryErrors(out.Failed), nil
}

func attributeValues(attributes map[string]string) map[string]types.MessageAttributeValue {
	if len(attributes) == 0 {
		return nil
	}
	values := make(map[string]types.MessageAttributeValue, len(attributes))
	for name, text := range attributes {
		values[name] = types.MessageAttributeValue{DataType: awssdk.String(attributeType), StringValue: &text}
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

func entryErrors(failed []types.BatchResultErrorEntry) []backend.EntryError {
	var errs []backend.EntryError
	for _, f := range failed {
		index, _ := strconv.Atoi(awssdk.ToString(f.Id))
		errs = append(errs, backend.EntryError{
			Index:       index,
			Code:        awssdk.ToString(f.Code),
			SenderFault: f.SenderFault,
			Message:     awssdk.ToString(f.Message),
		})
	}
	return errs
}
