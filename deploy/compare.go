package deploy

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/postroom/postroom/backend"
)

// MisfitError says that an existing table or queue does not fit.
type MisfitError struct {
	Kind string // "table" or "queue"
	Name string

	differences []string
}

func (m *MisfitError) Error() string {
	return fmt.Sprintf("%s %s does not fit; %s", m.Kind, m.Name, strings.Join(m.differences, "; "))
}

const anotherTable = "name another table, or remove this one if nothing else uses it"

// compareTable returns an error that says why a table cannot be used. Backups,
// protection and time to live are not among the reasons; see warnings.
func compareTable(have, want backend.TableSpec, anyIndex bool) error {
	m := &MisfitError{Kind: "table", Name: want.Name}
	m.compare("its key", keys(have.PartitionKey, have.SortKey), keys(want.PartitionKey, want.SortKey), anotherTable)
	m.compare("its stream", orNone(have.StreamView), orNone(want.StreamView), remedyForStream(have, want))
	if have.Index != nil && (want.Index != nil || !anyIndex) || want.Index != nil && !anyIndex {
		m.compare("its index", index(have.Index), index(want.Index), remedyForIndex(want))
	}
	return m.err()
}

func compareQueue(have, want backend.QueueSpec) error {
	m := &MisfitError{Kind: "queue", Name: want.Name}
	remedy := "set this attribute of the queue, or name another queue"
	m.compare("its dead-letter queue", orNone(have.DeadLetterQueue), orNone(want.DeadLetterQueue), remedy)
	m.compare("maxReceiveCount", fmt.Sprint(have.MaxReceiveCount), fmt.Sprint(want.MaxReceiveCount), remedy)
	m.compare("its visibility timeout", seconds(have.VisibilitySeconds), seconds(want.VisibilitySeconds), remedy)
	if have.RetentionSeconds == 0 { // not told
		have.RetentionSeconds = want.RetentionSeconds
	}
	m.compare("its retention", seconds(have.RetentionSeconds), seconds(want.RetentionSeconds), remedy)
	return m.err()
}

func (m *MisfitError) compare(what, have, want, remedy string) {
	if have != want {
		m.differences = append(m.differences, fmt.Sprintf("%s is %s and should be %s: %s", what, have, want, remedy))
	}
}

func (m *MisfitError) err() error {
	if m.differences == nil {
		return nil
	}
	return m
}

func remedyForStream(have, want backend.TableSpec) string {
	switch {
	case want.StreamView == "":
		return anotherTable
	case have.StreamView == "":
		return "switch the table's stream on with that view"
	}
	return "switch the table's stream off, and on again with that view"
}

func remedyForIndex(want backend.TableSpec) string {
	if want.Index == nil {
		return "provision with the index, or delete it from the table"
	}
	return "provision without the index, or add it to the table"
}

func keys(pk, sk string) string { return fmt.Sprintf("(%s, %s)", pk, orNone(sk)) }

func index(x *backend.IndexSpec) string {
	if x == nil {
		return "none"
	}
	return x.Name + " " + keys(x.PartitionKey, x.SortKey)
}

func orNone(s string) string { return cmp.Or(s, "none") }

func seconds(n int) string { return fmt.Sprintf("%ds", n) }

// warnings returns the differences that do not prevent a table from being used.
func warnings(have, want backend.TableSpec) []string {
	var w []string
	if want.PointInTimeRecovery && !have.PointInTimeRecovery {
		w = append(w, fmt.Sprintf("table %s: point-in-time recovery is off, or the server does not report it", want.Name))
	}
	if want.DeletionProtection && !have.DeletionProtection {
		w = append(w, fmt.Sprintf("table %s: deletion protection is off", want.Name))
	}
	if have.TimeToLive != "" && have.TimeToLive != want.TimeToLive {
		w = append(w, fmt.Sprintf("table %s: its time-to-live attribute is %s and should be %s: switch its time to live off, and provision again an hour later",
			want.Name, have.TimeToLive, orNone(want.TimeToLive)))
	}
	return w
}
