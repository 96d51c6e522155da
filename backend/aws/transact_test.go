package aws

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postroom/postroom/backend"
)

// TestF16TransactReasons: what the reasons of a refused transaction are, alone and
// mixed. Only one that names a wrong item condemns the transaction.
func TestF16TransactReasons(t *testing.T) {
	t.Parallel()
	for codes, want := range map[string]backend.Kind{
		"None ConditionalCheckFailed":                  backend.KindConditionFailed,
		"TransactionConflict None":                     backend.KindConflict,
		"ThrottlingError TransactionConflict":          backend.KindThrottled,
		"ProvisionedThroughputExceeded None":           backend.KindThrottled,
		"ConditionalCheckFailed ThrottlingError":       backend.KindConditionFailed,
		"ConditionalCheckFailed SomethingNew":          backend.KindConditionFailed,
		"ValidationError ConditionalCheckFailed":       backend.KindInvalid,
		"ThrottlingError ValidationError":              backend.KindInvalid,
		"None ItemCollectionSizeLimitExceeded":         backend.KindUnavailable,
		"ItemCollectionSizeLimitExceeded AccessDenied": backend.KindDenied,
		"AccessDenied ThrottlingError":                 backend.KindDenied,
		"KMSAccessDeniedException None":                backend.KindDenied,
		"KMSThrottlingException TransactionConflict":   backend.KindThrottled,
		"SomethingNew None":                            backend.KindUnavailable,
		"SomethingNew TransactionConflict":             backend.KindUnavailable,
		"None None":                                    backend.KindUnavailable,
		"":                                             backend.KindUnavailable,
	} {
		t.Run(codes, func(t *testing.T) {
			t.Parallel()
			var reasons []string
			for _, code := range strings.Fields(codes) {
				reasons = append(reasons, fmt.Sprintf(`{"Code":%q,"Message":%q}`, code, strings.Repeat("why ", 1000)))
			}
			b, f := openFake(t, failure(400, "TransactionCanceledException", "Transaction cancelled",
				`"CancellationReasons":[`+strings.Join(reasons, ",")+`]`))
			_, err := b.Table("t").Transact(t.Context(), "token", []backend.Action{{Put: testItem}, {
				Check: backend.Key{PK: "p", SK: "h"}, Condition: backend.Condition{Absent: true},
			}})
			if got := backend.KindOf(err); err == nil || got != want {
				t.Fatalf("kind is %q, want %q: %v", got, want, err)
			}
			var e *backend.Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			for i, r := range e.Reasons {
				if innocent := len(reasons) == 0 || strings.Fields(codes)[i] == "None"; (r == nil) != innocent {
					t.Errorf("action %d: %v", i, r)
				}
			}
			if len(err.Error()) > 1<<10 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if f.count() != 1 {
				t.Errorf("%d calls, want 1: whether to try again is for the caller", f.count())
			}
		})
	}
}
