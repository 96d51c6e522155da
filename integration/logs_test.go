package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The log lines at the beginning and the end of an incident have these endings.
const (
	incidentBegins = " fails, trying again"
	incidentEnds   = " works again"
)

// lasting is how long nothing may fail before a daemon says that an incident is
// over. How many incidents one fault causes depends on the machine's speed, since
// calls may be late by themselves; how long this time is does not.
const lasting = 10 * time.Second

// incident is one that a daemon logged.
type incident struct {
	what  string   // the operation that fails
	kinds []string // of errors
	begun time.Time
	over  bool
	hasty bool // the daemon said too early that it is over
}

// incidents reads a daemon's log: each line is JSON, and an incident is logged once
// for each kind of error, and once when it is over.
func incidents(log []string) (all []*incident, err error) {
	open := map[string]*incident{}
	leaves := false
	for i, line := range log {
		var entry struct {
			Time             time.Time
			Msg, Kind, After string
		}
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			if i == len(log)-1 && strings.HasPrefix(line, "postroom: ") {
				continue // why it ended, for a human reader
			}
			return all, fmt.Errorf("line %d of the log is not JSON: %s", i+1, line)
		}
		if what, ok := strings.CutSuffix(entry.Msg, incidentBegins); ok {
			t := open[what]
			if t == nil {
				t = &incident{what: what, begun: entry.Time}
				open[what] = t
				all = append(all, t)
			}
			if slices.Contains(t.kinds, entry.Kind) {
				return all, fmt.Errorf("line %d of the log repeats an incident: %s", i+1, line)
			}
			t.kinds = append(t.kinds, entry.Kind)
		}
		if what, ok := strings.CutSuffix(entry.Msg, incidentEnds); ok {
			t := open[what]
			if t == nil {
				return all, fmt.Errorf("line %d of the log ends an incident that has not begun: %s", i+1, line)
			}
			delete(open, what)
			worked, err := time.ParseDuration(entry.After)
			if err != nil {
				return all, fmt.Errorf("line %d of the log: %w", i+1, err)
			}
			t.over = true
			t.hasty = !leaves && entry.Time.Sub(t.begun.Add(worked)) < lasting-time.Second
		}
		switch { // a projector that rejoins abandons what it did before
		case strings.HasSuffix(entry.Msg, "going over to the new one"):
			leaves = true
		case entry.Msg == "joined the worker group":
			leaves = false
		case strings.HasSuffix(entry.Msg, "it rejoins"):
			for _, t := range all {
				t.hasty = false
			}
		}
	}
	return all, nil
}

// stillWrong returns the operations whose incidents are not over.
func stillWrong(all []*incident) (open []string) {
	for _, t := range all {
		if !t.over {
			open = append(open, t.what)
		}
	}
	return open
}

// resolved waits until a daemon's log says that all incidents are over, and returns
// them.
func (p *process) resolved() []*incident {
	p.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		log, more := p.log.next()
		all, err := incidents(log)
		if err != nil {
			p.t.Errorf("%s: %v", p.name, err)
			return all
		}
		open := stillWrong(all)
		if len(open) == 0 {
			return all
		}
		select {
		case <-more:
		case <-p.exited:
			p.t.Errorf("%s ended without saying that these are over: %v", p.name, open)
			return all
		case <-timeout.C:
			p.t.Errorf("%s did not say within %v that these are over: %v", p.name, patience, open)
			return all
		}
	}
}

// quietened waits until a daemon says that all incidents are over, and expects that
// it did not say so too early.
func (p *process) quietened() {
	p.t.Helper()
	for _, t := range p.resolved() {
		p.t.Logf("%s: %s failed (%s)", p.name, t.what, strings.Join(t.kinds, ", "))
		if t.hasty {
			p.t.Errorf("%s: it said that %s works again before that had lasted for %v", p.name, t.what, lasting)
		}
	}
}

// undisturbed expects that nothing failed, except calls that were not answered in
// time on a slow machine.
func (p *process) undisturbed() {
	p.t.Helper()
	all, err := incidents(p.log.all())
	if err != nil {
		p.t.Errorf("%s: %v", p.name, err)
	}
	for _, t := range all {
		if !slices.Equal(t.kinds, []string{"unavailable"}) {
			p.t.Errorf("%s: %s fails, although nothing is broken: %v", p.name, t.what, t.kinds)
		}
	}
}
