package aws

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/backend"
)

func conditionFailed(item string) answer {
	return failure(400, "ConditionalCheckFailedException", "The conditional request failed", `"Item":`+item)
}

const (
	ownItem   = `{"PK":{"S":"p"},"SK":{"S":"s"},"a":{"S":"1"}}`
	otherItem = `{"PK":{"S":"p"},"SK":{"S":"s"},"a":{"S":"2"}}`
)

func TestPutMeetsItsOwnLostWrite(t *testing.T) {
	t.Parallel()
	broken := failure(500, "InternalServerError", "oops")
	throttled := failure(400, "ThrottlingException", "slow down")
	for name, c := range map[string]struct {
		answers []answer
		want    backend.Kind // KindUnknown: success
	}{
		"first attempt, equal item":   {[]answer{conditionFailed(ownItem)}, backend.KindConditionFailed},
		"first attempt, other item":   {[]answer{conditionFailed(otherItem)}, backend.KindConditionFailed},
		"after a lost answer, equal":  {[]answer{lost, conditionFailed(ownItem)}, backend.KindUnknown},
		"after a failure, equal":      {[]answer{broken, conditionFailed(ownItem)}, backend.KindUnknown},
		"after both, equal":           {[]answer{broken, lost, conditionFailed(ownItem)}, backend.KindUnknown},
		"after a lost answer, other":  {[]answer{lost, conditionFailed(otherItem)}, backend.KindConditionFailed},
		"after throttling, equal":     {[]answer{throttled, conditionFailed(ownItem)}, backend.KindConditionFailed},
		"after a lost answer, nobody": {[]answer{lost, conditionFailed(`{}`)}, backend.KindConditionFailed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, _ := openFake(t, c.answers...)
			_, err := b.Table("t").Put(t.Context(), testItem, backend.Condition{Absent: true})
			if got := backend.KindOf(err); got != c.want || (err == nil) != (c.want == backend.KindUnknown) {
				t.Fatalf("kind is %q, want %q: %v", got, c.want, err)
			}
		})
	}
}

func TestPutTellsWhatIsThere(t *testing.T) {
	t.Parallel()
	b, _ := openFake(t, conditionFailed(otherItem), conditionFailed(`{}`))
	for _, want := range []backend.Item{{"PK": str("p"), "SK": str("s"), "a": str("2")}, nil} {
		_, err := b.Table("t").Put(t.Context(), testItem, backend.Condition{Equals: backend.Item{"a": str("0")}})
		var e *backend.Error
		if !errors.As(err, &e) {
			t.Fatal(err)
		}
		if !backend.EqualItems(e.Item, want) || (e.Item == nil) != (want == nil) {
			t.Errorf("there is %v, want %v", e.Item, want)
		}
	}
}

func TestTransactReasons(t *testing.T) {
	t.Parallel()
	none := `{"Code":"None"}`
	for name, c := range map[string]struct {
		reasons []string
		want    backend.Kind
	}{
		"condition":               {[]string{none, `{"Code":"ConditionalCheckFailed","Message":"no"}`}, backend.KindConditionFailed},
		"conflict":                {[]string{`{"Code":"TransactionConflict"}`, none}, backend.KindConflict},
		"throttled and conflict":  {[]string{`{"Code":"ThrottlingError"}`, `{"Code":"TransactionConflict"}`}, backend.KindThrottled},
		"throughput":              {[]string{`{"Code":"ProvisionedThroughputExceeded"}`, none}, backend.KindThrottled},
		"condition and throttled": {[]string{`{"Code":"ConditionalCheckFailed"}`, `{"Code":"ThrottlingError"}`}, backend.KindConditionFailed},
		"invalid":                 {[]string{`{"Code":"ValidationError"}`, `{"Code":"ConditionalCheckFailed"}`}, backend.KindInvalid},
		"unheard of":              {[]string{`{"Code":"SomethingNew"}`, none}, backend.KindUnknown},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, f := openFake(t, failure(400, "TransactionCanceledException", "Transaction cancelled",
				`"CancellationReasons":[`+strings.Join(c.reasons, ",")+`]`))
			_, err := b.Table("t").Transact(t.Context(), "token", []backend.Action{{Put: testItem}, {
				Check: backend.Key{PK: "p", SK: "h"}, Condition: backend.Condition{Absent: true},
			}})
			if got := backend.KindOf(err); err == nil || got != c.want {
				t.Fatalf("kind is %q, want %q: %v", got, c.want, err)
			}
			var e *backend.Error
			if !errors.As(err, &e) {
				t.Fatal(err)
			}
			for i, r := range e.Reasons {
				if (r == nil) != (c.reasons[i] == none) {
					t.Errorf("action %d: %v", i, r)
				}
			}
			if f.count() != 1 {
				t.Errorf("%d calls, want 1: whether to try again is for the caller", f.count())
			}
		})
	}
}

func TestConditionIsTheSameEachTime(t *testing.T) {
	t.Parallel()
	condition := backend.Condition{Equals: backend.Item{"owner": str("w"), "epoch": str("7"), "b": str("x"), "a": str("y")}}
	want := "attribute_exists(#0) AND #1 = :0 AND #2 = :1 AND #3 = :2 AND #4 = :3"
	wantNames := map[string]string{"#0": "PK", "#1": "a", "#2": "b", "#3": "epoch", "#4": "owner"}
	for range 20 {
		var e expression
		if got := *e.condition(condition); got != want {
			t.Fatal(got)
		}
		if diff := cmp.Diff(wantNames, e.names); diff != "" {
			t.Fatal(diff)
		}
	}
}
