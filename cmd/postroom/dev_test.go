package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/cmd/postroom/sample"
)

func TestDevImportsTheSampleOnce(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	dev := func(args ...string) (d devJSON, fields []string) {
		t.Helper()
		out := s.ok(append([]string{"dev", "--until-idle", "--idle-after", "100ms", "--json", "--addr", "127.0.0.1:0"}, args...)...)
		if err := json.Unmarshal([]byte(out), &d); err != nil || strings.Count(out, "\n") != 1 {
			t.Fatalf("%v in %s", err, out)
		}
		for _, m := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(out, -1) {
			fields = append(fields, m[1])
		}
		return d, fields
	}
	first, fields := dev()
	const order = "messages conversations group_items quarantined imported notifications_sent notifications_delivered duplicates_dropped write_units read_units seconds"
	if got := strings.Join(fields, " "); got != order {
		t.Errorf("fields %s", got)
	}
	if first.Messages != sample.Messages || first.Conversations != 692 || first.GroupItems != 2*692 || first.Quarantined != 0 ||
		first.Imported != sample.Messages || first.NotificationsDelivered < sample.Messages ||
		first.WriteUnits < sample.Messages || first.ReadUnits == 0 || first.Seconds == 0 {
		t.Errorf("first start: %+v", first)
	}
	if out := s.ok("verify"); !strings.HasSuffix(out, ": 0 differences\n") {
		t.Errorf("verify printed %s", out)
	}
	second, _ := dev()
	if second.Messages != sample.Messages || second.Imported != 0 || second.NotificationsSent != 0 || second.WriteUnits > 100 {
		t.Errorf("second start: %+v", second)
	}
	third, _ := dev("--import", s.file("one.jsonl", message(t, nil)))
	if third.Messages != sample.Messages+1 || third.Imported != 1 || third.NotificationsDelivered != 1 {
		t.Errorf("with a file: %+v", third)
	}
}

func TestDevInterruptedImportGoesOn(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	ctx, cancel := context.WithCancel(t.Context())
	read, written := io.Pipe()
	go func() { // dies with an unfinished import: stdin never ends
		_, _ = io.WriteString(written, message(t, nil))
		cancel()
	}()
	code := run(ctx, []string{"dev", "--addr", "127.0.0.1:0", "--data", s.path("postroom.db"), "--import", "-"}, process{
		stdin: read, stdout: io.Discard, stderr: io.Discard, getenv: func(string) string { return "" }, command: "postroom",
	})
	_ = written.Close()
	if code != exitFailed {
		t.Errorf("exit code %d of an interrupted import", code)
	}
	s.file("all.jsonl", manyMessages(t, 3))
	s.ok("dev", "--until-idle", "--idle-after", "50ms", "--addr", "127.0.0.1:0", "--import", s.path("all.jsonl"))
	s.ok("verify")
}

// TestDevFillsTheDirectory: the people in what dev imports are in the directory, the
// latest names of each, and post leaves it alone.
func TestDevFillsTheDirectory(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	people := func(m *postroom.Message) {
		m.Members = []postroom.Member{{UserUUID: ada, DisplayName: "Old", Handle: "@old"}, {UserUUID: bob, DisplayName: "Bob", Handle: "@ADA"}}
		m.GroupUUID = postroom.PairUUID(ada, bob)
		m.UserUUID, m.DisplayName, m.Handle = ada, "Old", "@old"
	}
	file := s.file("people.jsonl", message(t, people)+message(t, func(m *postroom.Message) {
		people(m)
		m.Members, m.MessageUUID, m.CreatedAt = nil, chloe, m.CreatedAt.Add(time.Hour)
		m.DisplayName, m.Handle = "Ada", "@ada"
	}))
	s.ok("post", "--file", file)
	if out := s.ok("user", "list", "--json"); out != "" {
		t.Errorf("post has filled the directory: %s", out)
	}
	dev := []string{"dev", "--until-idle", "--idle-after", "50ms", "--addr", "127.0.0.1:0", "--import", file}
	out := s.ok(dev...)
	if !strings.Contains(out, "The directory has 2 profiles by what was imported.") ||
		strings.Count(out, "Handles left out, as somebody else's or none at all: 1. The first: user "+bob) != 1 {
		t.Errorf("dev printed %s", out)
	}
	for user, want := range map[string]string{ada: "Ada", bob: "Bob"} {
		got := lines[profileJSON](t, s.ok("user", "show", user, "--json"))[0]
		if got.DisplayName != want || (got.Handle == "ada") != (user == ada) {
			t.Errorf("%s is %+v", want, got)
		}
	}
	s.ok("user", "rename", "ada", "--name", "Countess")
	if out := s.ok(dev...); strings.Contains(out, "profiles") {
		t.Errorf("the second time dev printed %s", out)
	}
	if out := s.ok("user", "show", ada); !strings.Contains(out, "Countess") {
		t.Errorf("what was renamed became %s", out)
	}
	s.ok("verify")
}

func TestDevRefusedLinesAreAFailure(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	r := s.run("dev", "--until-idle", "--idle-after", "50ms", "--addr", "127.0.0.1:0",
		"--import", s.file("broken.jsonl", "{\n"+message(t, nil)))
	if r.code != exitFailed || !strings.Contains(r.stderr, "line 1: ") || !strings.Contains(r.stdout, "1 messages") {
		t.Errorf("%+v", r)
	}
}

// TestQ10DevStaysUp walks through what a person sees who starts dev, pastes
// what it suggests, and stops it.
func TestQ10DevStaysUp(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	file := s.file("messages.jsonl", manyMessages(t, 30))
	out, in := io.Pipe()
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"dev", "--addr", "127.0.0.1:0", "--data", s.path("postroom.db"), "--import", file}, process{
			stdin: strings.NewReader(""), stdout: in, stderr: io.Discard,
			getenv: func(string) string { return "" }, command: "postroom",
		})
		_ = in.Close()
	}()
	seen := bufio.NewScanner(out)
	until := func(part string) (line string, all []string) {
		t.Helper()
		for seen.Scan() {
			all = append(all, seen.Text())
			if strings.Contains(seen.Text(), part) {
				return seen.Text(), all
			}
		}
		t.Fatalf("dev ended before it printed %q:\n%s", part, strings.Join(all, "\n"))
		return "", nil
	}
	health, printed := until("Health: ")
	url := regexp.MustCompile(`http://\S+`).FindString(health)
	for _, path := range []string{url, strings.Replace(url, "readyz", "healthz", 1), strings.Replace(url, "readyz", "metrics", 1)} {
		if status := get(t, path); status != http.StatusOK {
			t.Errorf("%s answers %d", path, status)
		}
	}
	for _, line := range printed {
		command, found := strings.CutPrefix(strings.TrimSpace(line), "postroom ")
		if !found {
			continue
		}
		if s.ok(words(command)...) == "" {
			t.Errorf("postroom %s prints nothing", command)
		}
	}
	if line, _ := until("delivered to"); !strings.Contains(line, "Hello!") {
		t.Errorf("delivery of the pasted reply: %s", line)
	}
	start := time.Now()
	cancel()
	for seen.Scan() { // the pipe must not hold it up
	}
	if code := <-ended; code != exitDone {
		t.Errorf("exit code %d", code)
	}
	// Two seconds are promised; a machine that is busy with tests may take longer, but not
	// as long as a receive waits.
	if took := time.Since(start); took > backend.MaxWait*3/4 {
		t.Errorf("stopping took %v", took)
	}
	s.ok("verify")
}

func get(t *testing.T, url string) (status int) {
	t.Helper()
	status, _ = getText(t, url)
	return status
}

func getText(t *testing.T, url string) (status int, text string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

// words splits a command line as a shell does, as far as it is quoted here.
func words(line string) (all []string) {
	for _, m := range regexp.MustCompile(`'([^']*)'|(\S+)`).FindAllStringSubmatch(line, -1) {
		all = append(all, m[1]+m[2])
	}
	return all
}
