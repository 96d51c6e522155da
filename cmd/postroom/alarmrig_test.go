package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/backendtest"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/internal/retry"
	"github.com/postroom/postroom/projector"
)

const (
	rulesFile    = "../../deploy/monitoring/postroom.rules.yml"
	scrapePeriod = 15 * time.Second
	alarmsTable  = "postroom"
	alarmsQueue  = "postroom-notifications.fifo"
)

// promtool is Prometheus's own engine. A test that needs it is skipped where it is not
// installed, which CI does not allow.
func promtool(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	tool, err := filepath.Abs("../../.bin/promtool")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(tool); err != nil {
		if tool, err = exec.LookPath("promtool"); err != nil {
			if os.Getenv("POSTROOM_EMULATORS") == "required" {
				t.Fatal("promtool is not installed: .ci/run tools installs it")
			}
			t.Skip("promtool is not installed: .ci/run tools installs it")
		}
	}
	out, err := exec.Command(tool, args...).CombinedOutput()
	return string(out), err
}

// alarmRig runs daemons on a backend in memory, in virtual time, and scrapes them as
// Prometheus does. Calls can be made to fail.
type alarmRig struct {
	t       *testing.T
	backend *local.Backend
	fault   atomic.Pointer[callFault]
	// lockless: the leader's lock cannot be written.
	lockless atomic.Bool
	daemons  map[string]*alarmDaemon // by instance

	scrapes int
	series  map[string][]string // the values of a series, one for each scrape
}

// callFault is what happens to an instance's call: an error of a kind, or nothing but the
// time that it takes. The rig itself is the instance "".
type callFault func(ctx context.Context, instance string, call backendtest.Call) backend.Kind

type alarmDaemon struct {
	began    time.Time
	listener *pipes
	stop     context.CancelFunc
	ended    chan error
}

// inAlarmRig runs a story, and then expects that these alarms, and no other, have fired
// in it.
func inAlarmRig(t *testing.T, story func(r *alarmRig), want ...string) {
	t.Helper()
	inAlarmRigOn(t, local.Memory, story, want...)
}

// inAlarmRigOn is inAlarmRig on a data file.
func inAlarmRigOn(t *testing.T, file string, story func(r *alarmRig), want ...string) {
	t.Helper()
	t.Parallel()
	r := &alarmRig{t: t, daemons: map[string]*alarmDaemon{}, series: map[string][]string{}}
	synctest.Test(t, func(t *testing.T) {
		r.t = t
		var err error
		if r.backend, err = local.Open(file, local.Options{Shards: 2}); err != nil {
			t.Fatal(err)
		}
		if err := r.app("", nil).provisionLocal(t.Context()); err != nil {
			t.Fatal(err)
		}
		story(r)
		r.fault.Store(nil)
		r.endAll()
		if err := r.backend.Close(); err != nil {
			t.Error(err)
		}
	})
	r.t = t
	r.wantFired(want)
}

// app is that of a command on the rig's backend, whose calls can fail.
func (r *alarmRig) app(instance string, l net.Listener) *app {
	faulty := backendtest.Faulty(lockless{r.backend, &r.lockless}, func(ctx context.Context, call backendtest.Call) backendtest.Fault {
		if fault := r.fault.Load(); fault != nil {
			return backendtest.Fault{Kind: (*fault)(ctx, instance, call)}
		}
		return backendtest.Fault{}
	})
	return &app{
		process:  process{stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }},
		global:   &global{backend: "local", table: alarmsTable, queue: alarmsQueue},
		log:      slog.New(slog.DiscardHandler),
		backend:  faulty,
		listener: l,
	}
}

// faults makes calls fail, or take their time, from now on.
func (r *alarmRig) faults(f callFault) { r.fault.Store(&f) }

// down makes some calls fail from now on, as if their server were away.
func (r *alarmRig) down(ops ...string) {
	r.faults(func(ctx context.Context, _ string, call backendtest.Call) backend.Kind {
		if slices.Contains(ops, call.Op) || slices.Contains(ops, call.Op+" "+call.Name) {
			return backend.KindUnavailable
		}
		return backend.KindUnknown
	})
}

// slow makes calls of one operation take a while.
func (r *alarmRig) slow(op string, d time.Duration) {
	r.faults(func(ctx context.Context, _ string, call backendtest.Call) backend.Kind {
		if call.Op == op {
			_ = retry.Sleep(ctx, d, nil) // sooner where the caller gives up
		}
		return backend.KindUnknown
	})
}

func (r *alarmRig) up() { r.fault.Store(nil) }

func (r *alarmRig) start(instance string, run func(ctx context.Context, a *app) error) {
	l := &pipes{clients: make(chan net.Conn), closed: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	d := &alarmDaemon{began: time.Now(), listener: l, stop: stop, ended: make(chan error, 1)}
	r.daemons[instance] = d
	go func() { d.ended <- run(ctx, r.app(instance, l)) }()
}

// project starts a projector.
func (r *alarmRig) project(instance string) {
	r.start(instance, func(ctx context.Context, a *app) error {
		return a.project(ctx, projector.Options{Worker: instance}, idleOptions{})
	})
}

// consume starts a consumer, with a webhook if there is a URL.
func (r *alarmRig) consume(instance, dedup, url string) {
	o := consumeOptions{
		sink:        sinkOptions{kind: "log"},
		dedup:       dedupOptions{store: dedup, ttl: 24 * time.Hour},
		concurrency: 16, visibility: 30 * time.Second, drain: 8 * time.Second,
	}
	if url != "" {
		o.sink = sinkOptions{kind: "webhook", url: url, timeout: 15 * time.Second, allowPrivate: true}
	}
	r.start(instance, func(ctx context.Context, a *app) error {
		a.getenv = func(name string) string {
			return map[string]string{"POSTROOM_WEBHOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3"}[name]
		}
		return a.consume(ctx, o)
	})
}

// canary starts a canary.
func (r *alarmRig) canary(instance, until string) {
	r.start(instance, func(ctx context.Context, a *app) error {
		return a.canary(ctx, canaryOptions{name: "canary", every: time.Minute, timeout: 30 * time.Second, until: until})
	})
}

// end stops a daemon.
func (r *alarmRig) end(instance string) error {
	d := r.daemons[instance]
	delete(r.daemons, instance)
	d.stop()
	return <-d.ended
}

func (r *alarmRig) endAll() {
	r.t.Helper()
	for instance := range r.daemons {
		if err := r.end(instance); err != nil {
			r.t.Error(err)
		}
	}
}

// post appends a message from ada to bob, or another one that is made of it.
func (r *alarmRig) post(change func(*postroom.Message)) {
	r.t.Helper()
	m := postroom.Message{
		GroupUUID: postroom.PairUUID(ada, bob), MessageUUID: uuid.NewString(), UserUUID: ada, DisplayName: "Ada", Handle: "@ada",
		Text: "How are you?", CreatedAt: time.Now(), Members: []postroom.Member{
			{UserUUID: ada, DisplayName: "Ada", Handle: "@ada"}, {UserUUID: bob, DisplayName: "Bob", Handle: "@bob"},
		},
	}
	if change != nil {
		change(&m)
	}
	if _, err := r.backend.Table(alarmsTable).Put(context.Background(), m.Item(), backend.Condition{}); err != nil {
		r.t.Fatal(err)
	}
}

// away lets time pass in which nobody runs. Of that Prometheus sees an hour and a half.
func (r *alarmRig) away(d time.Duration) {
	time.Sleep(d)
	r.scrapes += int(90 * time.Minute / scrapePeriod)
}

// watch scrapes for a while, and does something before each scrape.
func (r *alarmRig) watch(for_ time.Duration, do func()) {
	r.t.Helper()
	for range int(for_ / scrapePeriod) {
		if do != nil {
			do()
		}
		time.Sleep(scrapePeriod)
		for instance, d := range r.daemons {
			r.scrape(instance, d)
		}
		r.scrapes++
	}
}

// scrape takes what a daemon exposes. One that has ended answers nothing.
func (r *alarmRig) scrape(instance string, d *alarmDaemon) {
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true, DisableCompression: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			client, server := net.Pipe()
			select {
			case d.listener.clients <- server:
				return client, nil
			case <-d.listener.closed:
			case <-ctx.Done():
			}
			return nil, errors.New("refused")
		},
	}}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/metrics", http.NoBody)
	if err != nil {
		r.t.Fatal(err)
	}
	response, err := client.Do(request)
	if err != nil {
		return
	}
	defer response.Body.Close()
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		line := lines.Text()
		if strings.HasPrefix(line, "process_start_time_seconds ") {
			line = fmt.Sprint("process_start_time_seconds ", d.began.Unix()) // it stands for a process
		}
		if strings.HasPrefix(line, "postroom_") || strings.HasPrefix(line, "process_start_time_seconds ") {
			r.add(instance, line)
		}
	}
}

// add takes the value of one series, as a target's job and instance make it.
func (r *alarmRig) add(instance, line string) {
	i := strings.LastIndexByte(line, ' ')
	name, labels, _ := strings.Cut(strings.TrimSuffix(line[:i], "}"), "{")
	if labels != "" {
		labels = "," + labels
	}
	key := fmt.Sprintf("%s{job=%q,instance=%q%s}", name, "postroom", instance, labels)
	values := r.series[key]
	for i := len(values); i < r.scrapes; i++ { // it was away
		if i == len(values) && len(values) > 0 && values[len(values)-1] != "_" {
			values = append(values, "stale")
			continue
		}
		values = append(values, "_")
	}
	if _, err := strconv.ParseFloat(line[i+1:], 64); err != nil {
		r.t.Fatalf("%s: %v", line, err)
	}
	r.series[key] = append(values, line[i+1:])
}

// wantFired has Prometheus's engine evaluate the rules over what was scraped.
func (r *alarmRig) wantFired(want []string) {
	r.t.Helper()
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		r.t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "rule_files: [%q]\nevaluation_interval: 15s\ntests:\n  - interval: 15s\n    input_series:\n", rules)
	for key, values := range r.series {
		if len(values) < r.scrapes {
			values = append(values, "stale")
		}
		fmt.Fprintf(&b, "      - {series: %s, values: %s}\n", quoted(key), quoted(strings.Join(values, " ")))
	}
	at := time.Duration(r.scrapes) * scrapePeriod
	fmt.Fprintf(&b, "    promql_expr_test:\n      - expr: %s\n        eval_time: %ds\n        exp_samples:\n",
		quoted(fmt.Sprintf(`group by (alertname) (max_over_time(ALERTS{alertstate="firing"}[%ds]))`, int(at.Seconds())+60)), int(at.Seconds()))
	slices.Sort(want)
	for _, name := range want {
		fmt.Fprintf(&b, "          - {labels: %s, value: 1}\n", quoted(fmt.Sprintf(`{alertname=%q}`, name)))
	}
	file := filepath.Join(r.t.TempDir(), "scraped.yml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		r.t.Fatal(err)
	}
	if out, err := promtool(r.t, "test", "rules", file); err != nil {
		r.t.Errorf("want %v to fire, and no other alarm: %v\n%s", want, err, out)
	}
}

// lockless is a backend on which the leader's lock cannot be written at times.
type lockless struct {
	backend.Backend

	on *atomic.Bool
}

func (b lockless) Table(name string) backend.Table {
	return backend.Intercept(b.Backend.Table(name), func(ctx context.Context, call *backend.TableCall, next func(context.Context) error) error {
		if b.on.Load() && call.Op == "Put" && call.Key.SK == "LEADER" {
			return &backend.Error{Op: call.Op, Kind: backend.KindUnavailable}
		}
		return next(ctx)
	})
}

// conversation makes a message one that opens a conversation of its own, whose other
// member nobody else writes to.
func conversation(m *postroom.Message) {
	m.GroupUUID = uuid.NewString()
	m.Members = []postroom.Member{m.Members[0], {UserUUID: uuid.NewString(), DisplayName: "Bob", Handle: "@bob"}}
}

// quoted is a text of YAML.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
