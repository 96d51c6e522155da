package backfill

import (
	"math"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
)

// pace keeps the reading of the log to so many units a second, over all
// segments. A page is paid after it was read, so that its price need not be
// guessed: each segment may be one page ahead. For that reason it is not
// rate.Limiter, which lends nothing beyond its burst.
type pace struct {
	perSecond float64

	mu   sync.Mutex
	paid time.Time // when all that was read is paid
}

// charge adds a price and returns when it is paid.
func (p *pace) charge(units float64) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.paid.Before(now) {
		p.paid = now
	}
	p.paid = p.paid.Add(time.Duration(units / p.perSecond * float64(time.Second)))
	return p.paid
}

// unitsOf is what a page costs: as the server reports or, where it does not,
// as DynamoDB counts; and one unit for loading each conversation that has
// messages in it.
func unitsOf(page backend.Page) float64 {
	units := page.Units.Read
	bytes, conversations, last := 0, 0, ""
	for _, it := range page.Items {
		bytes += backend.ItemBytes(it)
		if key := backend.KeyOf(it); isMessage(key) && key.PK != last {
			conversations++
			last = key.PK
		}
	}
	if units == 0 {
		units = max(1, math.Ceil(float64(bytes)/backend.ReadUnitBytes))
	}
	return units + float64(conversations)
}
