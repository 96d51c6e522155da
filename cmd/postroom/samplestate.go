package main

import (
	"context"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
)

// An item of the control table keeps the state of the import of the sample.
const (
	sampleFormat = 1

	attrState   = "state"
	sampleBegun = "importing"
	sampleDone  = "done"
)

func sampleKey() backend.Key { return backend.Key{PK: "dev", SK: "sample"} }

func (a *app) setSampleState(ctx context.Context, state string) error {
	it := item.New(sampleKey(), sampleFormat)
	it[attrState] = item.String(state)
	_, err := a.control().Put(ctx, it, backend.Condition{})
	return err
}

// wantsSample reports whether to import the sample: into an empty table, or
// because an earlier import did not end.
func (a *app) wantsSample(ctx context.Context) (bool, error) {
	it, _, err := a.control().Get(ctx, sampleKey())
	if err != nil {
		return false, err
	}
	if it != nil {
		d := item.Decode(it, sampleFormat)
		return d.String(attrState) == sampleBegun, d.Err()
	}
	page, err := a.table().Scan(ctx, backend.Scan{Limit: 1, Consistent: true})
	return len(page.Items) == 0, err
}
