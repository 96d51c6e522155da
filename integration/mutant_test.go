package integration

import (
	"strings"
	"testing"

	"github.com/postroom/postroom/internal/mutants/rules"
)

// TestBrokenMoversAreCaught shows that the tests of this package would notice: a
// program that lacks a rule of the move fails them.
func TestBrokenMoversAreCaught(t *testing.T) {
	t.Parallel()
	for _, broken := range []struct {
		rule  string
		trial func(*world, int) error
		says  string
	}{
		{"a move puts before it deletes", killedInTheMiddle, "have no row"},
		{"the first transaction has a condition on the head", overtakenInTheMiddle, "after the late move"},
	} {
		t.Run(broken.rule, func(t *testing.T) {
			t.Parallel()
			need(t, unavailable())
			rule, err := rules.Named(broken.rule)
			if err != nil {
				t.Fatal(err)
			}
			overlay, err := rule.Overlay("..", t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			program, err := compile("postroom-"+strings.ReplaceAll(broken.rule, " ", "-"), "-overlay", overlay)
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, sharedServer(t), options{program: program})
			switch err := broken.trial(w, 2); {
			case err == nil:
				t.Error("nothing was noticed")
			case !strings.Contains(err.Error(), broken.says):
				t.Errorf("it failed for another reason: %v", err)
			default:
				t.Logf("noticed: %v", err)
			}
		})
	}
}
