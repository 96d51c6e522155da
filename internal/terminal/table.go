package terminal

import (
	"io"
	"strings"

	"github.com/rivo/uniseg"
)

// Table is a table for people. Its columns are as wide as their cells look, which is
// neither their bytes nor their runes. The zero Table is empty.
type Table struct{ rows [][]string }

// maxCell bounds a cell, in columns: three ids and an error.
const maxCell = 400

// Row adds a row. Its cells become one line each.
func (t *Table) Row(cells ...string) {
	row := make([]string, len(cells))
	for i, cell := range cells {
		row[i] = Line(cell, maxCell)
	}
	t.rows = append(t.rows, row)
}

// WriteTo writes the rows. The last cell of a row makes no column wider.
func (t *Table) WriteTo(w io.Writer) (int64, error) {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row[:max(0, len(row)-1)] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], uniseg.StringWidth(cell))
		}
	}
	var b strings.Builder
	for _, row := range t.rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell)
			if i < len(row)-1 {
				const gap = 2
				line.WriteString(strings.Repeat(" ", widths[i]-uniseg.StringWidth(cell)+gap))
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}
