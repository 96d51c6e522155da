package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRollingBack brings out this version beside an earlier one, rolls it back,
// and brings it out again, while messages come in. The versions share the table
// or follow one another, and neither harms the other.
//
// POSTROOM_PREVIOUS names the earlier versions: commits, with spaces in between.
//
// It has the machine for itself: an earlier version gives up at its start when a
// server answers late.
func TestRollingBack(t *testing.T) {
	refs := strings.Fields(os.Getenv("POSTROOM_PREVIOUS"))
	if len(refs) == 0 {
		need(t, errors.New("POSTROOM_PREVIOUS names no earlier version"))
	}
	for _, ref := range refs {
		t.Run(ref, func(t *testing.T) {
			t.Parallel()
			earlier, shares := versionAt(t, ref)
			roll := rollBack
			if !shares {
				roll = rollBackBeforeFleets
			}
			t.Run("on a server", func(t *testing.T) {
				t.Parallel()
				roll(t, roomyServer(t), earlier)
			})
			t.Run("on a file, of four shards", func(t *testing.T) {
				t.Parallel()
				roll(t, &server{file: filepath.Join(t.TempDir(), "postroom.db")}, earlier)
			})
		})
	}
}

// rollBack is for an earlier version that shares the stream.
func rollBack(t *testing.T, s *server, earlier string) {
	p := newUpgrade(t, s, earlier)
	old := p.join(earlier)
	p.startLoad(s.url)
	fresh := []*process{p.join(p.program), p.join(p.program)}
	p.share(old, fresh[0], fresh[1])
	old.stop()
	p.reader(fresh...)
	p.load.more(100)

	old = p.join(earlier)
	p.share(old, fresh[0], fresh[1])
	p.load.more(100)
	for _, f := range fresh {
		f.kill()
	}
	p.reader(old)
	p.load.more(100)

	fresh = []*process{p.join(p.program), p.join(p.program)}
	p.share(old, fresh[0], fresh[1])
	p.load.more(100)
	old.kill()
	p.reader(fresh...)

	p.projectors = []*process{fresh[0], fresh[1], p.join(earlier)}
	p.share(p.projectors...)
	p.load.more(100)
	p.recover()
	p.quiet()
}

// rollBackBeforeFleets is for an earlier version that reads alone: it is waited
// for, and refuses to start while others read.
func rollBackBeforeFleets(t *testing.T, s *server, earlier string) {
	const waits = "the stream is read by a worker of a version that does not share it: waiting until it stops"
	p := newUpgrade(t, s, earlier)
	old := p.projectorOf(earlier, s.url)
	p.reader(old)
	p.startLoad(s.url)
	fresh := []*process{p.join(p.program), p.join(p.program)}
	for _, f := range fresh {
		if err := f.says(waits); err != nil {
			t.Fatal(err)
		}
	}
	if p.reader(fresh[0], fresh[1], old) != old {
		t.Error("the earlier version lost the stream to one that was to wait")
	}
	old.stop()
	p.reader(fresh...)
	p.load.more(100)

	old = p.projectorOf(earlier, s.url)
	if err := await(t.Context(), "the earlier version to give up", old.exited); err != nil {
		t.Fatal(err)
	}
	if code := old.cmd.ProcessState.ExitCode(); code != 1 || !old.said("the stream is read by") {
		t.Errorf("the earlier version ended with exit code %d: %s", code, old.log.tail(3))
	}
	for _, f := range fresh {
		f.kill()
	}
	old = p.projectorOf(earlier, s.url)
	p.reader(old)
	p.load.more(100)

	fresh = []*process{p.join(p.program), p.join(p.program)}
	for _, f := range fresh {
		if err := f.says(waits); err != nil {
			t.Fatal(err)
		}
	}
	old.kill()
	p.reader(fresh...)
	p.projectors = fresh
	p.recover()
	p.quiet()
}

// newUpgrade is a plant that an earlier version has provisioned, with a consumer
// of this one.
func newUpgrade(t *testing.T, s *server, earlier string) *plant {
	t.Helper()
	p := &plant{world: newWorld(t, s, options{program: earlier})}
	program, err := built()
	if err != nil {
		t.Fatal(err)
	}
	p.program = program
	p.consumer = p.world.consumer(s.url, "--visibility", "5s")
	return p
}

// join starts a projector of a version that shares the stream.
func (p *plant) join(program string) *process {
	p.t.Helper()
	d := p.projectorOf(program, p.server.url)
	if err := d.says("joined the worker group"); err != nil {
		p.t.Fatal(err)
	}
	return d
}

// share returns once each projector reads, where there are shards enough.
func (p *plant) share(all ...*process) {
	p.t.Helper()
	if p.server.file == "" {
		return // one shard
	}
	for _, one := range all {
		p.reader(one)
	}
}

// versionAt builds the program as it was at a commit, and tells whether it
// shares a stream with others.
func versionAt(t *testing.T, ref string) (program string, shares bool) {
	t.Helper()
	directory := t.TempDir()
	program = filepath.Join(directory, "postroom")
	archive := filepath.Join(directory, "source.tar")
	source := filepath.Join(directory, "source")
	if err := os.Mkdir(source, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		in   string
		args []string
	}{
		{"..", []string{"git", "archive", "--output", archive, ref}},
		{source, []string{"tar", "-xf", archive}},
		{source, []string{"go", "build", "-buildvcs=false", "-o", program, "./cmd/postroom"}},
	} {
		cmd := exec.CommandContext(t.Context(), step.args[0], step.args[1:]...)
		cmd.Dir = step.in
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", strings.Join(step.args, " "), err, out)
		}
	}
	_, err := os.Stat(filepath.Join(source, "stream", "fleet.go"))
	return program, err == nil
}
