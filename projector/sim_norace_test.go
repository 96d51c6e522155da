//go:build !race

package projector_test

const usualSeeds = 2000
