// Package sim simulates the pipeline's environment in virtual time, with everything
// that can go wrong in it: an in-memory backend that reports every change ([Store]),
// streams that behave as badly as real ones ([StreamFaults]), and a scheduler that
// decides, at each backend call of each worker, which worker continues, which call
// fails, which answer is lost and which worker dies ([Scheduler]).
//
// It must run in a testing/synctest bubble: the scheduler waits until every goroutine
// of every worker is blocked, and lets time pass only when no call is left to make.
// All choices come from one seed.
package sim
