//go:build race

package projector_test

// usualSeeds is fewer under the race detector, where each takes eight times as
// long. A race is in many of them.
const usualSeeds = 100
