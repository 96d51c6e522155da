package postroom

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/postroom/postroom/internal/strictjson"
)

// MaxLineBytes bounds one line of a JSONL file. It is more than any message that fits
// the table can take, including escapes.
const MaxLineBytes = 4 << 20

// LineError says that a line of a JSONL file is not a message.
type LineError struct {
	Line int // counted from 1
	Err  error
	// GroupUUID is the conversation that the line names, and Members says that it
	// names members, as far as that can be read: without this line, the conversation
	// may not be opened.
	GroupUUID string
	Members   bool
}

func (e *LineError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

func (e *LineError) Unwrap() error { return e.Err }

// ErrListCut says that a line is not a message but the cursor that ends a list which
// was cut: a file with that list does not hold a complete conversation.
var ErrListCut = errors.New("a list that was cut ends here: the messages after its next_cursor are not in this input")

// errNoLines are inputs of which no line is a message.
var (
	errArray = errors.New("this is a JSON array, not JSON Lines: put each message on a line of its own, for example with: jq -c '.[]'")
	errUTF16 = errors.New("this is UTF-16: convert it to UTF-8, for example with: iconv -f UTF-16 -t UTF-8")
)

// ReadMessages reads a JSONL file with one message a line, and skips empty lines and
// byte-order marks. For a line that is not a message it yields a *[LineError], for the
// cursor of a list a LineError that is [ErrListCut], and goes on. An error of r ends the
// sequence, and so does an input that holds one JSON array, or UTF-16.
func ReadMessages(r io.Reader) iter.Seq2[NumberedMessage, error] {
	return func(yield func(NumberedMessage, error) bool) {
		lines := bufio.NewReaderSize(r, 64<<10)
		first := true
		for number := 1; ; number++ {
			line, err := readLine(lines)
			if err == nil && len(line) == 0 {
				continue
			}
			if len(line) > 0 && first {
				err = cmp.Or(checkStart(line), err)
				first = false
			}
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil && !errors.Is(err, errLongLine):
				yield(NumberedMessage{}, fmt.Errorf("line %d: %w", number, err))
				return
			}
			m := NumberedMessage{Line: number}
			if err == nil {
				err = m.UnmarshalJSON(line)
			}
			if err != nil {
				err = newLineError(number, line, err)
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// checkStart returns an error if a file that begins with this line holds no messages
// line by line.
func checkStart(line []byte) error {
	switch {
	case line[0] == '[':
		return errArray
	case bytes.HasPrefix(line, []byte("\xff\xfe")), bytes.HasPrefix(line, []byte("\xfe\xff")):
		return errUTF16
	}
	return nil
}

// newLineError returns what is to be said of a line that is not a message.
func newLineError(number int, line []byte, err error) *LineError {
	var cursor map[string]string
	if bytes.Contains(line, []byte("next_cursor")) && strictjson.Decode(line, &cursor) == nil && len(cursor) == 1 && cursor["next_cursor"] != "" {
		return &LineError{Line: number, Err: ErrListCut}
	}
	return &LineError{
		Line: number, Err: err,
		GroupUUID: uuidAfter(string(line), `"message_group_uuid"`),
		Members:   bytes.Contains(line, []byte(`"members"`)),
	}
}

// uuidBytes is the length of a canonical UUID.
const uuidBytes = 36

// uuidAfter returns the uuid that follows a key in a line that need not be JSON, or
// "".
func uuidAfter(line, key string) string {
	_, rest, _ := strings.Cut(line, key)
	rest = strings.TrimLeft(rest, ": \t\"")
	if len(rest) < uuidBytes || CheckUUID(rest[:uuidBytes]) != nil {
		return ""
	}
	return rest[:uuidBytes]
}

// NumberedMessage is a message and the number of its line.
type NumberedMessage struct {
	Message

	Line int // counted from 1
}

var errLongLine = fmt.Errorf("longer than %d bytes", MaxLineBytes)

// byteOrderMark is U+FEFF in UTF-8. Some programs begin a file with it, and so a line
// where files were joined.
const byteOrderMark = "\ufeff"

// readLine returns the next line without a byte-order mark and surrounding white space.
// Of a line that is too long it returns the beginning and errLongLine; after the last
// line, io.EOF.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	size := 0
	for {
		part, err := r.ReadSlice('\n')
		size += len(part)
		if size <= MaxLineBytes {
			line = append(line, part...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err != nil && (!errors.Is(err, io.EOF) || size == 0):
			return nil, err
		}
		line = bytes.TrimSpace(bytes.TrimPrefix(bytes.TrimSpace(line), []byte(byteOrderMark)))
		if size > MaxLineBytes {
			return line, errLongLine
		}
		return line, nil
	}
}
