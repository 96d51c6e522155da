package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/projector/rebuild"
)

// Nothing fires in an hour in which nothing happens.
func TestAlarmsInAQuietHour(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.project("p2")
		r.consume("c1", "memory", "")
		r.watch(time.Hour, nil)
		if len(r.series) < 100 {
			t.Errorf("%d series were scraped", len(r.series))
		}
	})
}

// Nor in one of work, an import and a deploy, during which each process is replaced.
func TestAlarmsInABusyHour(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.project("p2")
		r.consume("c1", "memory", "")
		r.canary("k1", untilVisible)
		work := func() {
			r.post(nil)
			r.post(conversation)
		}
		r.watch(5*time.Minute, work)
		for range 200 {
			r.post(func(m *postroom.Message) {
				conversation(m)
				m.CreatedAt = time.Date(1999, 7, 12, 10, 30, 0, 0, time.UTC)
			})
		}
		r.watch(5*time.Minute, work)
		for _, old := range []string{"p1", "p2", "c1"} {
			if err := r.end(old); err != nil {
				t.Error(err)
			}
			r.watch(30*time.Second, work)
			if old == "c1" {
				r.consume("c2", "memory", "")
			} else {
				r.project(old + "b")
			}
			r.watch(time.Minute, work)
		}
		r.watch(30*time.Minute, work)
	})
}

func TestAlarmNoProjector(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.watch(5*time.Minute, nil)
		r.end("p1")
		r.watch(5*time.Minute, func() { r.post(nil) })
	}, "PostroomNoProjector")
}

// The leader stops, and nobody can take its lock: nobody is given its shard either.
func TestAlarmNoLeader(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(time.Minute, nil) // it leads
		r.project("p2")
		r.watch(4*time.Minute, nil)
		r.lockless.Store(true)
		r.end("p1")
		r.watch(7*time.Minute, nil)
	}, "PostroomNoLeader", "PostroomNoProjector")
}

func TestAlarmStandsStill(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.down("Records")
		r.watch(6*time.Minute, nil)
	}, "PostroomStandsStill")
}

// A shard that could never be read stands still as well, and may hold records that are
// almost a day old.
func TestAlarmStandsStillFromTheStart(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.down("Records")
		r.project("p1")
		r.watch(7*time.Minute, nil)
	}, "PostroomLossNear", "PostroomStandsStill")
}

func TestAlarmBehind(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.down("Transact " + alarmsTable)
		r.watch(13*time.Minute, func() { r.post(nil) })
	}, "PostroomBehind", "PostroomStandsStill")
}

func TestAlarmLossNear(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.end("p1")
		r.post(nil)
		time.Sleep(19 * time.Hour)
		r.down("Transact " + alarmsTable)
		r.project("p1")
		r.watch(7*time.Minute, nil)
	}, "PostroomLossNear", "PostroomStandsStill")
}

// A loss is found at the start of a process, before anybody scrapes it.
func TestAlarmDataLost(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.end("p1")
		r.end("c1")
		r.post(nil)
		r.away(25 * time.Hour)
		r.project("p1")
		r.consume("c1", "memory", "")
		r.watch(5*time.Minute, nil)
	}, "PostroomDataLost", "PostroomNoProjector")
}

func TestAlarmBackfillStalled(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.end("p1")
		r.post(nil)
		r.down("Scan")
		r.away(25 * time.Hour)
		r.project("p1")
		r.watch(time.Hour, nil)
	}, "PostroomBackfillStalled", "PostroomCallsFail", "PostroomDataLost", "PostroomNoProjector", "PostroomNotConsumed")
}

func TestAlarmRebuildStalled(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.down("Scan")
		if _, err := rebuild.Start(context.Background(), r.backend.Table(postroom.ControlTable(alarmsTable)), rebuild.Scope{}, 100, 10); err != nil {
			r.t.Error(err)
		}
		r.watch(time.Hour, nil)
	}, "PostroomRebuildStalled", "PostroomCallsFail", "PostroomNotConsumed")
}

// stranger makes a message one of somebody who is not a member.
func stranger(m *postroom.Message) { m.UserUUID, m.Members = chloe, nil }

func TestAlarmQuarantined(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.post(stranger)
		r.watch(5*time.Minute, func() { r.post(nil) })
	}, "PostroomQuarantined")
}

func TestAlarmBreakerNear(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.watch(10*time.Minute, func() {
			r.post(nil)
			r.post(stranger)
		})
	}, "PostroomBreakerNear", "PostroomQuarantined")
}

// A projector that stops since it cannot project what comes, and is started again each
// time.
func TestAlarmRestarts(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.post(nil)
		tripped, n := 0, 0
		r.watch(10*time.Minute, func() {
			select {
			case err := <-r.daemons["p1"].ended:
				if err == nil || !strings.Contains(err.Error(), "were quarantined") {
					t.Errorf("the projector ended with %v", err)
				}
				tripped++
				r.project("p1")
			default:
			}
			if n++; n%4 == 0 {
				for range 60 {
					r.post(stranger)
				}
			}
		})
		_ = r.end("p1") // it has tripped once more, or not yet
		if tripped < 5 {
			t.Errorf("the breaker tripped %d times", tripped)
		}
	}, "PostroomQuarantined", "PostroomRestarts")
}

func TestAlarmDamaged(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(2*time.Minute, func() { r.post(nil) })
		r.end("p1")
		control := r.backend.Table(postroom.ControlTable(alarmsTable))
		page, err := control.Scan(context.Background(), backend.Scan{})
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			if key := backend.KeyOf(item); strings.HasPrefix(key.PK, "SHARD#") || strings.HasPrefix(key.SK, "SHARD#") {
				delete(item, "epoch")
				if _, err := control.Put(context.Background(), item, backend.Condition{}); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
		r.project("p1")
		r.watch(7*time.Minute, nil)
	}, "PostroomDamaged", "PostroomNoProjector") // it was the lease of the only shard
}

// A projector that is frozen again and again, here by a network that is gone.
func TestAlarmWorkersExpired(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.project("p2")
		r.watch(2*time.Minute, nil)
		for range 4 {
			r.faults(func(_ context.Context, instance string, _ backendtest.Call) backend.Kind {
				if instance == "p1" {
					return backend.KindUnavailable
				}
				return backend.KindUnknown
			})
			r.watch(45*time.Second, nil)
			r.up()
			r.watch(2*time.Minute, nil)
		}
	}, "PostroomWorkersExpired")
}

func TestAlarmThrottled(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.watch(2*time.Minute, nil)
		var calls atomic.Int64
		r.faults(func(_ context.Context, _ string, call backendtest.Call) backend.Kind {
			if call.Op != "Query" || call.Name != alarmsTable || calls.Add(1)%5 == 0 {
				return backend.KindUnknown
			}
			return backend.KindThrottled
		})
		r.watch(25*time.Minute, func() {
			for range 6 {
				r.post(conversation)
			}
		})
	}, "PostroomThrottled")
}

func TestAlarmProducerClock(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.post(func(m *postroom.Message) { m.CreatedAt = time.Now().Add(3 * time.Hour) })
		r.watch(5*time.Minute, nil)
	}, "PostroomProducerClock")
}

func TestAlarmNotificationsFail(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(5*time.Minute, func() { r.post(nil) })
		r.down("Send")
		r.watch(10*time.Minute, func() { r.post(nil) })
	}, "PostroomNotificationsFail", "PostroomStandsStill")
}

func TestAlarmVisibleLate(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.slow("Transact", 6*time.Second)
		r.watch(30*time.Minute, func() {
			r.post(conversation)
			r.post(conversation)
		})
	}, "PostroomVisibleLate")
}

func TestAlarmNotConsumed(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.watch(20*time.Minute, func() { r.post(nil) })
	}, "PostroomNotConsumed")
}

func TestAlarmQueueSilent(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.watch(2*time.Minute, func() { r.post(nil) })
		r.down("Receive")
		r.watch(5*time.Minute, func() { r.post(nil) })
	}, "PostroomQueueSilent")
}

// More notifications come than one consumer can receive.
func TestAlarmQueueOld(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.slow("Receive", 15*time.Second)
		r.watch(25*time.Minute, func() {
			for range 30 {
				r.post(conversation)
			}
		})
	}, "PostroomDeliveredLate", "PostroomQueueOld")
}

func TestAlarmDeliveredLate(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.slow("Receive", 15*time.Second)
		r.watch(30*time.Minute, func() {
			r.post(conversation)
			r.post(conversation)
		})
	}, "PostroomDeliveredLate")
}

// The control table cannot be written. Nothing else shows that as long as the projector
// runs and no shard ends.
func TestAlarmCallsFail(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.watch(5*time.Minute, func() { r.post(nil) })
		control := postroom.ControlTable(alarmsTable)
		r.down("Put "+control, "Transact "+control, "BatchWrite "+control)
		r.watch(20*time.Minute, nil)
	}, "PostroomCallsFail")
}

// The store of handled ids does not answer, and so nothing is handled.
func TestAlarmConsumerStuck(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "table", "")
		r.watch(2*time.Minute, func() { r.post(nil) })
		r.faults(func(_ context.Context, instance string, call backendtest.Call) backend.Kind {
			if instance == "c1" && call.Name == postroom.ControlTable(alarmsTable) {
				return backend.KindUnavailable
			}
			return backend.KindUnknown
		})
		r.post(nil)
		r.watch(12*time.Minute, nil)
	}, "PostroomConsumerStuck")
}

// receiver answers webhooks with a status, and closes each connection: whoever waits for
// the network stops virtual time.
func receiver(t *testing.T, status int) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(status)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func TestAlarmDeliveriesFail(t *testing.T) {
	url := receiver(t, http.StatusInternalServerError)
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", url)
		for range 5 {
			r.post(conversation)
		}
		r.watch(11*time.Minute, nil)
	}, "PostroomDeliveriesFail")
}

func TestAlarmWebhookGone(t *testing.T) {
	url := receiver(t, http.StatusGone)
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", url)
		r.watch(2*time.Minute, nil)
		r.post(nil)
		r.watch(4*time.Minute, nil)
	}, "PostroomWebhookGone")
}

func TestAlarmDeadLetters(t *testing.T) {
	url := receiver(t, http.StatusUnprocessableEntity)
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", url)
		r.watch(2*time.Minute, nil)
		r.post(nil)
		r.watch(10*time.Minute, nil)
	}, "PostroomDeadLetters")
}

// Producers may not write, and nobody but the canary sees that.
func TestAlarmCanaryFails(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "table", "")
		r.canary("k1", untilDelivered)
		r.watch(5*time.Minute, nil)
		r.faults(func(_ context.Context, instance string, call backendtest.Call) backend.Kind {
			if instance == "k1" && call.Op+" "+call.Name == "Put "+alarmsTable {
				return backend.KindDenied
			}
			return backend.KindUnknown
		})
		r.watch(7*time.Minute, nil)
	}, "PostroomCanaryFails")
}

// There are too few messages for any other number to show it.
func TestAlarmCanaryLate(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "table", "")
		r.canary("k1", untilDelivered)
		r.slow("Transact", 6*time.Second)
		r.watch(30*time.Minute, nil)
	}, "PostroomCanaryLate")
}

// Of consumers that remember nothing in the table nobody knows what they deliver.
func TestAlarmCanaryWithoutDedup(t *testing.T) {
	inAlarmRig(t, func(r *alarmRig) {
		r.project("p1")
		r.consume("c1", "memory", "")
		r.canary("k1", untilDelivered)
		r.canary("k2", untilVisible)
		r.watch(10*time.Minute, nil)
	}, "PostroomCanaryFails")
}
