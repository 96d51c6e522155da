package deploy_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/deploy"
)

func all(o deploy.Options) []string {
	return []string{
		"table " + o.Table, "table " + o.Table + "-control",
		"queue " + postroom.DeadLetterQueue(o.Queue), "queue " + o.Queue,
	}
}

func TestProvisionMakesEverythingOnce(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		r, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Created, all(o))
		wantSame(t, r.Existing, nil)

		for _, want := range deploy.Tables(o.Table, true) {
			have, err := b.DescribeTable(t.Context(), want.Name)
			must(t, err)
			// An emulator may not know of backups; the report warns then.
			if !have.PointInTimeRecovery && len(r.Warnings) > 0 {
				want.PointInTimeRecovery = false
			}
			wantSame(t, have, want)
		}
		for _, want := range deploy.Queues(o.Queue) {
			have, err := b.DescribeQueue(t.Context(), want.Name)
			must(t, err)
			wantSame(t, have, want)
		}
		must(t, deploy.Check(t.Context(), b, o))

		r, err = deploy.Provision(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Created, nil)
		wantSame(t, r.Existing, all(o))
	})
}

func TestProvisionWithoutIndexAndQueue(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		everything := all(o)
		o.Index, o.Queue = false, ""
		r, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Created, everything[:2])
		have, err := b.DescribeTable(t.Context(), o.Table)
		must(t, err)
		if have.Index != nil {
			t.Errorf("there is an index: %+v", have.Index)
		}
		must(t, deploy.Check(t.Context(), b, o))
		o.Index = true
		must(t, deploy.Check(t.Context(), b, o)) // works without
	})
}

func TestProvisionTakesUpWhereItStopped(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		broken := &noQueues{b}
		r, err := deploy.Provision(t.Context(), broken, o)
		if !errors.Is(err, errBroken) {
			t.Fatal(err)
		}
		wantSame(t, r.Created, all(o)[:2])
		r, err = deploy.Provision(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Existing, all(o)[:2])
		wantSame(t, r.Created, all(o)[2:])
	})
}

var errBroken = errors.New("broken")

// noQueues is a backend on which no queue can be made.
type noQueues struct{ backend.Backend }

func (*noQueues) CreateQueue(context.Context, backend.QueueSpec) error { return errBroken }

// Two processes that start at once on a new file, or two that provision, both succeed,
// whoever is faster with what.
func TestProvisionBesideAnother(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		r, err := deploy.Provision(t.Context(), &beside{b, "table " + o.Table + "-control", "queue " + o.Queue}, o)
		must(t, err)
		wantSame(t, r.Created, []string{"table " + o.Table, "queue " + postroom.DeadLetterQueue(o.Queue)})
		wantSame(t, r.Existing, []string{"table " + o.Table + "-control", "queue " + o.Queue})
		must(t, deploy.Check(t.Context(), b, o))
	})
}

// beside is a backend on which another one is faster to create a table and a queue.
type beside struct {
	backend.Backend

	table, queue string
}

func (b *beside) CreateTable(ctx context.Context, spec backend.TableSpec) error {
	err := b.Backend.CreateTable(ctx, spec)
	if "table "+spec.Name != b.table || err != nil && !errors.Is(err, errors.ErrUnsupported) { // of an emulator, which knows no backups
		return err
	}
	return &backend.Error{Op: "CreateTable", Kind: backend.KindExists}
}

func (b *beside) CreateQueue(ctx context.Context, spec backend.QueueSpec) error {
	if err := b.Backend.CreateQueue(ctx, spec); err != nil || "queue "+spec.Name != b.queue {
		return err
	}
	return &backend.Error{Op: "CreateQueue", Kind: backend.KindExists}
}

func TestProvisionRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		table func(*backend.TableSpec)
		queue func(*backend.QueueSpec)
		says  []string
	}{
		"another key": {
			table: func(s *backend.TableSpec) { s.PartitionKey, s.Index = "id", nil },
			says:  []string{"its key is (id, SK) and should be (PK, SK)", "name another table"},
		},
		"no stream": {
			table: func(s *backend.TableSpec) { s.StreamView = "" },
			says:  []string{"its stream is none and should be NEW_IMAGE", "switch the table's stream on"},
		},
		"no index": {
			table: func(s *backend.TableSpec) { s.Index = nil },
			says:  []string{"its index is none and should be message-group-uuid-index (message_group_uuid, user_uuid)", "without the index"},
		},
		"no dead-letter queue": {
			queue: func(s *backend.QueueSpec) { s.DeadLetterQueue, s.MaxReceiveCount = "", 0 },
			says:  []string{"its dead-letter queue is none", "maxReceiveCount is 0 and should be 10"},
		},
		"short retention": {
			queue: func(s *backend.QueueSpec) { s.RetentionSeconds, s.DeadLetterQueue, s.MaxReceiveCount = 60, "", 0 },
			says:  []string{"its retention is 60s and should be 345600s"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
				if c.table != nil {
					spec := deploy.Tables(o.Table, true)[0]
					spec.PointInTimeRecovery = false
					c.table(&spec)
					must(t, b.CreateTable(t.Context(), spec))
				}
				if c.queue != nil {
					spec := deploy.Queues(o.Queue)[1]
					c.queue(&spec)
					must(t, b.CreateQueue(t.Context(), spec))
				}
				_, err := deploy.Provision(t.Context(), b, o)
				var misfit *deploy.MisfitError
				if !errors.As(err, &misfit) {
					t.Fatal(err)
				}
				for _, part := range c.says {
					if !strings.Contains(err.Error(), part) {
						t.Errorf("the error does not say %q: %v", part, err)
					}
				}
				_, err = b.DescribeTable(t.Context(), postroom.ControlTable(o.Table))
				if backend.KindOf(err) != backend.KindNotFound {
					t.Errorf("something was made nevertheless: %v", err)
				}
			})
		})
	}
}

func TestProvisionRefusesAnotherView(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		_, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		_, err = deploy.Provision(t.Context(), &otherView{b}, o)
		if err == nil || !strings.Contains(err.Error(), "its stream is KEYS_ONLY and should be NEW_IMAGE: switch the table's stream off") {
			t.Fatal(err)
		}
	})
}

// otherView is a backend on which every stream carries keys only, which not
// every backend can make.
type otherView struct{ backend.Backend }

func (b *otherView) DescribeTable(ctx context.Context, name string) (backend.TableSpec, error) {
	spec, err := b.Backend.DescribeTable(ctx, name)
	if spec.StreamView != "" {
		spec.StreamView = "KEYS_ONLY"
	}
	return spec, err
}

func TestIndexThatShouldNotBe(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		_, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		o.Index = false
		_, err = deploy.Provision(t.Context(), b, o)
		var misfit *deploy.MisfitError
		if !errors.As(err, &misfit) || !strings.Contains(err.Error(), "delete it from the table") {
			t.Fatal(err)
		}
		must(t, deploy.Check(t.Context(), b, o))
	})
}

func TestCheckNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		err := deploy.Check(t.Context(), b, o)
		if err == nil || !strings.Contains(err.Error(), "table "+o.Table+" does not exist: run `postroom provision`") {
			t.Fatal(err)
		}
		tablesOnly := o
		tablesOnly.Queue = ""
		_, err = deploy.Provision(t.Context(), b, tablesOnly)
		must(t, err)
		must(t, deploy.Check(t.Context(), b, tablesOnly))
		err = deploy.Check(t.Context(), b, o)
		if err == nil || !strings.Contains(err.Error(), "queue "+postroom.DeadLetterQueue(o.Queue)+" does not exist") {
			t.Fatal(err)
		}
	})
}

func TestDestroyRemovesEverything(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		_, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		r, err := deploy.Destroy(t.Context(), b, o)
		must(t, err)
		want := []string{all(o)[3], all(o)[2], all(o)[0], all(o)[1]} // each before what it needs
		wantSame(t, r.Removed, want)
		r, err = deploy.Destroy(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Removed, nil)
		wantSame(t, r.Missing, want)
	})
}

func TestDestroyStopsAtAProtectedTable(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		o.DeletionProtection = true
		_, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		r, err := deploy.Destroy(t.Context(), b, o)
		var protected *deploy.ProtectedError
		if !errors.As(err, &protected) || !strings.Contains(err.Error(), "--lift-protection") {
			t.Fatal(err)
		}
		for _, table := range all(o)[:2] {
			if !strings.Contains(err.Error(), table+" is protected") {
				t.Errorf("the error does not name %s: %v", table, err)
			}
		}
		wantSame(t, r, deploy.Report{})
		must(t, deploy.Check(t.Context(), b, o)) // all is still there
		for _, table := range deploy.Tables(o.Table, true) {
			wantKind(t, b.DeleteTable(t.Context(), table.Name), backend.KindInvalid)
		}

		o.LiftProtection = true
		r, err = deploy.Destroy(t.Context(), b, o)
		must(t, err)
		wantSame(t, r.Removed, []string{all(o)[3], all(o)[2], all(o)[0], all(o)[1]})
	})
}

func TestDestroyRemovesNothingWhereProtectionStays(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, o deploy.Options) {
		o.DeletionProtection = true
		_, err := deploy.Provision(t.Context(), b, o)
		must(t, err)
		o.LiftProtection = true
		r, err := deploy.Destroy(t.Context(), &locked{b}, o)
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), "lift the protection of table "+o.Table) {
			t.Fatal(err)
		}
		wantSame(t, r, deploy.Report{})
		must(t, deploy.Check(t.Context(), b, o))
		_, err = deploy.Destroy(t.Context(), b, o)
		must(t, err)
	})
}

// locked is a backend on which no protection can be lifted.
type locked struct{ backend.Backend }

func (*locked) SetDeletionProtection(context.Context, string, bool) error { return errBroken }

func wantKind(t *testing.T, err error, want backend.Kind) {
	t.Helper()
	if got := backend.KindOf(err); err == nil || got != want {
		t.Errorf("error %v is of kind %q, want %q", err, got, want)
	}
}

func TestNoTableNamed(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, b backend.Backend, _ deploy.Options) {
		_, provision := deploy.Provision(t.Context(), b, deploy.Options{})
		_, destroy := deploy.Destroy(t.Context(), b, deploy.Options{})
		for _, err := range []error{provision, destroy, deploy.Check(t.Context(), b, deploy.Options{})} {
			if err == nil || !strings.Contains(err.Error(), "the table has no name") {
				t.Error(err)
			}
		}
	})
}

func wantSame[T any](t *testing.T, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("not as it should be (-want +got):\n%s", diff)
	}
}
