package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Every trouble begins and ends with one of these.
const (
	troubleBegins = " fails, trying again"
	troubleEnds   = " works again"
)

// troubles reads a daemon's log: each line is of JSON, and each kind of trouble
// is told once when it begins and once when it is over. It returns how often
// each call had trouble, and of those that have not been over, the kinds.
func troubles(log []string) (begun map[string]int, open map[string][]string, err error) {
	begun, open = map[string]int{}, map[string][]string{}
	for i, line := range log {
		var entry struct{ Msg, Kind string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			if i == len(log)-1 && strings.HasPrefix(line, "postroom: ") {
				continue // why it ended, for a person
			}
			return begun, open, fmt.Errorf("line %d of the log is not JSON: %s", i+1, line)
		}
		if what, ok := strings.CutSuffix(entry.Msg, troubleBegins); ok {
			kinds := open[what]
			if slices.Contains(kinds, entry.Kind) {
				return begun, open, fmt.Errorf("line %d of the log says again what was said: %s", i+1, line)
			}
			if len(kinds) == 0 {
				begun[what]++
			}
			open[what] = append(kinds, entry.Kind)
		}
		if what, ok := strings.CutSuffix(entry.Msg, troubleEnds); ok {
			if len(open[what]) == 0 {
				return begun, open, fmt.Errorf("line %d of the log says that it is over, and not what was wrong: %s", i+1, line)
			}
			delete(open, what)
		}
	}
	return begun, open, nil
}

// calm returns once the log says of every trouble that it is over.
func (p *process) calm() {
	p.t.Helper()
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		log, more := p.log.next()
		_, open, err := troubles(log)
		if err != nil {
			p.t.Errorf("%s: %v", p.name, err)
		}
		if err != nil || len(open) == 0 {
			return
		}
		select {
		case <-more:
		case <-p.exited:
			p.t.Errorf("%s ended, and did not say that it is over: %v", p.name, open)
			return
		case <-timeout.C:
			p.t.Errorf("%s did not say within %v that it is over: %v", p.name, patience, open)
			return
		}
	}
}
