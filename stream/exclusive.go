package stream

// exclusive is a lock that is held over a call of the backend. It is a channel,
// since waiting for a mutex is not waiting in the eyes of testing/synctest: a
// test in which that call is held up could not go on.
type exclusive chan struct{}

func newExclusive() exclusive { return make(exclusive, 1) }

func (x exclusive) Lock() { x <- struct{}{} }

func (x exclusive) Unlock() { <-x }
