package backendtest

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// inDeviate is set in a process that runs the deviations, and no other sentence.
const inDeviate = "POSTROOM_DEVIATIONS"

func deviating() bool { return os.Getenv(inDeviate) != "" }

// NowAndThen ends the explanation of a deviation that is not seen each time.
const NowAndThen = ", now and then"

// Deviate fails the test for every deviation that has disappeared: whose sentence
// holds, unless it does so [NowAndThen], or is in no subtest. It runs the calling test once more in a process of its
// own, in which the deviations are not left out and are all that runs. In that process
// it does nothing.
func Deviate(t *testing.T, deviations map[string]string) {
	t.Helper()
	if deviating() || len(deviations) == 0 {
		return
	}
	again := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.parallel=8", "-test.run=^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$")
	again.Env = append(os.Environ(), inDeviate+"=1")
	output, _ := again.CombinedOutput() // it fails
	ends := outcomes(string(output))
	for sentence, how := range deviations {
		switch ends[strings.ReplaceAll(sentence, " ", "_")] {
		case "FAIL":
		case "PASS":
			if strings.HasSuffix(how, NowAndThen) {
				continue
			}
			t.Errorf("the deviation has disappeared: %q holds (%s)", sentence, how)
		default:
			t.Errorf("the suite has no subtest %q: the deviation has been left behind", sentence)
		}
	}
	if t.Failed() {
		t.Logf("%s", output)
	}
}

// outcomes maps the last parts of the names of subtests to PASS, FAIL or SKIP.
func outcomes(output string) map[string]string {
	ends := map[string]string{}
	for line := range strings.Lines(output) {
		end, name, ok := strings.Cut(strings.TrimPrefix(strings.TrimSpace(line), "--- "), ": ")
		if name = name[strings.LastIndex(name, "/")+1:]; ok {
			ends[name[:max(0, strings.LastIndex(name, " ("))]] = end
		}
	}
	return ends
}
