package consumer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/postroom/postroom/backend"
)

// inFlightWith is a set that holds one message, m, which a handler has.
func inFlightWith(t *testing.T, o Options) (f *inFlight, m *message) {
	t.Helper()
	f = newInFlight(o, 10)
	f.admit(0, 0, []backend.Delivery{{MessageID: "m", Receipt: "first"}})
	m, _ = f.next()
	return f, m
}

// due are the receipts to be extended now.
func dueReceipts(f *inFlight) (batch []call, receipts []string) {
	batch = f.due()
	for _, c := range batch {
		receipts = append(receipts, c.receipt)
	}
	return batch, receipts
}

var inFlightOptions = Options{Visibility: 30 * time.Second, Receivers: 1}

// TestQ5ReceivedAgainIsExtendedAgain: that the queue has refused to extend a receipt,
// or can extend it no further, says nothing of the next one, whether the answer came
// before the message was received again or afterwards.
func TestQ5ReceivedAgainIsExtendedAgain(t *testing.T) {
	t.Parallel()
	refusal := []backend.EntryError{{SenderFault: true}}
	again := []backend.Delivery{{MessageID: "m", Receipt: "second"}}
	for name, received := range map[string]func(f *inFlight, batch []call){
		"after the refusal":  func(f *inFlight, batch []call) { f.extended(batch, refusal, true); f.admit(0, 0, again) },
		"before the refusal": func(f *inFlight, batch []call) { f.admit(0, 0, again); f.extended(batch, refusal, true) },
	} {
		synctest.Test(t, func(t *testing.T) {
			f, _ := inFlightWith(t, inFlightOptions)
			time.Sleep(extendAfter(inFlightOptions.Visibility))
			batch, receipts := dueReceipts(f)
			if len(receipts) != 1 || receipts[0] != "first" {
				t.Fatalf("%s: due is %q", name, receipts)
			}
			received(f, batch)
			time.Sleep(extendAfter(inFlightOptions.Visibility))
			if _, receipts = dueReceipts(f); len(receipts) != 1 || receipts[0] != "second" {
				t.Errorf("%s: due is %q, want the second receipt", name, receipts)
			}
		})
	}
}

// TestQ3RefusedExtensionIsNotRepeated, since the queue would refuse it for ever.
func TestQ3RefusedExtensionIsNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f, _ := inFlightWith(t, inFlightOptions)
		time.Sleep(extendAfter(inFlightOptions.Visibility))
		batch, _ := dueReceipts(f)
		f.extended(batch, []backend.EntryError{{SenderFault: true}}, true)
		time.Sleep(inFlightOptions.Visibility)
		if _, receipts := dueReceipts(f); len(receipts) != 0 {
			t.Errorf("due is %q", receipts)
		}
	})
}
