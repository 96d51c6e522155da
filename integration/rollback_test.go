package integration

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestRollingBack rolls this version out beside an earlier one, rolls it back, and
// rolls it out again, while messages come in. The versions share the table or
// follow one another, and neither harms the other.
//
// POSTROOM_PREVIOUS names the commit of the earlier version, which has to have the
// same durable formats (see FORMATS). No other test runs meanwhile: an earlier
// version may give up at its start if a server answers late.
func TestRollingBack(t *testing.T) {
	ref := os.Getenv("POSTROOM_PREVIOUS")
	if ref == "" {
		need(t, errors.New("POSTROOM_PREVIOUS names no earlier version"))
	}
	earlier := versionAt(t, ref)
	t.Run("on a server", func(t *testing.T) {
		t.Parallel()
		rollBack(t, roomyServer(t), earlier)
	})
	t.Run("on a file, of four shards", func(t *testing.T) {
		t.Parallel()
		rollBack(t, &server{file: filepath.Join(t.TempDir(), "postroom.db")}, earlier)
	})
}

// rollBack has projectors of both versions join and leave one worker group.
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

// newUpgrade returns a plant that an earlier version has provisioned, with a
// consumer of this version.
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

// join starts a projector of a version, and returns once it is in the group.
func (p *plant) join(program string) *process {
	p.t.Helper()
	d := p.projectorOf(program, p.server.url)
	if err := d.says("joined the worker group"); err != nil {
		p.t.Fatal(err)
	}
	return d
}

// share waits until each projector reads, if there are enough shards.
func (p *plant) share(all ...*process) {
	p.t.Helper()
	if p.server.file == "" {
		return // one shard
	}
	for _, one := range all {
		p.reader(one)
	}
}

// versionAt builds the program of a commit.
func versionAt(t *testing.T, ref string) string {
	t.Helper()
	directory := t.TempDir()
	program := filepath.Join(directory, "postroom")
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
	return program
}
