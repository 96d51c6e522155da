package backend

import (
	"context"
	"sync"
)

// Meter adds up the capacity units that calls of tables consume, failed calls
// included. The zero Meter is ready for use. It may be used concurrently.
type Meter struct {
	mu    sync.Mutex
	units Units
}

// Units returns the sum so far.
func (m *Meter) Units() Units {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.units
}

// Table returns t with its calls metered.
func (m *Meter) Table(t Table) Table {
	return Intercept(t, func(ctx context.Context, call *TableCall, next func(context.Context) error) error {
		err := next(ctx)
		m.mu.Lock()
		defer m.mu.Unlock()
		m.units = m.units.Add(call.Consumed(err))
		return err
	})
}
