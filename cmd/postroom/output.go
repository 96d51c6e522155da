package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/postroom/postroom/internal/terminal"
)

// printJSON writes v as one line, without HTML escaping.
func printJSON(w io.Writer, v any) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := w.Write(terminal.JSON(line.Bytes()))
	return err
}

// print prints a result: as JSON, or in words.
func (a *app) print(v any, format string, args ...any) error {
	if a.json {
		return printJSON(a.stdout, v)
	}
	return printText(a.stdout, format, args...)
}

// printText prints text for people, without what steers a terminal.
func printText(w io.Writer, format string, args ...any) error {
	_, err := io.WriteString(w, terminal.Text(fmt.Sprintf(format, args...)))
	return err
}

// jsonLog is where a log of JSON goes, and may be shown on a terminal later.
type jsonLog struct{ io.Writer }

func (l jsonLog) Write(line []byte) (int, error) {
	_, err := l.Writer.Write(terminal.JSON(line))
	return len(line), err
}

// Widths of cells on a terminal, in columns.
const (
	nameWidth = 32
	textWidth = 60
)

// newProgress shows the progress of something that takes long: a bar on a terminal,
// and nothing elsewhere. Total is -1 if it is not known. Nobody needs the errors of
// drawing it.
func newProgress(p process, what string, total int64) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total,
		progressbar.OptionSetVisibility(p.terminal),
		progressbar.OptionSetWriter(p.stderr),
		progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("msg"),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
}

// count formats a number with commas between thousands.
func count[T ~int | ~int64](n T) string {
	if n < 1000 {
		return fmt.Sprint(int64(n))
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), int64(n)%1000)
}
