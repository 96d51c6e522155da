package terminal_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/rivo/uniseg"

	"github.com/postroom/postroom/internal/terminal"
)

func TestF12Line(t *testing.T) {
	t.Parallel()
	const family = "👩‍👩‍👧‍👦" // four people and three zero-width joiners
	for in, want := range map[string]string{
		"plain":                                  "plain",
		"two\r\nlines\tand\u2028more":            "two  lines and more",
		"no-break\u00a0space":                    "no-break space",
		"ideographic\u3000space":                 "ideographic space",
		"\u2009thin\u202fand\u1680more":          " thin and more",
		"next\u0085line":                         "next line",
		"\x1b[31mred\x1b[0m":                     "\ufffd[31mred\ufffd[0m",
		"\u009b31mred\x7f":                       "\ufffd31mred\ufffd",
		"left \u202e\u2066\u2069 right":          "left \ufffd\ufffd\ufffd right",
		family:                                   family,
		"می\u200cخواهم":                          "می\u200cخواهم", // Persian, with a non-joiner
		"שלום\u200f!":                            "שלום\u200f!",
		"not \xff UTF-8":                         "not \ufffd UTF-8",
		"twenty characters …!!":                  "twenty characters …!!",
		"one more than twenty-one":               "one more than twenty…",
		"日本語日本語日本語日":                             "日本語日本語日本語日",  // 20 columns
		"日本語日本語日本語日本語":                           "日本語日本語日本語日…", // 24 columns
		strings.Repeat(family, 11):               strings.Repeat(family, 10) + "…",
		"e" + strings.Repeat("\u0301", 99) + "!": "\ufffd!",
	} {
		if got := terminal.Line(in, 21); got != want {
			t.Errorf("%q became %q, want %q", in, got, want)
		}
	}
	if got := terminal.Line(strings.Repeat("\u200f", 1<<20), 21); len(got) > 1<<10 {
		t.Errorf("what has no width takes %d bytes", len(got))
	}
}

func TestF12LineFits(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s, width := rapid.String().Draw(t, "text"), rapid.IntRange(1, 40).Draw(t, "width")
		got := terminal.Line(s, width)
		if uniseg.StringWidth(got) > width || !utf8.ValidString(got) || terminal.Line(got, width) != got {
			t.Errorf("%q in %d columns became %q, %d wide", s, width, got, uniseg.StringWidth(got))
		}
	})
}

func TestF12Text(t *testing.T) {
	t.Parallel()
	const in, want = "two\n\tlines\r\u200d \u00a0\x07\u0090\u202d", "two\n\tlines\ufffd\u200d \u00a0\ufffd\ufffd\ufffd"
	if got := terminal.Text(in); got != want {
		t.Errorf("became %q, want %q", got, want)
	}
}

func TestF12ColumnsAlign(t *testing.T) {
	t.Parallel()
	var table terminal.Table
	table.Row("NAME", "TEXT", "")
	table.Row("日本語", "👩‍👩‍👧‍👦 family", "x")
	table.Row("Zoë\x1b", "e\u0301", "y")
	var b strings.Builder
	if _, err := table.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	const want = "NAME    TEXT\n" +
		"日本語  👩‍👩‍👧‍👦 family  x\n" +
		"Zoë\ufffd    e\u0301          y\n"
	if b.String() != want {
		t.Errorf("wrote\n%s, want\n%s", b.String(), want)
	}
}

func TestF20JSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\x7f\u0080\u009b\u009f\u202a\u202e\u2066\u2069\u200d\n\"")))).Draw(t, "text")
		line, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		printed := terminal.JSON(line)
		var got string
		if err := json.Unmarshal(printed, &got); err != nil || got != in {
			t.Errorf("%q is read back as %q (%v)", in, got, err)
		}
		if terminal.Text(string(printed)) != string(printed) {
			t.Errorf("printed %q", printed)
		}
	})
}
