package backfill

import "time"

// Stats counts what a backfill did since it was made.
type Stats struct {
	Gaps     int64  `metric:"postroom_backfill_gaps_total" help:"Gaps that this worker recorded: losses of the stream."`
	OpenGaps int    `metric:"postroom_backfill_open_gaps" help:"Gaps that are not backfilled from the log yet, as the leader sees them; 0 elsewhere."`
	Counts   Counts // of messages of the log
}

// Stats returns the counts so far.
func (b *Backfill) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	return Stats{Gaps: b.added.Load(), OpenGaps: b.open, Counts: b.counts}
}

// IdleSince says since when there is nothing for this worker to backfill; false
// while there is, or may be. A worker that does not lead has nothing to do.
func (b *Backfill) IdleSince(leads bool) (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !leads && !b.leads {
		return time.Time{}, true
	}
	return b.since, !b.since.IsZero()
}

func (b *Backfill) setLeads(leads bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.leads, b.open, b.since = leads, 0, time.Time{}
}

func (b *Backfill) noteRecording() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recording++
	b.since = time.Time{}
}

func (b *Backfill) noteRecorded() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.recording--
	b.recorded++
}

func (b *Backfill) recordedSoFar() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.recorded
}

// noteOpen notes how many gaps were open, unless one was recorded since the look
// began.
func (b *Backfill) noteOpen(recorded, open int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open = open
	switch {
	case open > 0 || b.recording > 0 || recorded != b.recorded:
		b.since = time.Time{}
	case b.since.IsZero():
		b.since = time.Now()
	}
}

func (b *Backfill) count(c Counts) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts = b.counts.add(c)
}
