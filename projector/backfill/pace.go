package backfill

import (
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/longscan"
)

// unitsOf is what a page costs, and one unit for loading each conversation that has
// messages in it.
func unitsOf(page backend.Page) float64 {
	conversations, last := 0, ""
	for _, it := range page.Items {
		if key := backend.KeyOf(it); isMessage(key) && key.PK != last {
			conversations++
			last = key.PK
		}
	}
	return longscan.ReadUnits(page) + float64(conversations)
}
