package aws

import (
	"errors"
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
