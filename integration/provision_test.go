package integration

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"
)

// site is a world in which nothing is provisioned yet, seen through the SDK.
type site struct {
	*world
	db *dynamodb.Client
}

// newSite returns a site, and removes what is there when the test ends.
func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{world: unprovisioned(t, sharedServer(t))}
	cfg, err := config.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.db = dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		if s.server.url != "" {
			o.BaseEndpoint = &s.server.url
		}
	})
	t.Cleanup(func() { s.destroy("--lift-protection") })
	return s
}

// everything is what provision makes, in this order.
func (s *site) everything() []string {
	return []string{"table " + s.table, "table " + s.table + "-control", "queue " + deadLetters(s.queue), "queue " + s.queue}
}

// deadLetters is the name of a FIFO queue's dead-letter queue.
func deadLetters(queue string) string { return strings.TrimSuffix(queue, ".fifo") + "-dlq.fifo" }

// describe returns a table's description, or nil if there is no table.
func (s *site) describe(table string) *types.TableDescription {
	s.t.Helper()
	out, err := s.db.DescribeTable(s.t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return nil
	case err != nil:
		s.t.Fatal(err)
	}
	return out.Table
}

// make makes the table as another program would, with the keys PK and SK and no
// stream unless change says otherwise, and puts an item into it.
func (s *site) make(change func(*dynamodb.CreateTableInput)) {
	s.t.Helper()
	in := &dynamodb.CreateTableInput{TableName: &s.table, BillingMode: types.BillingModePayPerRequest}
	keys(in, "PK", "SK")
	change(in)
	if _, err := s.db.CreateTable(s.t.Context(), in); err != nil {
		s.t.Fatal(err)
	}
	described := &dynamodb.DescribeTableInput{TableName: &s.table}
	if err := dynamodb.NewTableExistsWaiter(s.db).Wait(s.t.Context(), described, patience); err != nil {
		s.t.Fatal(err)
	}
	item := map[string]types.AttributeValue{}
	for _, key := range in.AttributeDefinitions {
		item[*key.AttributeName] = &types.AttributeValueMemberS{Value: "theirs"}
	}
	if _, err := s.db.PutItem(s.t.Context(), &dynamodb.PutItemInput{TableName: &s.table, Item: item}); err != nil {
		s.t.Fatal(err)
	}
}

// keys gives a table its keys.
func keys(in *dynamodb.CreateTableInput, partition, sort string) {
	in.KeySchema = []types.KeySchemaElement{
		{AttributeName: &partition, KeyType: types.KeyTypeHash}, {AttributeName: &sort, KeyType: types.KeyTypeRange},
	}
	in.AttributeDefinitions = []types.AttributeDefinition{
		{AttributeName: &partition, AttributeType: types.ScalarAttributeTypeS},
		{AttributeName: &sort, AttributeType: types.ScalarAttributeTypeS},
	}
}

// streams gives a table a stream.
func streams(in *dynamodb.CreateTableInput, view types.StreamViewType) {
	in.StreamSpecification = &types.StreamSpecification{StreamEnabled: awssdk.Bool(true), StreamViewType: view}
}

// report is what provision and destroy print with --json.
type report struct{ Created, Existing, Changed, Removed, Missing []string }

// report runs a command that succeeds and reports.
func (s *site) report(args ...string) report {
	s.t.Helper()
	var r report
	if err := json.Unmarshal([]byte(s.ok(append(args, "--json")...)), &r); err != nil {
		s.t.Fatal(err)
	}
	return r
}

// refused runs a command that must end with exit code 1 and a message, and
// returns all that it said.
func (s *site) refused(message []string, args ...string) result {
	s.t.Helper()
	start := time.Now()
	r := s.run(args...)
	if r.code != 1 {
		s.t.Errorf("postroom %s: exit code %d", strings.Join(args, " "), r.code)
	}
	for _, part := range message {
		if !strings.Contains(r.stderr, part) {
			s.t.Errorf("postroom %s does not say %q: %s", strings.Join(args, " "), part, r.stderr)
		}
	}
	if strings.Contains(r.stderr, "goroutine ") {
		s.t.Errorf("postroom %s panics: %s", strings.Join(args, " "), r.stderr)
	}
	if took := time.Since(start); took > stopTime {
		s.t.Errorf("postroom %s took %v to refuse", strings.Join(args, " "), took)
	}
	return r
}

// same checks that a table has not changed. Its counts are not compared, since a
// server updates them late.
func (s *site) same(before *types.TableDescription) {
	s.t.Helper()
	after := s.describe(*before.TableName)
	if diff := cmp.Diff(text(s.t, before), text(s.t, after)); diff != "" {
		s.t.Errorf("table %s was changed (-before +after):\n%s", *before.TableName, diff)
	}
}

func text(t *testing.T, d *types.TableDescription) string {
	t.Helper()
	shape := *d
	shape.ItemCount, shape.TableSizeBytes = nil, nil
	shape.GlobalSecondaryIndexes = slices.Clone(d.GlobalSecondaryIndexes)
	for i := range shape.GlobalSecondaryIndexes {
		shape.GlobalSecondaryIndexes[i].ItemCount, shape.GlobalSecondaryIndexes[i].IndexSizeBytes = nil, nil
	}
	encoded, err := json.MarshalIndent(shape, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

func wantSame(t *testing.T, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not as it should be (-want +got):\n%s", diff)
	}
}

func TestProvision(t *testing.T) {
	t.Parallel()
	t.Run("a second time changes nothing, and says so", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		wantSame(t, s.report("provision"), report{Created: s.everything()})
		before := []*types.TableDescription{s.describe(s.table), s.describe(s.table + "-control")}
		messages := crowd(3, 5)
		s.post(s.server.url, messages...)
		wantSame(t, s.report("provision"), report{Existing: s.everything()})
		for _, table := range before {
			s.same(table)
		}
		want := "exists   " + strings.Join(s.everything(), "\nexists   ") + "\n"
		wantSame(t, s.ok("provision"), want)
		s.ok("project", "--until-idle")
		if err := s.agrees(); err != nil { // including what was posted before
			t.Error(err)
		}
	})
	t.Run("several at once do not harm each other", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				r := command(t, s.program, s.environ(s.server.url), "provision")
				if r.code != 0 && !strings.Contains(r.stderr, "exists already") { // another one was faster
					t.Errorf("provision: exit code %d: %s", r.code, r.stderr)
				}
			})
		}
		all.Wait()
		s.ok("provision")
		wantSame(t, s.report("provision"), report{Existing: s.everything()})
	})
	t.Run("with the index, of keys only", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.ok("provision", "--index", "keys-only")
		indexes := s.describe(s.table).GlobalSecondaryIndexes
		if len(indexes) != 1 {
			t.Fatalf("%d indexes", len(indexes))
		}
		wantSame(t, *indexes[0].IndexName, "message-group-uuid-index")
		wantSame(t, indexes[0].Projection.ProjectionType, types.ProjectionTypeKeysOnly)
		wantSame(t, keyNames(indexes[0].KeySchema), []string{"message_group_uuid", "user_uuid"})
	})
	t.Run("without an index", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.ok("provision", "--index", "none")
		table := s.describe(s.table)
		wantSame(t, len(table.GlobalSecondaryIndexes), 0)
		wantSame(t, keyNames(table.KeySchema), []string{"PK", "SK"})
		wantSame(t, table.StreamSpecification.StreamViewType, types.StreamViewTypeNewImage)
		s.refused([]string{"table " + s.table + " does not fit", "its index is none", "provision without the index"}, "provision")
	})
}

func keyNames(schema []types.KeySchemaElement) []string {
	var names []string
	for _, key := range schema {
		names = append(names, *key.AttributeName)
	}
	return names
}

// TestProvisionOntoAnotherShape provisions where another program has made a table of
// that name. The table is not touched, and nothing else is made.
func TestProvisionOntoAnotherShape(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*dynamodb.CreateTableInput)
		says   []string
	}{
		"other keys": {
			func(in *dynamodb.CreateTableInput) {
				keys(in, "id", "at")
				streams(in, types.StreamViewTypeNewImage)
			},
			[]string{"its key is (id, at) and should be (PK, SK)", "name another table"},
		},
		"keys the other way round": {
			func(in *dynamodb.CreateTableInput) {
				keys(in, "SK", "PK")
				streams(in, types.StreamViewTypeNewImage)
			},
			[]string{"its key is (SK, PK) and should be (PK, SK)", "name another table"},
		},
		"no stream": {
			func(*dynamodb.CreateTableInput) {},
			[]string{"its stream is none and should be NEW_IMAGE", "switch the table's stream on"},
		},
		"a stream of keys only": {
			func(in *dynamodb.CreateTableInput) { streams(in, types.StreamViewTypeKeysOnly) },
			[]string{"its stream is KEYS_ONLY and should be NEW_IMAGE", "switch the table's stream off, and on again"},
		},
		"a stream of old and new images": {
			func(in *dynamodb.CreateTableInput) { streams(in, types.StreamViewTypeNewAndOldImages) },
			[]string{"its stream is NEW_AND_OLD_IMAGES and should be NEW_IMAGE", "switch the table's stream off, and on again"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.make(c.change)
			before := s.describe(s.table)
			says := slices.Concat(c.says, []string{"table " + s.table + " does not fit"})
			s.refused(says, "provision", "--index", "none")
			s.refused(says, "project")
			s.same(before)
			if s.describe(s.table+"-control") != nil {
				t.Error("the control table was made although the table was refused")
			}
			items, err := s.db.Scan(t.Context(), &dynamodb.ScanInput{TableName: &s.table, ConsistentRead: awssdk.Bool(true)})
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, len(items.Items), 1)
		})
	}
}

func TestDestroy(t *testing.T) {
	t.Parallel()
	t.Run("refuses protected tables, and removes them when told to", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		s.ok("provision")
		s.post(s.server.url, crowd(2, 3)...)
		r := s.refused([]string{
			"table " + s.table + " is protected", "table " + s.table + "-control is protected", "--lift-protection",
		}, "destroy")
		wantSame(t, r.stdout, "")
		s.ok("project", "--until-idle") // all is still there
		if err := s.agrees(); err != nil {
			t.Error(err)
		}
		all := s.everything()
		removed := []string{all[3], all[2], all[0], all[1]}
		wantSame(t, s.report("destroy", "--lift-protection"), report{Removed: removed})
		for _, table := range []string{s.table, s.table + "-control"} {
			if s.describe(table) != nil {
				t.Errorf("table %s is still there", table)
			}
		}
		wantSame(t, s.report("destroy"), report{Missing: removed})
	})
	t.Run("removes what provision had made when it was killed", func(t *testing.T) {
		t.Parallel()
		s := newSite(t)
		p := spawn(t, s.program, "provision", s.environ(s.server.url), func(string) {}, "provision", "--deletion-protection=false")
		s.until("the table to be there", func() bool { return s.describe(s.table) != nil })
		p.kill()
		r := s.report("destroy")
		wantSame(t, len(r.Removed)+len(r.Missing), 4)
		wantSame(t, s.report("destroy").Removed, []string(nil))
	})
}

// until waits for a condition.
func (w *world) until(what string, condition func() bool) {
	w.t.Helper()
	for start := time.Now(); !condition(); {
		if time.Since(start) > patience {
			w.t.Fatal(timeoutError(what))
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestBeforeProvision runs every command that needs tables or queues before they
// exist. Each says what to do.
func TestBeforeProvision(t *testing.T) {
	t.Parallel()
	s := unprovisioned(t, sharedServer(t))
	m := crowd(2, 1)
	file, err := s.file(m)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"project":       {"project"},
		"consume":       {"consume"},
		"post":          {"post", "--from", m[0].Members[0].UserUUID, "--to", m[0].Members[1].UserUUID, "--message", "Hello"},
		"post --file":   {"post", "--file", file},
		"inbox":         {"inbox", m[0].UserUUID},
		"inbox --all":   {"inbox", "--all"},
		"messages":      {"messages", m[0].GroupUUID},
		"status":        {"status"},
		"verify":        {"verify"},
		"verify --json": {"verify", "--json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here := unprovisioned(t, s.server)
			(&site{world: here}).refused([]string{"postroom provision"}, args...)
		})
	}
}
