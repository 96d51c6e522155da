package strictjson_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/postroom/postroom/internal/strictjson"
)

type person struct {
	Name string `json:"name"`
	Age  int    `json:"age"`
}

type people struct {
	Members []person          `json:"members"`
	Note    string            `json:"note"`
	More    map[string]string `json:"more"`
}

func TestF5NothingIsLost(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"note":"a","note":"a"}`:                      `key "note": the key comes twice: keep one of them`,
		`{"note":"a","\u006eote":"b"}`:                 `key "note": the key comes twice`,
		`{"members":[{},{"name":"a","name":"b"}]}`:     `key "members/1/name": the key comes twice`,
		`{"more":{"x":"1","x":"2"}}`:                   `key "more/x": the key comes twice`,
		`{"Note":"a"}`:                                 `key "Note": unknown key, which would be lost`,
		`{"members":[{"naem":"a"}]}`:                   `key "members/0/naem": unknown key`,
		`{"note":"a\ud83d"}`:                           `key "note": \ud83d is half of a surrogate pair: write both halves`,
		`{"note":"\ude00\ud83d"}`:                      `key "note": \ude00 is half of a surrogate pair`,
		`{"\ud83d":"a"}`:                               `\ud83d is half of a surrogate pair`,
		"{\"note\":\"caf\xe9\"}":                       `key "note": byte 13 is not valid UTF-8: convert the text to UTF-8`,
		"{\"note\":\"\xed\xa0\x80\"}":                  `key "note": byte 10 is not valid UTF-8`,
		`{"note":"a"} {}`:                              "more than one JSON value",
		`{"note":"a"}}`:                                "more than one JSON value",
		`{"note":"a"`:                                  "unexpected EOF: the JSON value is cut off",
		``:                                             "unexpected EOF",
		`{"note":"a",}`:                                "not JSON, at byte 12: invalid character ','",
		"{\n\"members\": [\n{\"name\": \"a\u0000\"}]}": `line 3: key "members/0/name": not JSON, at byte 12: invalid character '\x00'`,
		"{\n\"note\": 5}\n":                            `line 2: key "note": it is a number, must be a string`,
		`{"members":{}}`:                               `key "members": it is an object, must be a list`,
		`{"members":[["a"]]}`:                          `key "members/0": it is a list, must be an object`,
		`{"members":[{"age":"5"}]}`:                    `key "members/0/age": it is a string, must be a value of type int`,
		`{"members":[{"age":5.5}]}`:                    `key "members/0/age": it is a number that cannot be read`,
		`{"note":true}`:                                `key "note": it is true, must be a string`,
	} {
		var v people
		err := strictjson.Decode([]byte(in), &v)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n got %v\nwant %s", in, err, want)
		}
	}
	var v people
	in := ` {"note":"\ud83d\ude00 \u0000\ufffd", "members":[{"name":"a","age":5},{"name":"a"}]} `
	want := people{Note: "😀 \x00\ufffd", Members: []person{{"a", 5}, {"a", 0}}}
	if err := strictjson.Decode([]byte(in), &v); err != nil || !cmp.Equal(v, want) {
		t.Errorf("%+v, %v; want %+v", v, err, want)
	}
}

func TestF5PartsAreStrictToo(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`{"other":{"a":1,"a":2}}`: `key "other/a": the key comes twice`,
		`{"other":"\ud800"}`:      "half of a surrogate pair",
		`{"other":1}]`:            "more than one JSON value",
		`{"other":1,"other":2}`:   `key "other": the key comes twice`,
	} {
		var v people
		if err := strictjson.DecodePart([]byte(in), &v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("part of %s: %v, want %s", in, err, want)
		}
		if line, err := strictjson.Compact([]byte(in)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is compacted to %s, %v; want %s", in, line, err, want)
		}
	}
	var v people
	if err := strictjson.DecodePart([]byte(`{"Note":"b","note":"a","other":[1]}`), &v); err != nil || !cmp.Equal(v, people{Note: "a"}) {
		t.Errorf("%+v, %v", v, err)
	}
	in := "{ \"a\" : \"\\u00e9\\/<\" ,\n\"b\" : [ 1.50, -0E+1 ] }"
	if line, err := strictjson.Compact([]byte(in)); err != nil || string(line) != `{"a":"\u00e9\/<","b":[1.50,-0E+1]}` {
		t.Errorf("%s, %v", line, err)
	}
	if in[1] != ' ' {
		t.Error("the input was changed")
	}
}

func TestF5EncodeLosesNothing(t *testing.T) {
	t.Parallel()
	line, err := strictjson.Encode(people{Note: "a<b>&\u2028\x00\b\f\"\\😀\ufffd\x7f"})
	want := `{"members":[],"note":"a<b>&\u2028\u0000\b\f\"\\😀` + "\ufffd\x7f" + `","more":{}}`
	if err != nil || string(line) != want {
		t.Errorf("%v\n got %s\nwant %s", err, line, want)
	}
	if line, err := strictjson.Encode(people{Note: "a\xff"}); err == nil {
		t.Errorf("what is not UTF-8 became %s", line)
	}
}

// What is nested or long without end is refused in few words, and takes little stack:
// 10,000 levels are the most.
func TestF5F19Bounds(t *testing.T) {
	t.Parallel()
	const size = 1 << 20
	long := strings.Repeat("k", size)
	for name, in := range map[string]string{
		"lists":          strings.Repeat("[", size),
		"objects":        strings.Repeat(`{"a":`, size),
		"in a string":    `{"note":` + strings.Repeat("[", size),
		"long key":       `{"` + long + `":1}`,
		"long keys":      strings.Repeat(`{"`+strings.Repeat("\u00e9", 1000)+`":`, size/1000),
		"long key twice": `{"more":{"` + long + `":"","` + long + `":""}}`,
		"long number":    `{"members":[{"age":` + strings.Repeat("9", size) + `}]}`,
		"long string":    `{"members":"` + long + `"}`,
	} {
		var v people
		if err := strictjson.Decode([]byte(in), &v); err == nil || len(err.Error()) > 500 {
			t.Errorf("%s: %.600v", name, err)
		}
	}
}
