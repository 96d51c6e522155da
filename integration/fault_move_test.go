package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/internal/reference"
)

// TestP3KilledInTheMiddleOfAMove kills the projector while its transaction is on
// its way to the server, where it still arrives. Every member has an inbox entry
// at every moment, and exactly one in the end.
func TestP3KilledInTheMiddleOfAMove(t *testing.T) {
	t.Parallel()
	for name, members := range map[string]int{"2 members": 2, "99 members": 99, "120 members": 120} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedServer(t), options{})
			if err := killedInTheMiddle(w, members); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestP16OvertakenInTheMiddleOfAMove freezes the projector while its transaction is
// on its way. Another projector takes over and moves the conversation further;
// only then does the transaction arrive. The server refuses it.
func TestP16OvertakenInTheMiddleOfAMove(t *testing.T) {
	t.Parallel()
	for name, members := range map[string]int{"2 members": 2, "120 members": 120} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, sharedServer(t), options{})
			if err := overtakenInTheMiddle(w, members); err != nil {
				t.Error(err)
			}
		})
	}
}

// killedInTheMiddle returns what is wrong in TestP3KilledInTheMiddleOfAMove.
func killedInTheMiddle(w *world, members int) error {
	messages := crowd(members, 3)
	projector, move, err := w.moveOnItsWay(messages)
	if err != nil {
		return err
	}
	if err := w.everybodyHasARow(messages[0]); err != nil {
		return fmt.Errorf("while the move is on its way: %w", err)
	}
	projector.kill()
	move.letGo()
	if err := w.everybodyHasARow(messages[0]); err != nil {
		return fmt.Errorf("after the move arrived: %w", err)
	}
	next := w.projector(w.server.url)
	if err := w.moved(messages[2:]); err != nil {
		return fmt.Errorf("after the next projector took over: %w", err)
	}
	next.stop()
	return w.agrees()
}

// overtakenInTheMiddle returns what is wrong in TestP16OvertakenInTheMiddleOfAMove.
func overtakenInTheMiddle(w *world, members int) error {
	messages := crowd(members, 3)
	frozen, move, err := w.moveOnItsWay(messages)
	if err != nil {
		return err
	}
	frozen.freeze()
	next := w.projector(w.server.url)
	if err := w.projectedSoon(); err != nil {
		return fmt.Errorf("after the next projector took over: %w", err)
	}
	if err := w.moved(messages[2:]); err != nil {
		return err
	}
	move.letGo()
	frozen.thaw()
	if err := frozen.says("it rejoins"); err != nil {
		return err
	}
	frozen.stop()
	next.stop()
	if err := w.agrees(); err != nil {
		return fmt.Errorf("after the late move: %w", err)
	}
	if !bytes.Contains(move.answer, []byte("ConditionalCheckFailed")) {
		return fmt.Errorf("the server took the late move: %s", move.answer)
	}
	return nil
}

// moveOnItsWay starts a projector, has it project the first message, and holds up
// the transaction in which it moves the conversation to the second.
func (w *world) moveOnItsWay(messages []reference.Message) (*process, *held, error) {
	way := newDetour(w.t, w.server)
	projector := w.projector(way.url)
	if err := w.moved(messages[:1]); err != nil {
		return projector, nil, err
	}
	move := way.hold(transactionOf(messages[1]))
	w.post(w.server.url, messages[1])
	return projector, move, move.wait(w.t.Context())
}

// transactionOf recognises the request that begins a move to a message.
func transactionOf(m reference.Message) func(string, []byte) bool {
	return func(operation string, body []byte) bool {
		return operation == "TransactWriteItems" && bytes.Contains(body, []byte(m.GroupUUID))
	}
}

// moved posts messages, and returns once every list shows them.
func (w *world) moved(messages []reference.Message) error {
	w.post(w.server.url, messages...)
	return w.projectedSoon()
}

// soon is how long it may take to project a conversation, including a lease that
// has to expire.
const soon = time.Minute

func (w *world) projectedSoon() error {
	ctx, cancel := context.WithTimeout(w.t.Context(), soon)
	defer cancel()
	for {
		err := w.projected(w.posted)
		if err == nil {
			return nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("not projected within %v: %w", soon, err)
		}
	}
}

// agrees compares the inboxes with a plain fold, and with the log.
func (w *world) agrees() error {
	if err := w.projected(w.posted); err != nil {
		return err
	}
	if r := w.run("verify"); r.code != 0 {
		return fmt.Errorf("verify: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	return nil
}

// everybodyHasARow returns an error if a member has no inbox entry of the
// conversation that a message opens.
func (w *world) everybodyHasARow(opener reference.Message) error {
	r := w.run("inbox", "--all", "--json")
	if r.code != 0 {
		return errors.New(r.stderr)
	}
	rows := map[string]int{}
	for line := range strings.Lines(r.stdout) {
		var row struct {
			UserUUID string `json:"user_uuid"`
		}
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			return err
		}
		rows[row.UserUUID]++
	}
	without := 0
	for _, m := range opener.Members {
		if rows[m.UserUUID] == 0 {
			without++
		}
	}
	if without > 0 {
		return fmt.Errorf("%d of %d members have no row", without, len(opener.Members))
	}
	return nil
}
