package local

import "github.com/postroom/postroom/backend"

// Factors on capacity units. Source: DynamoDB developer guide, read and write capacity;
// transactions.
const (
	eventualFactor    = 0.5
	transactionFactor = 2 // prepare and commit
)

// writeUnits returns the units of writing so many bytes, at least one.
func writeUnits(size int) float64 { return unitsOf(size, backend.WriteUnitBytes) }

// readUnits returns the units of reading so many bytes consistently, at least one.
func readUnits(size int) float64 { return unitsOf(size, backend.ReadUnitBytes) }

func unitsOf(size, unit int) float64 { return float64(max(1, (size+unit-1)/unit)) }

// pageUnits returns the units of reading a page of so many bytes.
func pageUnits(size int, consistent bool) backend.Units {
	if consistent {
		return backend.Units{Read: readUnits(size)}
	}
	return backend.Units{Read: eventualFactor * readUnits(size)}
}
