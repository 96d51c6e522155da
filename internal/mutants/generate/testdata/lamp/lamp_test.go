package lamp

import (
	"log/slog"
	"testing"
)

func TestSwitch(t *testing.T) {
	l := &Lamp{log: slog.New(slog.DiscardHandler)}
	for i, c := range []struct {
		on   bool
		want error
	}{{true, nil}, {true, nil}, {false, nil}, {true, nil}, {false, ErrBroken}} {
		if err := l.Switch(c.on); err != c.want {
			t.Errorf("%d: %v", i, err)
		}
	}
	if l.switched != 3 {
		t.Errorf("switched %d times", l.switched)
	}
}
