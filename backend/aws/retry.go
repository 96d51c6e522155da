package aws

import (
	"math/rand/v2"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	"github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/postroom/postroom/backend"
)

const (
	maxAttempts = 3
	backoffBase = 50 * time.Millisecond
	backoffMax  = time.Second
)

// newRetryer returns the retryer of every client. An attempt that timed out is not
// retried: it has used up the time of the call.
func newRetryer() awssdk.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = backoffMax
		o.Backoff = retry.BackoffDelayerFunc(backoff)
		o.RateLimiter = ratelimit.None
	})
}

// backoff returns the pause after an attempt, counted from one. The pause doubles
// with each attempt, and half of it is random.
func backoff(attempt int, _ error) (time.Duration, error) {
	d := min(backoffBase<<(attempt-1), backoffMax)
	return d/2 + rand.N(d/2), nil
}

// recorder is the retryer of one call. It remembers whether an attempt that is
// retried may have been carried out.
type recorder struct {
	awssdk.RetryerV2

	uncertain bool
}

// IsErrorRetryable implements aws.Retryer.
func (r *recorder) IsErrorRetryable(err error) bool {
	again := r.RetryerV2.IsErrorRetryable(err)
	if again && kindOf(err) == backend.KindUnavailable {
		r.uncertain = true
	}
	return again
}
