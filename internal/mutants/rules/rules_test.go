package rules

import "testing"

// TestRulesAreUpToDate takes each rule out of the sources, which fails where the
// list does not know them any more.
func TestRulesAreUpToDate(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, r := range All {
		if names[r.Name] {
			t.Errorf("two rules are named %q", r.Name)
		}
		names[r.Name] = true
		if _, err := r.Overlay("../../..", t.TempDir()); err != nil {
			t.Errorf("%s: %v", r.Name, err)
		}
	}
}
