package local

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"time"
	"unicode/utf8"

	"github.com/postroom/postroom/backend"
)

// Bounds of a transaction. Source: DynamoDB API reference, TransactWriteItems.
const (
	maxTokenRunes    = 36
	tokenLife        = 10 * time.Minute
	maxTransactBytes = 4 << 20
)

// plan is one action of a transaction, validated and encoded. A check and a delete
// have no item.
type plan struct {
	draft

	check     bool
	condition backend.Condition
	equals    string          // what the condition's Equals are as JSON
	reason    *backend.Reason // what is wrong with the action itself
}

// Transact carries out all actions, or none.
func (tb *table) Transact(ctx context.Context, token string, actions []backend.Action) (units backend.Units, err error) {
	plans, err := planAll(token, actions)
	if err != nil {
		return units, err
	}
	err = tb.edit(ctx, func(e *edit) error {
		digest := digestOf(e.def.id, plans)
		seen, err := e.tokenSeen(token, digest)
		if err != nil {
			return err
		}
		if seen {
			units, err = e.replay(plans)
			return err
		}
		units, err = e.transact(plans)
		if err != nil {
			return err
		}
		return e.rememberToken(token, digest)
	})
	return units, err
}

func planAll(token string, actions []backend.Action) ([]plan, error) {
	if n := utf8.RuneCountInString(token); n < 1 || n > maxTokenRunes || !utf8.ValidString(token) {
		return nil, invalid("the token %.80q has %d characters, want 1 to %d", token, n, maxTokenRunes)
	}
	if n := len(actions); n < 1 || n > backend.MaxTransact {
		return nil, invalid("the transaction has %d actions, want 1 to %d", n, backend.MaxTransact)
	}
	plans := make([]plan, len(actions))
	size := 0
	for i, a := range actions {
		var err error
		if plans[i], err = newPlan(a); err != nil {
			plans[i].reason = reasonOf(err)
		}
		size += plans[i].size
	}
	if size > maxTransactBytes {
		return nil, invalid("the transaction has %d bytes of items, at most %d", size, maxTransactBytes)
	}
	return plans, nil
}

func newPlan(a backend.Action) (plan, error) {
	p := plan{condition: a.Condition}
	var err error
	if p.condition.Equals, p.equals, err = encode(a.Condition.Equals); err != nil {
		return p, err
	}
	if a.Put == nil {
		p.key, p.check = a.Key(), a.Delete == backend.Key{}
		if p.check && !p.condition.Absent && len(p.condition.Equals) == 0 {
			return p, invalid("a check needs a condition")
		}
		return p, nil
	}
	p.draft, err = newDraft(a.Put)
	return p, err
}

// reasonOf returns the reason of an action that is invalid in itself.
func reasonOf(err error) *backend.Reason {
	return &backend.Reason{Kind: backend.KindInvalid, Code: "ValidationError", Message: messageOf(err)}
}

// transact checks all actions, and carries them out if none is refused.
func (e *edit) transact(plans []plan) (backend.Units, error) {
	var units backend.Units
	var steps []step
	reasons := make([]*backend.Reason, len(plans))
	refused := false
	keys := make(map[backend.Key]bool, len(plans))
	for i, p := range plans {
		s, reason, err := e.check(p)
		if err != nil {
			return units, err
		}
		if reason != nil {
			reasons[i], refused = reason, true
		}
		if s.key != (backend.Key{}) && keys[s.key] {
			return units, invalid("transaction request cannot include multiple operations on one item: %q, %q", s.key.PK, s.key.SK)
		}
		keys[s.key] = true
		units.Write += transactionFactor * s.units()
		if !p.check {
			steps = append(steps, s)
		}
	}
	if refused {
		kind := backend.KindOfReasons(reasons)
		return units, &backend.Error{Kind: kind, Reasons: reasons, Units: units, Err: errRefused}
	}
	indexUnits, err := e.applyAll(steps)
	units.Write += indexUnits
	return units, err
}

var errRefused = errors.New("transaction cancelled")

// check prepares one action, and returns the reason if the action is refused.
func (e *edit) check(p plan) (step, *backend.Reason, error) {
	if p.reason != nil {
		return step{}, p.reason, nil
	}
	s, err := e.prepare(p.draft)
	if backend.KindOf(err) == backend.KindInvalid {
		return s, reasonOf(err), nil
	}
	if err != nil {
		return s, nil, err
	}
	_, ok, err := s.allows(p.condition)
	if err != nil || ok {
		return s, nil, err
	}
	return s, &backend.Reason{Kind: backend.KindConditionFailed, Code: "ConditionalCheckFailed", Message: errCondition.Error()}, nil
}

// replay returns the units of a transaction that was carried out before: it reads
// its items.
func (e *edit) replay(plans []plan) (backend.Units, error) {
	var units backend.Units
	for _, p := range plans {
		s, err := e.prepare(p.draft)
		if err != nil {
			return units, err
		}
		units.Read += transactionFactor * readUnits(s.old.size)
	}
	return units, nil
}

// digestOf returns a digest that differs between different transactions with the
// same token. It is kept in the file, so every build must compute the same one.
func digestOf(table int64, plans []plan) []byte {
	h := sha256.New()
	number := func(n int) { h.Write(binary.BigEndian.AppendUint64(nil, uint64(n))) }
	number(int(table))
	for _, p := range plans {
		flags := []byte{0, 0}
		switch {
		case p.check:
			flags[0] = 1
		case p.item == nil:
			flags[0] = 2
		}
		if p.condition.Absent {
			flags[1] = 1
		}
		for _, data := range [][]byte{flags, []byte(p.key.PK), []byte(p.key.SK), []byte(p.json), []byte(p.equals)} {
			number(len(data))
			h.Write(data)
		}
	}
	return h.Sum(nil)
}

// tokenSeen reports whether the same transaction was carried out with the token
// within the last ten minutes.
func (t *tx) tokenSeen(token string, digest []byte) (bool, error) {
	var before []byte
	found, err := t.row("SELECT digest FROM tokens WHERE token = ? AND ends_at > ?", []any{token, t.now.UnixMicro()}, &before)
	if err != nil || !found {
		return false, err
	}
	if !bytes.Equal(before, digest) {
		return false, invalid("IdempotentParameterMismatch: the token %q was used within the last ten minutes for other actions", token)
	}
	return true, nil
}

// rememberToken keeps a token for ten minutes, and deletes a few that are older.
func (t *tx) rememberToken(token string, digest []byte) error {
	if _, err := t.exec(`DELETE FROM tokens WHERE token IN
(SELECT token FROM tokens WHERE ends_at <= ? ORDER BY ends_at LIMIT 4)`, t.now.UnixMicro()); err != nil {
		return err
	}
	_, err := t.exec("REPLACE INTO tokens (token, digest, ends_at) VALUES (?, ?, ?)",
		token, digest, t.now.Add(tokenLife).UnixMicro())
	return err
}
