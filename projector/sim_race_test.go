//go:build race

package projector_test

// usualSeeds is fewer under the race detector, where each takes eight times as
// long.
const usualSeeds = 300
