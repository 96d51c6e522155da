package main

import (
	"fmt"
	"io"

	"github.com/postroom/postroom/internal/terminal"
)

// shownRecipients is how many recipients of a message are listed for people.
const shownRecipients = 20

// print writes an explanation for people.
func (e *explanation) print(w io.Writer) error {
	var t terminal.Table
	t.Row("conversation", e.Group)
	switch {
	case e.Newest == "":
	case !e.Opened:
		t.Row("opened", "no: nothing of it is projected")
	default:
		t.Row("opened", fmt.Sprintf("by %s, for %s members", e.OpenedBy, count(e.Members)))
		t.Row("projected", fmt.Sprintf("up to %s, moved at %s%s", e.Head, e.MovedAt, by(e.MovedBy)))
	}
	t.Row("newest", e.Newest)
	if e.Message != nil {
		e.Message.rows(&t)
	}
	for _, r := range e.Quarantined {
		t.Row("quarantined", fmt.Sprintf("%s: %s", r.ID, r.Reason))
	}
	for _, f := range e.Findings {
		t.Row("FINDING", f)
	}
	_, err := t.WriteTo(w)
	return err
}

func by(worker string) string {
	if worker == "" {
		return ""
	}
	return " by " + worker
}

func (x *explainedMessage) rows(t *terminal.Table) {
	t.Row()
	t.Row("message", fmt.Sprintf("%s, %s bytes", x.Key, count(x.Bytes)))
	if x.User != "" {
		t.Row("from", x.User)
	}
	t.Row("projected", yesNo(x.Projected))
	if r := x.Record; r != nil {
		t.Row("record", fmt.Sprintf("shard %s, sequence number %s, made %s, done: %s", r.Shard, r.Sequence, r.CreatedAt, yesNo(r.Passed)))
	}
	if x.TraceParent != "" {
		t.Row("trace", x.TraceParent)
	}
	for i, n := range x.Notifications {
		if i == shownRecipients {
			t.Row("to", fmt.Sprintf("and %s more", count(len(x.Notifications)-i)))
			break
		}
		t.Row("to", fmt.Sprintf("%s, notification %s: %s", n.Recipient, n.ID, n.State))
	}
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
