package aws

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	"github.com/postroom/postroom/backend"
)

// queue is one queue.
type queue struct {
	name string
	b    *Backend

	mu  sync.Mutex
	url string // looked up at the first use
}

func (q *queue) fifo() bool { return strings.HasSuffix(q.name, ".fifo") }

// Receive implements [backend.Queue]. On a FIFO queue each call has an id, so that a
// retry after a lost answer gets the same messages, which would otherwise block
// their groups until their visibility ends.
//
// The arguments are checked here, since SQS does not distinguish zero from an
// argument that is left out, and then uses the queue's default. This remains so for
// a wait of zero; queues created by CreateQueue do not wait by default.
func (q *queue) Receive(ctx context.Context, max int, wait, visibility time.Duration) ([]backend.Delivery, error) {
	op := "Receive " + q.name
	if err := backend.CheckReceive(max, wait, visibility); err != nil {
		return nil, invalid(op, err)
	}
	in := &sqs.ReceiveMessageInput{
		MaxNumberOfMessages: int32(max),
		WaitTimeSeconds:     int32(wait / time.Second),
		VisibilityTimeout:   int32(visibility / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{
			types.MessageSystemAttributeNameApproximateReceiveCount,
			types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp,
			types.MessageSystemAttributeNameSentTimestamp,
			types.MessageSystemAttributeNameMessageGroupId,
			types.MessageSystemAttributeNameMessageDeduplicationId,
		},
		MessageAttributeNames: []string{"All"},
	}
	if q.fifo() {
		in.ReceiveRequestAttemptId = awssdk.String(uuid.NewString())
	}
	out, err := onQueue(ctx, q, op, wait, q.b.sqs.ReceiveMessage, in, &in.QueueUrl)
	if err != nil {
		return nil, err
	}
	deliveries := make([]backend.Delivery, len(out.Messages))
	for i, m := range out.Messages {
		deliveries[i] = delivery(m)
	}
	return deliveries, nil
}

func delivery(m types.Message) backend.Delivery {
	count, _ := strconv.Atoi(m.Attributes["ApproximateReceiveCount"])
	return backend.Delivery{
		MessageID:       awssdk.ToString(m.MessageId),
		Receipt:         awssdk.ToString(m.ReceiptHandle),
		Body:            awssdk.ToString(m.Body),
		GroupID:         m.Attributes["MessageGroupId"],
		DeduplicationID: m.Attributes["MessageDeduplicationId"],
		Attributes:      attributes(m.MessageAttributes),
		ReceiveCount:    count,
		SentAt:          epochMillis(m.Attributes["SentTimestamp"]),
		FirstReceivedAt: epochMillis(m.Attributes["ApproximateFirstReceiveTimestamp"]),
	}
}

// attributes returns the attributes that have a text value. Other senders may have given
// one another type, such as a number.
func attributes(values map[string]types.MessageAttributeValue) map[string]string {
	var texts map[string]string
	for name, v := range values {
		if v.StringValue == nil {
			continue
		}
		if texts == nil {
			texts = make(map[string]string, len(values))
		}
		texts[name] = *v.StringValue
	}
	return texts
}

func epochMillis(s string) time.Time {
	ms, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Depth implements [backend.Queue]. The counts of AWS are approximate, and become
// exact about a minute after the last change.
func (q *queue) Depth(ctx context.Context) (d backend.Depth, err error) {
	op := "Depth " + q.name
	counts := map[types.QueueAttributeName]*int{
		types.QueueAttributeNameApproximateNumberOfMessages:           &d.Visible,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible: &d.InFlight,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed:    &d.Delayed,
	}
	attributes, err := q.attributes(ctx, op, slices.Sorted(maps.Keys(counts))...)
	if err != nil {
		return backend.Depth{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		if *counts[name], err = strconv.Atoi(attributes[string(name)]); err != nil {
			return backend.Depth{}, unreadable(op, string(name), attributes)
		}
	}
	return d, nil
}

func (q *queue) attributes(ctx context.Context, op string, names ...types.QueueAttributeName) (map[string]string, error) {
	in := &sqs.GetQueueAttributesInput{AttributeNames: names}
	out, err := onQueue(ctx, q, op, 0, q.b.sqs.GetQueueAttributes, in, &in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return out.Attributes, nil
}

// onQueue makes a call that needs the queue's URL and may take longer than others, by
// its wait. If the queue is gone, the next call looks its URL up again, since another
// queue may have been created under its name.
func onQueue[In, Out any](
	ctx context.Context, q *queue, op string, wait time.Duration,
	f func(context.Context, *In, ...func(*sqs.Options)) (*Out, error), in *In, inURL **string,
) (*Out, error) {
	url, err := q.findURL(ctx, op)
	if err != nil {
		return nil, err
	}
	*inURL = &url
	out, err := callFor(ctx, q.b.onSQS, op, q.b.onSQS.timeout+wait, f, in)
	if backend.KindOf(err) == backend.KindNotFound {
		q.setURL("")
	}
	return out, err
}

func (q *queue) findURL(ctx context.Context, op string) (string, error) {
	q.mu.Lock()
	url := q.url
	q.mu.Unlock()
	if url != "" {
		return url, nil
	}
	out, err := call(ctx, q.b.onSQS, op, q.b.sqs.GetQueueUrl, &sqs.GetQueueUrlInput{QueueName: &q.name})
	if err != nil {
		return "", err
	}
	q.setURL(awssdk.ToString(out.QueueUrl))
	return awssdk.ToString(out.QueueUrl), nil
}

func (q *queue) setURL(url string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.url = url
}
