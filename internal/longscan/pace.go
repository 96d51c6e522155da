package longscan

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/retry"
)

// Pace keeps work to so many capacity units a second. What is done is paid
// afterwards, so that its price need not be known before: whoever shares a pace may be
// one call ahead. For that reason it is not rate.Limiter, which lends nothing beyond its
// burst. What was not used in time is not saved up. It is safe for concurrent use.
type Pace struct {
	perSecond float64 // 0: without limit

	mu   sync.Mutex
	paid time.Time // when all that was charged is paid
}

// NewPace returns a pace of so many units a second; 0: without limit.
func NewPace(perSecond int) *Pace { return &Pace{perSecond: float64(perSecond)} }

// Charge adds a price, which may be a refund, and returns when all is paid.
func (p *Pace) Charge(units float64) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.charge(units)
}

func (p *Pace) charge(units float64) time.Time {
	if now := time.Now(); p.paid.Before(now) {
		p.paid = now
	}
	if p.perSecond > 0 {
		p.paid = p.paid.Add(time.Duration(units / p.perSecond * float64(time.Second)))
	}
	return p.paid
}

// Take waits until all is paid that was charged before, and charges a price that is
// expected, so that those who wait go on one after the other.
func (p *Pace) Take(ctx context.Context, units float64) error {
	p.mu.Lock()
	turn := p.charge(0)
	p.charge(units)
	p.mu.Unlock()
	return retry.Sleep(ctx, time.Until(turn), nil)
}

// Table returns a table each call of which waits for its turn, and pays what it
// consumed; where the server does not report that, one unit.
func (p *Pace) Table(t backend.Table) backend.Table {
	if p.perSecond <= 0 {
		return t
	}
	return backend.Intercept(t, func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		if err := p.Take(ctx, 1); err != nil {
			return err
		}
		err := next(ctx)
		if units := call.Consumed(err); units != (backend.Units{}) {
			p.Charge(units.Read + units.Write - 1)
		}
		return err
	})
}

// ReadUnits is what a page has cost, as the server reports or, where it does not, as
// DynamoDB counts a consistent read.
func ReadUnits(page backend.Page) float64 {
	if page.Units.Read > 0 {
		return page.Units.Read
	}
	bytes := 0
	for _, it := range page.Items {
		bytes += backend.ItemBytes(it)
	}
	return max(1, math.Ceil(float64(bytes)/backend.ReadUnitBytes))
}
