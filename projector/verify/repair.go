package verify

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/projector/projection"
)

// repair repairs what was found, conversation by conversation, and reports it.
func (v *verifier) repair(ctx context.Context) error {
	for _, group := range slices.Sorted(maps.Keys(v.repairs)) {
		differences := v.repairs[group]
		if err := v.repairGroup(ctx, group, differences); err != nil {
			return err
		}
		v.mu.Lock()
		for _, d := range differences {
			v.tell(d)
		}
		v.mu.Unlock()
	}
	return nil
}

// repairGroup repairs a conversation, looks at it once more, and notes of each
// difference whether it is gone.
func (v *verifier) repairGroup(ctx context.Context, group string, differences []Difference) error {
	var elsewhere []backend.Key
	repairable := false
	for _, d := range differences {
		repairable = repairable || d.Kind.Repairable()
		if (d.Kind == Doubled || d.Kind == Orphan) && d.PK != group {
			elsewhere = append(elsewhere, d.Key())
		}
	}
	if !repairable {
		return nil
	}
	err := v.projection.Restore(ctx, group, elsewhere, time.Now())
	if errors.Is(err, projection.ErrOpeningLost) {
		return nil // which is among the differences
	}
	if err != nil && !errors.Is(err, projection.ErrNoMembers) { // which is among them too
		return err
	}
	still, err := v.still(ctx, group, elsewhere)
	if err != nil {
		return err
	}
	for i, d := range differences {
		differences[i].Repaired = d.Kind.Repairable() && !still(d)
	}
	return nil
}

// still looks at a conversation that was repaired, and returns what tells whether a
// difference is still there. If it has moved on meanwhile, its head and its rows are
// new: then only rows elsewhere are.
func (v *verifier) still(ctx context.Context, group string, elsewhere []backend.Key) (func(Difference) bool, error) {
	there, err := v.table.GetAll(ctx, elsewhere)
	if err != nil {
		return nil, err
	}
	now, err := v.inspect(ctx, group)
	if err != nil {
		return nil, err
	}
	at, err := v.headNow(ctx, now)
	if err != nil {
		return nil, err
	}
	return func(d Difference) bool {
		if there[d.Key()] != nil {
			return !now.conversation.owns(d.Key())
		}
		return at == now.head() && slices.ContainsFunc(now.differences, func(o Difference) bool {
			return o.Kind == d.Kind && o.UserUUID == d.UserUUID
		})
	}, nil
}

// headNow reads where the head is after an inspection: later than the inspection says
// if the conversation has moved while its rows were read.
func (v *verifier) headNow(ctx context.Context, f *finding) (postroom.Position, error) {
	item, err := v.table.Get(ctx, backend.Key{PK: f.conversation.group, SK: postroom.HeadKey})
	if err != nil {
		return postroom.Position{}, err
	}
	if h, err := projection.DecodeHead(item); err == nil {
		return h.Last, nil
	}
	return f.head(), nil
}
