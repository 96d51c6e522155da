package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/postroom/postroom/cmd/postroom/sample"
)

// This file folds a file of messages by itself, with nothing of Postroom's, and
// holds the conversation lists against that: what the pipeline is to come to,
// in the plainest words.

type refMember struct {
	UserUUID    string `json:"user_uuid"`
	DisplayName string `json:"display_name"`
	Handle      string `json:"handle"`
}

type refMessage struct {
	GroupUUID   string      `json:"message_group_uuid"`
	MessageUUID string      `json:"message_uuid"`
	UserUUID    string      `json:"user_uuid"`
	Message     string      `json:"message"`
	CreatedAt   time.Time   `json:"created_at"`
	Members     []refMember `json:"members"`
}

// refRow is a line of inbox --all --json.
type refRow struct {
	UserUUID             string `json:"user_uuid"`
	LastReplyAt          string `json:"last_reply_at"`
	GroupUUID            string `json:"message_group_uuid"`
	OtherUserUUID        string `json:"other_user_uuid"`
	OtherUserDisplayName string `json:"other_user_display_name"`
	OtherUserHandle      string `json:"other_user_handle"`
	MemberCount          int    `json:"member_count"`
	LastMessageUserUUID  string `json:"last_message_user_uuid"`
	LastMessage          string `json:"last_message"`
}

// reference is every row of every member after the messages of a file.
func reference(t *testing.T, file io.Reader) []refRow {
	t.Helper()
	last := map[string]refMessage{}
	members := map[string][]refMember{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var m refMessage
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			t.Fatal(err)
		}
		if m.Members != nil {
			members[m.GroupUUID] = m.Members
		}
		newest := last[m.GroupUUID]
		if m.CreatedAt.After(newest.CreatedAt) || m.CreatedAt.Equal(newest.CreatedAt) && m.MessageUUID > newest.MessageUUID {
			last[m.GroupUUID] = m
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	var rows []refRow
	for group, m := range last {
		for _, own := range members[group] {
			row := refRow{
				UserUUID:            own.UserUUID,
				LastReplyAt:         m.CreatedAt.UTC().Format("2006-01-02T15:04:05.000000Z"),
				GroupUUID:           group,
				MemberCount:         len(members[group]),
				LastMessageUserUUID: m.UserUUID,
				LastMessage:         refCut(m.Message, 256),
			}
			others := slices.DeleteFunc(slices.Clone(members[group]), func(p refMember) bool { return p.UserUUID == own.UserUUID })
			slices.SortFunc(others, func(a, b refMember) int { return strings.Compare(a.UserUUID, b.UserUUID) })
			var names, handles []string
			for _, p := range others {
				names, handles = append(names, p.DisplayName), append(handles, p.Handle)
			}
			if len(others) == 1 {
				row.OtherUserUUID = others[0].UserUUID
			}
			row.OtherUserDisplayName = refCut(strings.Join(names, ", "), 160)
			row.OtherUserHandle = refCut(strings.Join(handles, ", "), 160)
			rows = append(rows, row)
		}
	}
	return rows
}

// refCut cuts s to so many bytes, between runes, an ellipsis of three included.
func refCut(s string, size int) string {
	if len(s) <= size {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if b.Len()+len(string(r))+3 > size {
			break
		}
		b.WriteRune(r)
	}
	return b.String() + "…"
}

func refLines(t *testing.T, rows []refRow) []string {
	t.Helper()
	var out []string
	for _, row := range rows {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(row); err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.TrimSpace(b.String()))
	}
	slices.Sort(out)
	return out
}

// TestInboxAgreesWithAPlainFold runs the whole pipeline on files of messages and
// compares every conversation list. It takes the bundled sample, and whatever
// POSTROOM_REFERENCE_FILES names, separated by colons: a file, or FILE=STORE for
// one that went through the pipeline already and is in that data file.
func TestInboxAgreesWithAPlainFold(t *testing.T) {
	t.Parallel()
	files := filepath.SplitList(os.Getenv("POSTROOM_REFERENCE_FILES"))
	for _, entry := range append(files, "") {
		name, store, done := strings.Cut(entry, "=")
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			s := newShell(t)
			if done {
				s.env["POSTROOM_DATA"] = store
			}
			args := []string{"dev", "--until-idle", "--idle-after", "100ms", "--json", "--addr", "127.0.0.1:0"}
			packed := sample.Open()
			if name != "" {
				args = append(args, "--import", name)
				f, err := os.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				defer f.Close()
				packed = f
			}
			unpacked, err := gzip.NewReader(packed)
			if err != nil {
				t.Fatal(err)
			}
			if !done {
				s.ok(args...)
			}
			s.agreesWith(unpacked)
		})
	}
}

// agreesWith compares every conversation list with the fold of a file.
func (s *shell) agreesWith(file io.Reader) {
	s.t.Helper()
	want := refLines(s.t, reference(s.t, file))
	got := strings.Split(strings.TrimSpace(s.ok("inbox", "--all", "--json")), "\n")
	slices.Sort(got)
	if !slices.Equal(got, want) {
		s.t.Errorf("%d rows, want %d; the first that differs: %s", len(got), len(want), firstDifference(got, want))
	}
}

func firstDifference(got, want []string) string {
	for i, line := range want {
		if i >= len(got) || got[i] != line {
			return "want " + line
		}
	}
	return "one too many: " + got[len(want)]
}
