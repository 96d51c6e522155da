package local

import (
	"os"
	"os/exec"
	"testing"
)

const pretendStatement = "UPDATE queue_messages SET process = ? WHERE process = ?"

// pretend makes what this process has in flight that of another one.
func pretend(t *testing.T, b *Backend, token int64, host string, pid int) {
	t.Helper()
	err := b.write(t.Context(), "pretend", func(tx *tx) error {
		if _, err := tx.exec(pretendStatement, token, processToken); err != nil {
			return err
		}
		n, err := tx.exec("UPDATE processes SET token = ?, host = ?, pid = ? WHERE token = ?", token, host, pid, processToken)
		if n != 1 {
			t.Errorf("this process is registered %d times", n)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// endedPID is the pid of a process that has ended.
func endedPID(t *testing.T) int {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.list=^$")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// What an ended process of this host had in flight comes back at once, in its
// order and with its receive count; what others have does not.
func TestQ13QueueReleaseDead(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		host string
		pid  int
		dead bool
	}{
		"ended":                        {processHost(), endedPID(t), true},
		"its pid is ours by now":       {processHost(), os.Getpid(), true},
		"runs":                         {processHost(), os.Getppid(), false},
		"on another host":              {"elsewhere", endedPID(t), false},
		"on another host with our pid": {"elsewhere", os.Getpid(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			here, there, name, _ := newQueueFile(t)
			q := here.Queue(name)
			sendBodies(t, q, "g", "1", "2")
			ds := wantBodies(t, there.Queue(name), "1", "2")
			sendBodies(t, q, "g", "3")
			pretend(t, here, 1, c.host, c.pid)
			sendBodies(t, q, "mine", "4")
			wantBodies(t, q, "4")

			released, err := here.ReleaseDead(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !c.dead {
				if released != 0 {
					t.Fatalf("released %d messages of a process that may run", released)
				}
				wantBodies(t, q)
				return
			}
			if released != 2 {
				t.Fatalf("released %d messages, want 2", released)
			}
			again := wantBodies(t, q, "1", "2", "3")
			if again[0].ReceiveCount != 2 {
				t.Errorf("receive count %d, want 2", again[0].ReceiveCount)
			}
			failed, err := q.Delete(t.Context(), []string{ds[0].Receipt})
			if err != nil || len(failed) != 1 {
				t.Errorf("a receipt of the ended process is good: %v %v", failed, err)
			}
			if released, err := here.ReleaseDead(t.Context()); released != 0 || err != nil {
				t.Errorf("released %d again, error %v", released, err)
			}
		})
	}
}
