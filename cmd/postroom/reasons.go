package main

import (
	"cmp"
	"io"
	"regexp"
	"slices"

	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/projector/quarantine"
)

// maxGroups bounds how many reasons are told apart; what comes beyond is counted together.
const maxGroups = 1000

// reasons counts records by reason. The zero value is empty.
type reasons struct {
	records int
	groups  map[string]*reasonJSON
}

// reasonJSON is the records of one reason.
type reasonJSON struct {
	Records int    `json:"records"`
	Reason  string `json:"reason"`
	Waiting int    `json:"waiting"` // of the records: they are requeued by themselves
	First   string `json:"first_quarantined_at"`
	Last    string `json:"last_quarantined_at"`
	Example string `json:"example"` // the id of one of them
}

// varies is what differs between reasons that are the same to a person.
var varies = regexp.MustCompile(`"(?:[^"\\]|\\.)*"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z?|\b\d+\b`)

// add counts a record.
func (r *reasons) add(s *quarantine.Stored) {
	r.records++
	if r.groups == nil {
		r.groups = map[string]*reasonJSON{}
	}
	reason := varies.ReplaceAllString(s.Reason, "…")
	if r.groups[reason] == nil && len(r.groups) >= maxGroups {
		reason = "any other reason"
	}
	g := r.groups[reason]
	if g == nil {
		g = &reasonJSON{Reason: reason, Example: s.ID}
		r.groups[reason] = g
	}
	g.Records++
	if s.Waiting {
		g.Waiting++
	}
	if at := formatTime(s.QuarantinedAt); at != "" {
		g.Last = max(g.Last, at)
		if g.First == "" || at < g.First {
			g.First = at
		}
	}
}

// sorted returns the reasons, the most frequent first.
func (r *reasons) sorted() []*reasonJSON {
	all := []*reasonJSON{}
	for _, g := range r.groups {
		all = append(all, g)
	}
	slices.SortFunc(all, func(a, b *reasonJSON) int {
		return cmp.Or(cmp.Compare(b.Records, a.Records), cmp.Compare(a.Reason, b.Reason))
	})
	return all
}

// print writes the most frequent reasons for people.
func (r *reasons) print(w io.Writer, most int) error {
	var t terminal.Table
	t.Row("RECORDS", "LAST QUARANTINED AT", "REASON")
	all := r.sorted()
	shown := all[:min(most, len(all))]
	for _, g := range shown {
		t.Row(count(g.Records), g.Last, terminal.Line(g.Reason, 2*textWidth))
	}
	if more := all[len(shown):]; len(more) > 0 {
		n := 0
		for _, g := range more {
			n += g.Records
		}
		t.Row(count(n), "", "of "+count(len(more))+" other reasons")
	}
	_, err := t.WriteTo(w)
	return err
}
