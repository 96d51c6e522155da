package redrive

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/consumer"
)

// fake is a queue that keeps attributes. It hands out its letters once and
// keeps what is sent to it.
type fake struct {
	letters []backend.Delivery
	sent    []backend.SendEntry
	batches []int
	deleted []string
}

func (q *fake) Send(_ context.Context, entries []backend.SendEntry) ([]backend.EntryError, error) {
	q.sent = append(q.sent, entries...)
	q.batches = append(q.batches, len(entries))
	return nil, nil
}

func (q *fake) Receive(_ context.Context, limit int, _, _ time.Duration) ([]backend.Delivery, error) {
	n := min(limit, len(q.letters))
	got := q.letters[:n]
	q.letters = q.letters[n:]
	return got, nil
}

func (q *fake) Delete(_ context.Context, receipts []string) ([]backend.EntryError, error) {
	q.deleted = append(q.deleted, receipts...)
	return nil, nil
}

func (q *fake) ChangeVisibility(context.Context, []backend.VisibilityChange) ([]backend.EntryError, error) {
	return nil, nil
}

func (q *fake) Depth(context.Context) (backend.Depth, error) {
	return backend.Depth{Visible: len(q.letters)}, nil
}

// fates redrives letters and returns what was sent, and how each ended.
func fates(t *testing.T, o Options, letters ...backend.Delivery) (queue *fake, outcomes []Outcome) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		for i := range letters {
			d := &letters[i]
			d.MessageID, d.Receipt = fmt.Sprint("m", i), fmt.Sprint("r", i)
			d.GroupID, d.DeduplicationID = fmt.Sprint("g", i), fmt.Sprint("d", i)
		}
		queue = &fake{}
		o.Each = func(one Outcome) { outcomes = append(outcomes, one) }
		if _, err := Run(t.Context(), &fake{letters: letters}, queue, o); err != nil {
			t.Error(err)
		}
	})
	return queue, outcomes
}

func TestQ16WhatALetterKeeps(t *testing.T) {
	t.Parallel()
	queue, outcomes := fates(t, Options{},
		backend.Delivery{Body: `{"id":"event"}`, Attributes: map[string]string{
			"Trace": "t", consumer.ReasonAttribute: "broken", CountAttribute: "3"}},
		backend.Delivery{Body: "other"})
	want := []backend.SendEntry{
		{Body: `{"id":"event"}`, GroupID: "g0", DeduplicationID: "redrive-m0", Attributes: map[string]string{"Trace": "t", CountAttribute: "4"}},
		{Body: "other", GroupID: "g1", DeduplicationID: "redrive-m1", Attributes: map[string]string{CountAttribute: "1"}},
	}
	if diff := cmp.Diff(want, queue.sent); diff != "" {
		t.Errorf("sent (-want +got):\n%s", diff)
	}
	if len(outcomes) != 2 || outcomes[0].Redrives != 3 || outcomes[0].DeadLetter.Attributes[consumer.ReasonAttribute] != "broken" {
		t.Errorf("outcomes %+v", outcomes)
	}
}

func TestQ16RedrivenTooOften(t *testing.T) {
	t.Parallel()
	redriven := func(count string) backend.Delivery {
		return backend.Delivery{Body: "b", Attributes: map[string]string{CountAttribute: count}}
	}
	for _, c := range []struct {
		o     Options
		count string
		want  State
	}{
		{Options{}, "9", Moved},
		{Options{}, "10", Refused},
		{Options{Force: true}, "10", Moved},
		{Options{}, "often", Moved},
		{Options{}, "-7", Moved},
	} {
		queue, outcomes := fates(t, c.o, redriven(c.count))
		if len(outcomes) != 1 || outcomes[0].State != c.want {
			t.Errorf("%+v, redriven %s times: %+v, want %v", c.o, c.count, outcomes, c.want)
			continue
		}
		if c.want == Refused && !strings.Contains(outcomes[0].Err.Error(), c.count+" times") {
			t.Error(outcomes[0].Err)
		}
		if c.count == "-7" && queue.sent[0].Attributes[CountAttribute] != "1" {
			t.Errorf("sent %+v", queue.sent)
		}
	}
}

func TestQ16NoRoomForTheCount(t *testing.T) {
	t.Parallel()
	full := map[string]string{}
	for i := range backend.MaxAttributes {
		full[fmt.Sprint("a", i)] = "x"
	}
	_, outcomes := fates(t, Options{},
		backend.Delivery{Body: "b", Attributes: full},
		backend.Delivery{Body: strings.Repeat("x", backend.MaxQueueBytes)},
		backend.Delivery{Body: strings.Repeat("x", backend.MaxQueueBytes-18)})
	for i, want := range []string{"11 attributes", "bytes", "bytes"} {
		if len(outcomes) != 3 || outcomes[i].State != Refused || !strings.Contains(outcomes[i].Err.Error(), want) {
			t.Fatalf("outcomes %d", len(outcomes))
		}
	}
}

// Batches stay below the limit of a request, attributes included.
func TestQ16BatchesAreSplitBySize(t *testing.T) {
	t.Parallel()
	third := backend.Delivery{Body: strings.Repeat("x", backend.MaxQueueBytes/3-30)}
	attributed := third
	attributed.Attributes = map[string]string{"Pad": strings.Repeat("y", 100)}
	for _, c := range []struct {
		letter backend.Delivery
		want   []int
	}{{third, []int{3, 3, 1}}, {attributed, []int{2, 2, 2, 1}}} {
		letters := make([]backend.Delivery, 7)
		for i := range letters {
			letters[i] = c.letter
		}
		queue, _ := fates(t, Options{}, letters...)
		if diff := cmp.Diff(c.want, queue.batches); diff != "" {
			t.Errorf("batches (-want +got):\n%s", diff)
		}
	}
}
