package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const monitoring = "../../deploy/monitoring/"

func readText(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// dashboard is what is read of Grafana's.
type dashboard struct {
	Panels []struct {
		ID         int
		Type       string
		Title      string
		Datasource struct{ UID string }
		GridPos    struct{ X, Y, W, H int }
		Targets    []struct{ Expr string }
	}
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(readText(t, monitoring+"postroom.grafana.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestRules has Prometheus's tool check the rules, and run their unit tests.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"check", "rules", rulesFile},
		{"test", "rules", monitoring + "postroom.rules.test.yml"},
	} {
		if out, err := promtool(t, args...); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, out)
		}
	}
}

// TestDashboard: Prometheus understands what the panels ask for, and no panel hides
// another one.
func TestDashboard(t *testing.T) {
	t.Parallel()
	var rules strings.Builder
	rules.WriteString("groups:\n- name: panels\n  rules:\n")
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		if ids[p.ID] {
			t.Errorf("%s: the id %d is used twice", p.Title, p.ID)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x >= 24 {
					t.Fatalf("%s lies over %q at %d, %d", p.Title, other, x, y)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		if p.Type != "row" && (p.Datasource.UID != "${datasource}" || len(p.Targets) == 0) {
			t.Errorf("%s: %d queries to %s", p.Title, len(p.Targets), p.Datasource.UID)
		}
		for i, target := range p.Targets {
			expr := strings.ReplaceAll(target.Expr, "$__rate_interval", "5m")
			fmt.Fprintf(&rules, "  - {record: panel_%d_%d, expr: %s}\n", p.ID, i, quoted(expr))
		}
	}
	file := filepath.Join(t.TempDir(), "panels.yml")
	if err := os.WriteFile(file, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := promtool(t, "check", "rules", file); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// alarms returns the names of all alarms.
func alarms(t *testing.T) (names []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(readText(t, rulesFile), -1) {
		names = append(names, m[1])
	}
	if len(names) < 20 {
		t.Fatalf("%d alarms", len(names))
	}
	return names
}

// TestRunbooks: each alarm says whom it wakes, and names its section of the operations
// guide, which there is; and no section is of an alarm that is gone.
func TestRunbooks(t *testing.T) {
	t.Parallel()
	rules := strings.Split(readText(t, rulesFile), "- alert: ")[1:]
	guide := readText(t, "../../docs/operations.md")
	for _, rule := range rules {
		name, _, _ := strings.Cut(rule, "\n")
		if !regexp.MustCompile(`(?m)^ +severity: (page|ticket)$`).MatchString(rule) {
			t.Errorf("%s has no severity", name)
		}
		if want := "runbook: docs/operations.md#" + strings.ToLower(name) + "\n"; !strings.Contains(rule, want) {
			t.Errorf("%s has no %s", name, want)
		}
		if !strings.Contains(guide, "\n### "+name+"\n") {
			t.Errorf("docs/operations.md has no section %s", name)
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^### (Postroom\w+)$`).FindAllStringSubmatch(guide, -1) {
		if !slices.Contains(alarms(t), m[1]) {
			t.Errorf("docs/operations.md has a section %s, and there is no such alarm", m[1])
		}
	}
}

// TestEveryAlarmIsTested: by a unit test that it fires in and one that it does not, and
// by one that causes its reason in the program.
func TestEveryAlarmIsTested(t *testing.T) {
	t.Parallel()
	units, causes := readText(t, monitoring+"postroom.rules.test.yml"), readText(t, "alarms_test.go")
	for _, name := range alarms(t) {
		query := regexp.MustCompile(`alertname="` + name + `", [^\n]*exp_samples: (\[\]|\[\{)`)
		results := map[string]bool{}
		for _, m := range query.FindAllStringSubmatch(units, -1) {
			results[m[1]] = true
		}
		if len(results) != 2 {
			t.Errorf("%s: unit tests expect only %v", name, slices.Collect(maps.Keys(results)))
		}
		if !strings.Contains(causes, `"`+name+`"`) {
			t.Errorf("no test causes %s", name)
		}
	}
}

// of Prometheus itself, or of the targets; not exposed.
var (
	ofPrometheus = []string{"ALERTS"}
	ofTargets    = []string{"table", "job", "instance", "alertname", "alertstate"}
)

// TestMonitoringNamesWhatIsExposed: rules and dashboard ask for metrics and labels that
// running daemons expose, and for no other.
func TestMonitoringNamesWhatIsExposed(t *testing.T) {
	t.Parallel()
	exposed := exposedByDaemons(t)
	var exprs []string
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			exprs = append(exprs, target.Expr)
		}
	}
	// What is left of the rules are their expressions, without comments and texts.
	text := regexp.MustCompile(`(?m)^( *#| +(- alert|for|severity|summary|description|runbook):| +- name:).*$`)
	exprs = append(exprs, text.ReplaceAllString(readText(t, rulesFile), ""))
	name := regexp.MustCompile(`\b((?:postroom|process|go)_\w+|ALERTS)\b`)
	selector := regexp.MustCompile(`\b(\w+)\{([^}]*)\}`)
	matched := regexp.MustCompile(`(\w+) *(?:=~|!~|!=|=)`)
	grouped := regexp.MustCompile(`\b(?:by|on|without|ignoring) \(([^)]*)\)`)
	asked := 0
	for _, expr := range exprs {
		for _, m := range name.FindAllString(expr, -1) {
			asked++
			if exposed[m] == nil && !slices.Contains(ofPrometheus, m) {
				t.Errorf("%s is not exposed: %s", m, expr)
			}
		}
		for _, s := range selector.FindAllStringSubmatch(expr, -1) {
			for _, m := range matched.FindAllStringSubmatch(s[2], -1) {
				if !exposed[s[1]][m[1]] && !slices.Contains(ofTargets, m[1]) {
					t.Errorf("%s has no label %q: %s", s[1], m[1], expr)
				}
			}
		}
		for _, m := range grouped.FindAllStringSubmatch(expr, -1) {
			for l := range strings.SplitSeq(m[1], ",") {
				if l = strings.TrimSpace(l); !anyHas(exposed, l) && !slices.Contains(ofTargets, l) {
					t.Errorf("no metric has a label %q: %s", l, expr)
				}
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d metrics were asked for", asked)
	}
}

func anyHas(metrics map[string]map[string]bool, label string) bool {
	for _, labels := range metrics {
		if labels[label] {
			return true
		}
	}
	return false
}

// exposedByDaemons returns the metrics that daemons expose, and the labels of each.
func exposedByDaemons(t *testing.T) (metrics map[string]map[string]bool) {
	metrics = map[string]map[string]bool{}
	s, h := newShell(t), newHook(t, 200)
	secret := s.file("secret", "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3\n")
	s.ok("post", "--from", ada, "--to", bob, "--message", "Hello")
	name, label := regexp.MustCompile(`^(\w+)(?:\{(.*)\})? `), regexp.MustCompile(`(\w+)="`)
	for _, line := range [][]string{
		{"project"},
		{"canary", "--until", "visible"},
		{"consume", "--sink", "webhook", "--webhook-url", h.URL, "--webhook-secret-file", secret, "--webhook-allow-private"},
	} {
		addr, stop := s.daemon(line...)
		_, text := getText(t, "http://"+addr+"/metrics")
		for line := range strings.Lines(text) {
			m := name.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			if metrics[m[1]] == nil {
				metrics[m[1]] = map[string]bool{}
			}
			for _, l := range label.FindAllStringSubmatch(m[2], -1) {
				metrics[m[1]][l[1]] = true
			}
		}
		stop()
	}
	return metrics
}
