package deploy

import (
	"fmt"
	"strings"

	"github.com/postroom/postroom/backend"
)

// difference is one respect in which something is not as it should be.
type difference struct {
	what, have, want string
	mend             string
}

// MisfitError is the error for a table or queue that is there and does not fit.
type MisfitError struct {
	Kind string // "table" or "queue"
	Name string

	differences []difference
}

func (m *MisfitError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s does not fit", m.Kind, m.Name)
	for _, d := range m.differences {
		fmt.Fprintf(&b, "; %s is %s and should be %s: %s", d.what, d.have, d.want, d.mend)
	}
	return b.String()
}

const anotherTable = "give another table's name, or remove this one if nothing else uses it"

// compareTable says what keeps a table from being used. Backups, protection and
// time to live do not: see warnings.
func compareTable(have, want backend.TableSpec, anyIndex bool) error {
	m := &MisfitError{Kind: "table", Name: want.Name}
	m.compare("its key", keys(have.PartitionKey, have.SortKey), keys(want.PartitionKey, want.SortKey), anotherTable)
	m.compare("its stream", orNone(have.StreamView), orNone(want.StreamView), mendStream(have, want))
	if have.Index != nil && (want.Index != nil || !anyIndex) || want.Index != nil && !anyIndex {
		m.compare("its index", index(have.Index), index(want.Index), mendIndex(want))
	}
	return m.err()
}

func compareQueue(have, want backend.QueueSpec) error {
	m := &MisfitError{Kind: "queue", Name: want.Name}
	mend := "set that attribute of the queue, or give another queue's name"
	m.compare("its dead-letter queue", orNone(have.DeadLetterQueue), orNone(want.DeadLetterQueue), mend)
	m.compare("maxReceiveCount", fmt.Sprint(have.MaxReceiveCount), fmt.Sprint(want.MaxReceiveCount), mend)
	m.compare("its visibility timeout", seconds(have.VisibilitySeconds), seconds(want.VisibilitySeconds), mend)
	m.compare("its retention", seconds(have.RetentionSeconds), seconds(want.RetentionSeconds), mend)
	return m.err()
}

func (m *MisfitError) compare(what, have, want, mend string) {
	if have != want {
		m.differences = append(m.differences, difference{what, have, want, mend})
	}
}

func (m *MisfitError) err() error {
	if m.differences == nil {
		return nil
	}
	return m
}

func mendStream(have, want backend.TableSpec) string {
	switch {
	case want.StreamView == "":
		return anotherTable
	case have.StreamView == "":
		return "switch the table's stream on with that view"
	}
	return "switch the table's stream off, and on again with that view"
}

func mendIndex(want backend.TableSpec) string {
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

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func orEver(s string) string {
	if s == "" {
		return "they are deleted"
	}
	return s
}

func seconds(n int) string { return fmt.Sprintf("%ds", n) }

// warnings are the differences that a table can be used with.
func warnings(have, want backend.TableSpec) []string {
	var w []string
	if want.PointInTimeRecovery && !have.PointInTimeRecovery {
		w = append(w, fmt.Sprintf("table %s: point-in-time recovery is off, or the server does not tell", want.Name))
	}
	if want.DeletionProtection && !have.DeletionProtection {
		w = append(w, fmt.Sprintf("table %s: deletion protection is off", want.Name))
	}
	switch have.TimeToLive {
	case "", want.TimeToLive:
	default:
		w = append(w, fmt.Sprintf("table %s: its items live until %s, and should until %s: switch its time to live off, and provision again an hour later",
			want.Name, have.TimeToLive, orEver(want.TimeToLive)))
	}
	return w
}
