package projector

// Tuning is what tests of the package from outside set otherwise.
type Tuning = tuning

// NewTuned makes a projector for such a test.
func NewTuned(c Config, o Options, t Tuning) *Projector { return newTuned(c, o, t) }
