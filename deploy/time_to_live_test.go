package deploy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/deploy"
)

// createTables makes the tables as somebody else would.
func createTables(t *testing.T, b backend.Backend, o deploy.Options, change func(*backend.TableSpec)) {
	t.Helper()
	for _, spec := range deploy.Tables(o.Table, o.Index) {
		spec.PointInTimeRecovery = false
		change(&spec)
		must(t, b.CreateTable(t.Context(), spec))
	}
}

func withoutTimeToLive(s *backend.TableSpec) { s.TimeToLive = "" }

func TestProvisionSwitchesTimeToLiveOn(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		createTables(t, b, o, withoutTimeToLive)
		control := postroom.ControlTable(o.Table)
		r, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Existing, all(o)[:2])
		wantSame(t, r.Changed, []string{"time to live of table " + control})
		for name, want := range map[string]string{o.Table: "", control: "expires_at"} {
			have, err := b.DescribeTable(t.Context(), name)
			must(t, err)
			wantSame(t, have.TimeToLive, want)
		}
		r, err = deploy.Provision(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Changed, nil)
	})
}

// refusing is a backend on which no time to live can be set.
type refusing struct {
	backend.Backend

	err error
}

func (b *refusing) SetTimeToLive(context.Context, string, string) error { return b.err }

func TestProvisionWhereTimeToLiveCannotBeSet(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		createTables(t, b, o, withoutTimeToLive)
		for _, unable := range []error{
			&backend.Error{Kind: backend.KindInvalid, Err: errors.ErrUnsupported}, &backend.Error{Kind: backend.KindDenied},
		} {
			r, err := deploy.Provision(t.Context(), &refusing{b, unable}, o)
			must(t, err)
			wantSame(t, r.Changed, nil)
			wantWarning(t, r, "time to live of table "+postroom.ControlTable(o.Table)+": it is off")
		}
		_, err := deploy.Provision(t.Context(), &refusing{b, errBroken}, o)
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "switch on the time to live of table") {
			t.Fatal(err)
		}
	})
}

func TestProvisionLeavesAnotherTimeToLiveAlone(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		createTables(t, b, o, func(s *backend.TableSpec) { s.TimeToLive = "theirs" })
		r, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Changed, nil)
		wantWarning(t, r, "table "+o.Table+": its time-to-live attribute is theirs and should be none")
		wantWarning(t, r, "table "+postroom.ControlTable(o.Table)+": its time-to-live attribute is theirs and should be expires_at")
	})
}

func wantWarning(t *testing.T, r deploy.Report, want string) {
	t.Helper()
	if !strings.Contains(strings.Join(r.Warnings, "\n"), want) {
		t.Errorf("no warning says %q: %q", want, r.Warnings)
	}
}
