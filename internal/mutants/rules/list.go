package rules

import "slices"

// All is every rule there is.
var All = slices.Concat(
	projector, projection, quarantine, rebuild, replay,
	stream, consumer, aws, canary, directory,
)
