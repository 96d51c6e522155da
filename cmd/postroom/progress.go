package main

import (
	"fmt"
	"time"

	"github.com/schollz/progressbar/v3"
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
