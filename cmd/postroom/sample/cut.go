//go:build ignore

// Cut writes the bundled sample: every conversation with a late arrival, and
// every conversation of some people who have several dozen, whole and in the
// order of the source. The rule is fixed, so that the same source gives the
// same sample.
//
//	go run cut.go ubuntu-dm.jsonl.gz messages.jsonl.gz
package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"log"
	"maps"
	"os"
	"slices"
)

// People with so many conversations are taken, in the order of their uuids,
// until the sample has enough messages.
const (
	fewest, most   = 30, 45
	enoughMessages = 3_600
)

// line is what the rule needs to know of a message.
type line struct {
	text    []byte
	Group   string `json:"message_group_uuid"`
	At      string `json:"created_at"` // of one width and zone: text order is time order
	Members []struct {
		User string `json:"user_uuid"`
	} `json:"members"`
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 {
		log.Fatal("usage: go run cut.go SOURCE.jsonl.gz SAMPLE.jsonl.gz")
	}
	lines := read(os.Args[1])
	write(os.Args[2], lines, choose(lines))
}

func read(name string) []line {
	f, err := os.Open(name)
	check(err)
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	check(err)
	var lines []line
	scanner := bufio.NewScanner(unzipped)
	scanner.Buffer(nil, 4<<20)
	for scanner.Scan() {
		l := line{text: bytes.Clone(scanner.Bytes())}
		check(json.Unmarshal(l.text, &l))
		lines = append(lines, l)
	}
	check(scanner.Err())
	return lines
}

// choose returns the conversations of the sample.
func choose(lines []line) map[string]bool {
	newest, messages := map[string]string{}, map[string]int{}
	of := map[string][]string{} // the conversations of a person
	chosen := map[string]bool{}
	size := 0
	take := func(group string) {
		if !chosen[group] {
			chosen[group] = true
			size += messages[group]
		}
	}
	for _, l := range lines {
		messages[l.Group]++
		for _, m := range l.Members {
			of[m.User] = append(of[m.User], l.Group)
		}
	}
	for _, l := range lines {
		if l.At < newest[l.Group] {
			take(l.Group)
		}
		newest[l.Group] = max(newest[l.Group], l.At)
	}
	for _, user := range slices.Sorted(maps.Keys(of)) {
		if n := len(of[user]); n < fewest || n > most || size >= enoughMessages {
			continue
		}
		for _, group := range of[user] {
			take(group)
		}
	}
	return chosen
}

func write(name string, lines []line, chosen map[string]bool) {
	var b bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	check(err)
	for _, l := range lines {
		if chosen[l.Group] {
			_, err := zipped.Write(append(l.text, '\n'))
			check(err)
		}
	}
	check(zipped.Close())
	check(os.WriteFile(name, b.Bytes(), 0o644))
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
