package aws

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/postroom/postroom/backend"
)

// redrivePolicy is the attribute RedrivePolicy.
type redrivePolicy struct {
	DeadLetterTargetARN string      `json:"deadLetterTargetArn"`
	MaxReceiveCount     json.Number `json:"maxReceiveCount"` // some servers answer with a string
}

// CreateQueue implements [backend.Backend]. The queue is encrypted with keys that SQS
// manages. An existing queue with the same attributes is not an error, as SQS has
// it; with other attributes it is KindExists.
func (b *Backend) CreateQueue(ctx context.Context, spec backend.QueueSpec) error {
	q, op := b.queue(spec.Name), "CreateQueue "+spec.Name
	attributes := map[string]string{
		"VisibilityTimeout":      strconv.Itoa(spec.VisibilitySeconds),
		"MessageRetentionPeriod": strconv.Itoa(spec.RetentionSeconds),
		"SqsManagedSseEnabled":   "true",
	}
	if q.fifo() {
		attributes["FifoQueue"] = "true"
		attributes["DeduplicationScope"] = "messageGroup"
		attributes["FifoThroughputLimit"] = "perMessageGroupId"
	}
	if spec.DeadLetterQueue != "" {
		policy, err := b.redrive(ctx, op, spec)
		if err != nil {
			return err
		}
		attributes["RedrivePolicy"] = policy
	}
	out, err := call(ctx, b.onSQS, op, b.sqs.CreateQueue, &sqs.CreateQueueInput{QueueName: &spec.Name, Attributes: attributes})
	if err != nil {
		return err
	}
	// For about a second SQS may not find a new queue.
	return poll(ctx, op, func() (bool, error) {
		q.setURL(awssdk.ToString(out.QueueUrl))
		_, err := q.attributes(ctx, op, types.QueueAttributeNameQueueArn)
		if backend.KindOf(err) == backend.KindNotFound {
			return false, nil
		}
		return true, err
	})
}

func (b *Backend) redrive(ctx context.Context, op string, spec backend.QueueSpec) (string, error) {
	attributes, err := b.queue(spec.DeadLetterQueue).attributes(ctx, op, types.QueueAttributeNameQueueArn)
	if err != nil {
		return "", fmt.Errorf("dead-letter queue %s: %w", spec.DeadLetterQueue, err)
	}
	policy, err := json.Marshal(redrivePolicy{attributes["QueueArn"], json.Number(strconv.Itoa(spec.MaxReceiveCount))})
	return string(policy), err
}

// DescribeQueue implements [backend.Backend].
func (b *Backend) DescribeQueue(ctx context.Context, name string) (backend.QueueSpec, error) {
	op := "DescribeQueue " + name
	attributes, err := b.queue(name).attributes(ctx, op, types.QueueAttributeNameAll)
	if err != nil {
		return backend.QueueSpec{}, err
	}
	spec := backend.QueueSpec{Name: name}
	if spec.VisibilitySeconds, err = strconv.Atoi(attributes["VisibilityTimeout"]); err != nil {
		return spec, unreadable(op, "VisibilityTimeout", attributes)
	}
	if retention, told := attributes["MessageRetentionPeriod"]; told {
		if spec.RetentionSeconds, err = strconv.Atoi(retention); err != nil {
			return spec, unreadable(op, "MessageRetentionPeriod", attributes)
		}
	}
	if attributes["RedrivePolicy"] == "" {
		return spec, nil
	}
	var policy redrivePolicy
	if err := json.Unmarshal([]byte(attributes["RedrivePolicy"]), &policy); err != nil {
		return spec, unreadable(op, "RedrivePolicy", attributes)
	}
	n, err := strconv.Atoi(policy.MaxReceiveCount.String())
	if err != nil {
		return spec, unreadable(op, "RedrivePolicy", attributes)
	}
	spec.MaxReceiveCount = n
	spec.DeadLetterQueue = policy.DeadLetterTargetARN[strings.LastIndex(policy.DeadLetterTargetARN, ":")+1:]
	return spec, nil
}

func unreadable(op, attribute string, attributes map[string]string) error {
	err := fmt.Errorf("SQS answered with the %s %.100q", attribute, attributes[attribute])
	return &backend.Error{Op: op, Kind: backend.KindUnavailable, Err: err}
}

// DeleteQueue implements [backend.Backend]. SQS takes up to a minute to delete the
// queue, and refuses its name meanwhile.
func (b *Backend) DeleteQueue(ctx context.Context, name string) error {
	q := b.queue(name)
	var in sqs.DeleteQueueInput
	_, err := onQueue(ctx, q, "DeleteQueue "+name, 0, b.sqs.DeleteQueue, &in, &in.QueueUrl)
	if err == nil {
		q.setURL("")
	}
	return err
}
