package local

import (
	"context"
	"database/sql"
	"math/rand/v2"
	"os"
)

// processToken distinguishes this process from every other one that has, or had, the
// same pid.
var processToken = rand.Int64()

// registerProcess stores this process in the file, before its first receive.
func registerProcess(t *tx) error {
	_, err := t.exec("INSERT INTO processes (token, host, pid) VALUES (?, ?, ?) ON CONFLICT (token) DO NOTHING",
		processToken, processHost(), os.Getpid())
	return err
}

// processHost names the machine, and the container if it has pids of its own: a pid
// is valid only there.
func processHost() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	space, err := os.Readlink("/proc/self/ns/pid") // Linux only
	if err != nil {
		return host
	}
	return host + " " + space
}

// ReleaseDead releases the messages that processes of this machine had in flight
// when they ended, in all queues, so that these messages can be received before
// their visibility timeout ends. They keep their place in their group and their
// receive count.
//
// A process counts as ended if no process has its pid, or if this process has it. A
// process whose pid another program has by now, and a process in another container,
// count as alive: their messages come back when their visibility ends.
func (b *Backend) ReleaseDead(ctx context.Context) (released int, err error) {
	err = b.write(ctx, "ReleaseDead", func(t *tx) error {
		released = 0
		dead, err := deadProcesses(t)
		if err != nil || len(dead) == 0 {
			return err
		}
		queues, err := collect(t, scanQueue, selectQueues)
		if err != nil {
			return err
		}
		for _, token := range dead {
			for _, q := range queues {
				n, err := q.releaseOf(t, token)
				if err != nil {
					return err
				}
				released += n
			}
			if _, err := t.exec("DELETE FROM processes WHERE token = ?", token); err != nil {
				return err
			}
		}
		return nil
	})
	return released, err
}

// releaseOf releases the messages that a process has in flight.
func (q queueRow) releaseOf(t *tx, token int64) (int, error) {
	ms, err := members(t, "SELECT id, grp FROM queue_messages WHERE queue = ? AND visible_at IS NOT NULL AND process = ?", q.id, token)
	if err != nil || len(ms) == 0 {
		return 0, err
	}
	t.wake(queueTopic(q.spec.Name))
	return len(ms), q.release(t, ms)
}

func deadProcesses(t *tx) (dead []int64, err error) {
	type process struct {
		token int64
		pid   int
	}
	scan := func(rows *sql.Rows, p *process) error { return rows.Scan(&p.token, &p.pid) }
	others, err := collect(t, scan, "SELECT token, pid FROM processes WHERE host = ? AND token <> ?", processHost(), processToken)
	for _, p := range others {
		if p.pid == os.Getpid() || !processRuns(p.pid) {
			dead = append(dead, p.token)
		}
	}
	return dead, err
}
