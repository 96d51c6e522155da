package projector

import (
	"context"
	"math"
	"sync"
	"time"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/trouble"
)

// readUnitBytes is what one unit reads consistently.
// Source: DynamoDB developer guide, read request units.
const readUnitBytes = 4 << 10

// pace keeps the reading of the log to so many units a second, over all
// segments. A page is paid after it was read, so that the price need not be
// guessed: each segment may be one page ahead.
type pace struct {
	perSecond float64

	mu   sync.Mutex
	free time.Time // when all that was read is paid
}

// wait returns once the next page may be read.
func (p *pace) wait(ctx context.Context) error {
	for {
		p.mu.Lock()
		left := time.Until(p.free)
		p.mu.Unlock()
		if left <= 0 {
			return ctx.Err()
		}
		if err := trouble.Sleep(ctx, left, nil); err != nil {
			return err
		}
	}
}

func (p *pace) charge(units float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.free.Before(now) {
		p.free = now
	}
	p.free = p.free.Add(time.Duration(units / p.perSecond * float64(time.Second)))
}

// unitsOf is what a page cost: as the server says or, where it does not tell,
// as DynamoDB counts; and one unit for the look at each conversation that has
// messages in it.
func unitsOf(page backend.Page) float64 {
	units := page.Units.Read
	bytes, conversations, last := 0, 0, ""
	for _, item := range page.Items {
		bytes += backend.ItemBytes(item)
		if key := backend.KeyOf(item); isMessage(key) && key.PK != last {
			conversations++
			last = key.PK
		}
	}
	if units == 0 {
		units = max(1, math.Ceil(float64(bytes)/readUnitBytes))
	}
	return units + float64(conversations)
}
