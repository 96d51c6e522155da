// Package strictjson decodes JSON that comes from outside, by the rules of Go's
// encoding/json/v2: nothing is lost or replaced in silence. A key that comes twice,
// half of a surrogate pair, text that is not UTF-8, and a second value are errors, and
// keys match in their own letters only.
//
// An error names the line, where there are several, the key, and what to do. It is
// short, however long the input is.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Decode decodes data, which is one JSON value, into v. A key that v does not have is
// an error, since it would be lost.
func Decode(data []byte, v any) error {
	return explain(data, json.Unmarshal(data, v, json.RejectUnknownMembers(true)))
}

// DecodePart is [Decode] without the last rule: it ignores keys that v does not have.
func DecodePart(data []byte, v any) error {
	return explain(data, json.Unmarshal(data, v))
}

// Compact returns data, which is one JSON value, without white space between tokens.
// Strings and numbers stay as they are written.
func Compact(data []byte) ([]byte, error) {
	value := jsontext.Value(bytes.Clone(data))
	err := value.Compact(jsontext.AllowDuplicateNames(false), jsontext.AllowInvalidUTF8(false))
	return value, explain(data, err)
}

// Encode encodes v as one line, without HTML escaping. Text that is not valid UTF-8 is
// an error.
func Encode(v any) ([]byte, error) {
	return json.Marshal(v, jsontext.EscapeForJS(true)) // as encoding/json has it, too
}

// Show is [Encode] for what is only shown or told, which must not fail for one damaged
// text: what is not UTF-8 becomes U+FFFD.
func Show(v any) ([]byte, error) {
	return json.Marshal(v, jsontext.EscapeForJS(true), jsontext.AllowInvalidUTF8(true))
}

// explain says what err means for whoever wrote data.
func explain(data []byte, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return at(data, e.ByteOffset, e.JSONPointer, syntax(data, e))
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		return at(data, e.ByteOffset, e.JSONPointer, meaning(e))
	}
	return err
}

func syntax(data []byte, e *jsontext.SyntacticError) error {
	switch {
	case errors.Is(e, jsontext.ErrDuplicateName):
		return errors.New("the key comes twice: keep one of them")
	case errors.Is(e, io.ErrUnexpectedEOF):
		return errors.New("unexpected EOF: the JSON value is cut off")
	case strings.Contains(e.Err.Error(), "after top-level value"):
		return errors.New("more than one JSON value: give one")
	case strings.Contains(e.Err.Error(), "surrogate pair"):
		return fmt.Errorf("%.6s is half of a surrogate pair: write both halves, or the character itself", data[e.ByteOffset:])
	case strings.Contains(e.Err.Error(), "invalid UTF-8"):
		return fmt.Errorf("byte %d is not valid UTF-8: convert the text to UTF-8", column(data, e.ByteOffset))
	}
	return fmt.Errorf("not JSON, at byte %d: %w", column(data, e.ByteOffset), e.Err)
}

func meaning(e *json.SemanticError) error {
	if errors.Is(e, json.ErrUnknownName) {
		return errors.New("unknown key, which would be lost: remove it, or correct its name; upper and lower case differ")
	}
	if e.Err != nil || e.GoType == nil {
		return fmt.Errorf("it is %s that cannot be read: %w", kind(e.JSONKind), e.Err)
	}
	return fmt.Errorf("it is %s, must be %s", kind(e.JSONKind), kindOf(e.GoType))
}

func kind(k jsontext.Kind) string {
	switch k {
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "a list"
	}
	return k.String()
}

// kindOf is the kind of JSON that a value of a type is decoded from.
func kindOf(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice:
		return "a list"
	}
	return "a value of type " + t.String()
}

// at puts the line and the key in front of err.
func at(data []byte, offset int64, key jsontext.Pointer, err error) error {
	if key != "" {
		err = fmt.Errorf("key %s: %w", quote(key), err)
	}
	if bytes.ContainsRune(bytes.TrimSpace(data), '\n') {
		err = fmt.Errorf("line %d: %w", 1+bytes.Count(data[:offset], []byte("\n")), err)
	}
	return err
}

// column counts the bytes of a line from 1.
func column(data []byte, offset int64) int {
	return int(offset) - bytes.LastIndexByte(data[:offset], '\n')
}

// quote quotes the path of a key, such as "members/0/handle".
func quote(key jsontext.Pointer) string {
	const most = 100 // bytes
	path := strings.TrimPrefix(string(key), "/")
	if len(path) > most {
		path = strings.ToValidUTF8(path[:most], "") + "…"
	}
	return strconv.Quote(path)
}
