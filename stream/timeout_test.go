package stream

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

// hangsOnce waits for the end of the first call's context.
type hangsOnce struct{ calls atomic.Int32 }

func (h *hangsOnce) wait(ctx context.Context) error {
	if h.calls.Add(1) > 1 {
		return nil
	}
	<-ctx.Done()
	return ctx.Err()
}

type mutedStream struct {
	*fakeStream

	hangs hangsOnce
}

func (m *mutedStream) Shards(ctx context.Context, after string) (backend.ShardPage, error) {
	if err := m.hangs.wait(ctx); err != nil {
		return backend.ShardPage{}, err
	}
	return m.fakeStream.Shards(ctx, after)
}

// What a session waits for before it reads is asked for again where there is no answer
// within half a minute: the list of shards, and whoever takes care of a loss.
func TestWhatIsNotAnsweredIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for name, starts := range map[string]func(*testing.T, *fakeStream) (*worker, *hangsOnce){
		"the first listing": func(t *testing.T, s *fakeStream) (*worker, *hangsOnce) {
			m := &mutedStream{fakeStream: s}
			return work(t, m, newTable(), config{}, nil), &m.hangs
		},
		"OnDataLoss": func(t *testing.T, s *fakeStream) (*worker, *hangsOnce) {
			h := &hangsOnce{}
			return work(t, s, newTable(), config{OnDataLoss: func(ctx context.Context, _ *DataLossError) error { return h.wait(ctx) }}, nil), h
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, asked := starts(t, newStream(openShard("a", "", "1")))
				pass(30*time.Second - 1)
				if n := asked.calls.Load(); n != 1 {
					t.Errorf("asked %d times in half a minute", n)
				}
				pass(10 * time.Second)
				w.wants(t, "a/1")
				wantStop(t, w)
			})
		})
	}
}
