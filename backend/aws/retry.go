package aws

import (
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/ratelimit"
	sdkretry "github.com/aws/aws-sdk-go-v2/aws/retry"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

const maxAttempts = 3

// newRetryer returns the retryer of every client. An attempt that timed out is not
// retried: it has used up the time of the call.
func newRetryer() awssdk.Retryer {
	pauses := retry.Policy{Min: 50 * time.Millisecond, Max: time.Second}
	return sdkretry.NewStandard(func(o *sdkretry.StandardOptions) {
		o.MaxAttempts = maxAttempts
		o.MaxBackoff = pauses.Max
		o.Backoff = sdkretry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
			return pauses.Pause(attempt), nil
		})
		o.RateLimiter = ratelimit.None
	})
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
