// Package lamp is small enough for every one of its mutants to be tried.
package lamp

import (
	"errors"
	"log/slog"
)

// ErrBroken is the error of a lamp that does not go on any more.
var ErrBroken = errors.New("the lamp is broken")

// Lamp may be switched on and off a few times.
type Lamp struct {
	on       bool
	switched int
	log      *slog.Logger
}

// Switch switches the lamp. Nobody tests that a broken one goes out.
func (l *Lamp) Switch(on bool) error {
	if l.on != on && l.switched < 3 {
		l.log.Info("switched", "times", 1)
		l.on = on
		l.count()
		return nil
	}
	if l.switched == 3 {
		l.on = false
		return ErrBroken
	}
	return nil
}

func (l *Lamp) count() { l.switched++ }

// Dim is called by nobody.
func (l *Lamp) Dim() {
	l.count()
}
