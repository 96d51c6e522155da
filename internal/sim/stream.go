package sim

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/postroom/postroom/backend"
)

// iteratorLife is how long an iterator can be used.
// Source: DynamoDB Streams API reference, GetShardIterator.
const iteratorLife = 15 * time.Minute

type streamView struct {
	s    *Store
	name string
}

func (sh *Shard) listed() backend.Shard {
	return backend.Shard{ID: sh.ID, Parent: sh.Parent}
}

// visible returns the shards that a listing shows now.
func (f *feed) visible() []*Shard {
	return slices.DeleteFunc(slices.Clone(f.shards), func(sh *Shard) bool {
		return sh.Gone() || time.Now().Before(sh.shown)
	})
}

func (v *streamView) Shards(_ context.Context, after string) (backend.ShardPage, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	f := v.s.table(v.name).feed
	page := backend.ShardPage{StreamARN: f.arn, Disabled: f.off}
	shards := f.visible()
	from := 0
	if after != "" {
		from = 1 + slices.IndexFunc(shards, func(sh *Shard) bool { return sh.ID == after })
	}
	to := len(shards)
	if from+2 < to && v.s.chance(v.s.Streams.Short) {
		to = from + 2
		page.Last = shards[to-1].ID
		if v.s.chance(v.s.Streams.Loop) {
			page.Last = shards[0].ID
		}
	}
	lost := page.Last != "" && v.s.chance(v.s.Streams.LostPage)
	for _, sh := range shards[from:to] {
		if sh.Overlooked = sh.Overlooked || lost; !lost {
			page.Shards = append(page.Shards, sh.listed())
		}
	}
	return page, nil
}

func (v *streamView) Children(_ context.Context, arn, parent string) ([]backend.Shard, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	f := v.s.table(v.name).stream(arn)
	if f == nil || f.find(parent) == nil {
		return nil, fail("Children of "+parent, backend.KindNotFound)
	}
	answer := 0 // an honest one
	if v.s.chance(v.s.Streams.Filter) {
		answer = 1 + v.s.rng.IntN(3)
	}
	if answer == 1 {
		return nil, fail("Children of "+parent, backend.KindInvalid)
	}
	var children []backend.Shard
	for _, sh := range f.visible() {
		if sh.Parent == parent && answer != 2 || answer == 3 {
			children = append(children, sh.listed())
		}
	}
	return children, nil
}

func (v *streamView) Iterator(_ context.Context, arn, id string, at backend.Position) (string, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	sh, err := v.open("Iterator", arn, id)
	if err != nil {
		return "", err
	}
	n := sh.Trimmed()
	switch at.Type {
	case backend.AtSequence, backend.AfterSequence:
		n = 0
		for n < len(sh.Records) && backend.CompareSequence(sh.Records[n].Sequence, at.Sequence) < 0 {
			n++
		}
		if at.Type == backend.AfterSequence && n < len(sh.Records) && sh.Records[n].Sequence == at.Sequence {
			n++
		}
		// It is not documented whether the last trimmed record is a valid position.
		if n < sh.Trimmed() || n > 0 && n == sh.Trimmed() && v.s.rng.IntN(2) == 0 {
			return "", fail("Iterator "+id, backend.KindTrimmed)
		}
	}
	return iterator{arn, id, n, time.Now(), false}.String(), nil
}

// open finds a shard that can still be read.
func (v *streamView) open(op, arn, id string) (*Shard, error) {
	t := v.s.table(v.name)
	f := t.stream(arn)
	if f == nil || f != t.feed && v.s.Streams.OldGone {
		return nil, fail(op+" "+arn, backend.KindNotFound)
	}
	sh := f.find(id)
	if sh == nil {
		return nil, fail(op+" "+id, backend.KindNotFound)
	}
	return sh, nil
}

func (v *streamView) Records(_ context.Context, from string, limit int) (backend.RecordPage, error) {
	v.s.mu.Lock()
	defer v.s.mu.Unlock()
	it, err := parseIterator(from)
	if err != nil {
		return backend.RecordPage{}, err
	}
	sh, err := v.open("Records", it.arn, it.shard)
	if err != nil {
		return backend.RecordPage{}, err
	}
	faults := v.s.Streams
	switch {
	case time.Since(it.made) > iteratorLife || v.s.chance(faults.Expire):
		return backend.RecordPage{}, fail("Records "+it.shard, backend.KindExpired)
	case it.n < sh.Trimmed(), it.next && v.s.chance(faults.FalseTrim):
		return backend.RecordPage{}, fail("Records "+it.shard, backend.KindTrimmed)
	}
	return v.read(sh, it, limit), nil
}

// read reads a page of a shard.
func (v *streamView) read(sh *Shard, it iterator, limit int) backend.RecordPage {
	faults := v.s.Streams
	from := it.n
	if v.s.chance(faults.Repeat) {
		from = max(sh.Trimmed(), from-1-v.s.rng.IntN(5))
	}
	if v.s.chance(faults.Few) {
		limit = min(limit, v.s.rng.IntN(20))
	}
	if v.s.chance(faults.Drought) {
		sh.dry = v.s.later(1000, faults.DryFor)
	}
	now := time.Now()
	if now.Before(sh.dry) {
		limit = 0
	}
	to := max(it.n, min(len(sh.Records), from+limit))
	if limit == 0 {
		from = to
	}
	page := backend.RecordPage{Records: slices.Clone(sh.Records[from:to])}
	ended := sh.Closed && to == len(sh.Records) && !now.Before(sh.lingers) && !now.Before(sh.dry)
	if !ended || len(page.Records) > 0 && v.s.rng.IntN(4) == 0 { // or the end comes alone
		page.Next = iterator{it.arn, it.shard, to, now, true}.String()
	}
	return page
}

func (v *streamView) Changed() <-chan struct{} { return nil }

// iterator is a position in a shard.
type iterator struct {
	arn, shard string
	n          int // how many records are before it
	made       time.Time
	next       bool // it is the next iterator of a page
}

func (it iterator) String() string {
	return fmt.Sprintf("%s %d %s %d %t", it.shard, it.n, it.arn, it.made.UnixNano(), it.next)
}

func parseIterator(s string) (iterator, error) {
	fields := strings.Fields(s)
	if len(fields) != 5 {
		return iterator{}, fail("Records "+s, backend.KindInvalid)
	}
	n, err := strconv.Atoi(fields[1])
	nanos, err2 := strconv.ParseInt(fields[3], 10, 64)
	if err != nil || err2 != nil {
		return iterator{}, fail("Records "+s, backend.KindInvalid)
	}
	return iterator{fields[2], fields[0], n, time.Unix(0, nanos), fields[4] == "true"}, nil
}
