package sample_test

import (
	"compress/gzip"
	"testing"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/cmd/postroom/sample"
)

func TestSampleIsWhole(t *testing.T) {
	t.Parallel()
	unzipped, err := gzip.NewReader(sample.Open())
	if err != nil {
		t.Fatal(err)
	}
	messages, opened := 0, map[string]bool{}
	for m, err := range postroom.ReadMessages(unzipped) {
		if err != nil {
			t.Fatal(err)
		}
		messages++
		if m.Members != nil {
			opened[m.GroupUUID] = true
		}
		if !opened[m.GroupUUID] {
			t.Errorf("line %d: conversation %s has no opening message before it", m.Line, m.GroupUUID)
		}
	}
	if messages != sample.Messages {
		t.Errorf("%d messages, the constant says %d", messages, sample.Messages)
	}
}
