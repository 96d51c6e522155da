package integration

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/postroom/postroom/cmd/postroom/sample"
	"github.com/postroom/postroom/internal/reference"
)

// conversations are the real messages that the pipeline works on.
var conversations = sync.OnceValues(func() ([]reference.Message, error) {
	packed := sample.Open()
	if name := os.Getenv("POSTROOM_INTEGRATION_MESSAGES"); name != "" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		packed = f
	}
	unpacked, err := unpack(packed)
	if err != nil {
		return nil, err
	}
	return reference.Read(unpacked)
})

func unpack(r io.Reader) (io.Reader, error) {
	b := bufio.NewReader(r)
	if magic, _ := b.Peek(2); string(magic) == "\x1f\x8b" {
		return gzip.NewReader(b)
	}
	return b, nil
}

// crowd returns a conversation of some members with some messages.
func crowd(members, messages int) []reference.Message {
	group := uuid.NewString()
	everybody := make([]reference.Member, members)
	for i := range everybody {
		everybody[i] = reference.Member{
			UserUUID: uuid.NewString(), DisplayName: fmt.Sprintf("Member %d", i+1), Handle: fmt.Sprintf("member-%d", i+1),
		}
	}
	start := time.Now().Add(-time.Hour).UTC().Truncate(time.Microsecond)
	list := make([]reference.Message, messages)
	for i := range list {
		sender := everybody[i%members]
		list[i] = reference.Message{
			GroupUUID: group, MessageUUID: uuid.NewString(),
			UserUUID: sender.UserUUID, DisplayName: sender.DisplayName, Handle: sender.Handle,
			Message: fmt.Sprintf("number %d. %s", i+1, strings.Repeat("And so on. ", i%9)), CreatedAt: start.Add(time.Duration(i) * time.Second),
		}
	}
	list[0].Members = everybody
	return list
}
