package rules

import "testing"

// TestRulesAreUpToDate removes each rule from the sources, which fails if the list no
// longer matches them.
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
