// Package sim tries the pipeline under everything that can go wrong, in virtual
// time: an in-memory backend whose every change is watched ([Store]), whose
// streams behave as badly as real ones do ([StreamFaults]), and a scheduler that
// decides at each backend call of each worker who goes on, what fails, whose
// answer is lost and who dies ([Scheduler]).
//
// It belongs into a testing/synctest bubble: the scheduler waits until every
// goroutine of every worker is blocked, and lets time pass only when nobody has
// anything left to call. All choices come from one seed.
package sim
