package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/postroom/postroom/stream"
)

// TestS17ReadinessIsProgress judges one reader at several times.
func TestS17ReadinessIsProgress(t *testing.T) {
	t.Parallel()
	t0 := time.Date(2026, 5, 21, 10, 30, 0, 0, time.UTC)
	at := t0.Add
	shard := func(id string, readAt time.Time) stream.ShardProgress {
		return stream.ShardProgress{Shard: id, ReadAt: readAt}
	}
	begun := func(id string, begun time.Time) stream.ShardProgress {
		return stream.ShardProgress{Shard: id, Begun: begun}
	}
	waiting := func(id string, readAt time.Time, n int, since time.Time) stream.ShardProgress {
		return stream.ShardProgress{Shard: id, ReadAt: readAt, InFlight: n, InFlightSince: since}
	}
	type look struct {
		at     time.Duration
		stats  stream.Stats
		shards []stream.ShardProgress
		want   string // of the answer; empty: ready
	}
	alone, group := stream.Stats{Workers: 1}, stream.Stats{Workers: 2}
	for name, looks := range map[string][]look{
		"a start": {
			{0, stream.Stats{}, nil, "starting: has not joined the worker group"},
			{time.Second, alone, nil, "starting: holds no shard yet"},
			{2 * time.Second, alone, []stream.ShardProgress{shard("a", at(0)), begun("b", t0)}, "starting: shard b has not been read yet"},
			{3 * time.Second, alone, []stream.ShardProgress{shard("a", at(0)), shard("b", at(3*time.Second))}, ""},
		},
		"a start that never reads": {
			{0, alone, []stream.ShardProgress{begun("a", t0)}, "starting: shard a has not been read yet"},
			{time.Hour, alone, []stream.ShardProgress{begun("a", t0)}, "starting: shard a has not been read yet"},
		},
		"others hold all shards": {
			{0, group, nil, ""},
			{time.Hour, group, nil, ""},
		},
		"one shard stands still and moves again": {
			{0, alone, []stream.ShardProgress{shard("a", at(0)), shard("b", at(0))}, ""},
			{30 * time.Second, alone, []stream.ShardProgress{shard("a", at(0)), shard("b", at(29*time.Second))}, ""},
			{31 * time.Second, alone, []stream.ShardProgress{shard("a", at(0)), shard("b", at(30*time.Second))}, "shard a: not read for 31s"},
			{32 * time.Second, alone, []stream.ShardProgress{shard("a", at(32*time.Second)), shard("b", at(32*time.Second))}, ""},
		},
		"a new shard has time until its first read": {
			{0, alone, []stream.ShardProgress{shard("a", at(0))}, ""},
			{1 * time.Second, alone, []stream.ShardProgress{begun("b", at(time.Second))}, ""},
			{31 * time.Second, alone, []stream.ShardProgress{begun("b", at(time.Second))}, ""},
			{32 * time.Second, alone, []stream.ShardProgress{begun("b", at(time.Second))}, "shard b: not read for 31s"},
			{33 * time.Second, alone, []stream.ShardProgress{shard("b", at(33*time.Second))}, ""},
		},
		"alone without a shard": {
			{0, alone, []stream.ShardProgress{shard("a", at(0))}, ""},
			{time.Second, alone, nil, ""}, // children are looked for
			{32 * time.Second, alone, nil, "holds no shard for 31s, and there is no other worker"},
			{33 * time.Second, group, nil, ""},
		},
		"session expired": {
			{0, alone, []stream.ShardProgress{shard("a", at(0))}, ""},
			{time.Second, stream.Stats{}, nil, "starting: has not joined the worker group"},
			{2 * time.Second, group, []stream.ShardProgress{begun("a", t0)}, ""},
		},
		"what was read waits, and is done": {
			{0, alone, []stream.ShardProgress{shard("a", at(0))}, ""},
			{2 * time.Minute, alone, []stream.ShardProgress{waiting("a", at(2*time.Minute), 7, at(0))}, ""},
			{3 * time.Minute, alone, []stream.ShardProgress{waiting("a", at(3*time.Minute), 7, at(0))}, "shard a: 7 records are in flight, the oldest for 3m0s"},
			{4 * time.Minute, alone, []stream.ShardProgress{waiting("a", at(4*time.Minute), 7, at(3*time.Minute))}, ""},
			{5 * time.Minute, alone, []stream.ShardProgress{shard("a", at(5*time.Minute))}, ""},
		},
		"too much waits for more to be read": {
			{0, alone, []stream.ShardProgress{shard("a", at(0)), shard("b", at(0))}, ""},
			{time.Minute, stream.Stats{Workers: 1, InFlight: 9}, []stream.ShardProgress{waiting("a", at(time.Minute), 9, at(0)), shard("b", at(0))},
				"shard b: not read for 1m0s, while 9 records of all shards are in flight"},
			{3 * time.Minute, stream.Stats{Workers: 1, InFlight: 9}, []stream.ShardProgress{waiting("a", at(0), 9, at(0)), shard("b", at(0))},
				"shard a: 9 records are in flight, the oldest for 3m0s\n" +
					"shard b: not read for 3m0s, while 9 records of all shards are in flight"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var h progressCheck
			for _, l := range looks {
				if got := h.check(l.stats, l.shards, at(l.at)); got != l.want {
					t.Errorf("after %v: %q, want %q", l.at, got, l.want)
				}
			}
		})
	}
}

func TestS17ManyShardsAreNotAllNamed(t *testing.T) {
	t.Parallel()
	var h progressCheck
	var shards []stream.ShardProgress
	now := time.Now()
	for i := range 1000 {
		shards = append(shards, stream.ShardProgress{Shard: fmt.Sprintf("%04d", i), ReadAt: now.Add(-time.Minute)})
	}
	got := h.check(stream.Stats{Workers: 1}, shards, now)
	if lines := strings.Split(got, "\n"); len(lines) != maxReasons+1 || lines[maxReasons] != "and 990 more shards" {
		t.Errorf("%s", got)
	}
}

func TestQ15QueueThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for want, asked := range map[string]time.Time{
		"": now.Add(-maxUnanswered), "the queue has not answered for 1m1s": now.Add(-maxUnanswered - time.Second),
	} {
		if got := checkQueue(asked, now); got != want {
			t.Errorf("asked %v ago: %q", now.Sub(asked), got)
		}
	}
	if got := checkQueue(time.Time{}, now); got != "" {
		t.Errorf("nothing asked: %q", got)
	}
}

// TestS17ReadyzSaysWhy follows /readyz from one answer to the next.
func TestS17ReadyzSaysWhy(t *testing.T) {
	t.Parallel()
	why := "shard a: not read for 31s"
	mux := httpMux(func() string { return why }, prometheus.NewRegistry(), newLog(process{stderr: t.Output()}, 0, false))
	ask := func() (int, string) {
		answer := httptest.NewRecorder()
		mux.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", nil))
		return answer.Code, answer.Body.String()
	}
	if code, text := ask(); code != http.StatusServiceUnavailable || text != why+"\n" {
		t.Errorf("answered %d %q", code, text)
	}
	why = ""
	if code, text := ask(); code != http.StatusOK || text != "ready\n" {
		t.Errorf("answered %d %q", code, text)
	}
}
