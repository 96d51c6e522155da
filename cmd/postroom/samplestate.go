package main

import (
	"context"
	"fmt"

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

func decodeSampleState(it backend.Item) (string, error) {
	d := item.Decode(it, sampleFormat)
	state := d.String(attrState)
	d.Check(attrState, state == sampleBegun || state == sampleDone, "it is not a state")
	err := d.Err()
	if item.AsDamaged(err) != nil {
		err = fmt.Errorf("%w; run `postroom repair`", err)
	}
	return state, err
}

// repairSampleState returns how to repair the item; nil: it is good, or another. The
// error is that of a newer format.
func repairSampleState(it backend.Item) (*item.Repair, error) {
	if backend.KeyOf(it) != sampleKey() {
		return nil, nil
	}
	_, err := decodeSampleState(it)
	return item.Deletion(item.AsDamaged(err), err, "dev imports the sample if the table is empty")
}

// wantsSample reports whether to import the sample: into an empty table, or
// because an earlier import did not end.
func (a *app) wantsSample(ctx context.Context) (bool, error) {
	it, _, err := a.control().Get(ctx, sampleKey())
	if err != nil {
		return false, err
	}
	if it != nil {
		state, err := decodeSampleState(it)
		return state == sampleBegun, err
	}
	page, err := a.table().Scan(ctx, backend.Scan{Limit: 1, Consistent: true})
	return len(page.Items) == 0, err
}
