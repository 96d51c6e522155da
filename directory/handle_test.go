package directory_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/postroom/postroom/directory"
)

func TestHandlesFold(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"@Ada":              "ada",
		"ada":               "ada",
		"ADA.Lovelace":      "ada.lovelace",
		"@[V13]Axel_At_Sch": "[v13]axel_at_sch",
		"ｆｕｌｌ":              "full",     // of full width
		"Zoe\u0308":         "zo\u00eb", // composed
		"STRASSE":           "strasse",
		"Straße":            "strasse",
		"ΣΊΣΥΦΟΣ":           "σίσυφοσ",
		"σίσυφος":           "σίσυφοσ",
		"Пётр":              "пётр",
		"山田taro":            "山田taro",
		"ラーメン_おいしい":         "ラーメン_おいしい",
		"ﾗｰﾒﾝ":              "ラーメン",
		"김철수kim":            "김철수kim",
		"נועה7":             "נועה7",
		"मीरा":              "मीरा",
		"علي٤":              "علي٤",
		"a`^{}|":            "a`^{}|",
		"7":                 "7",
		"-x-":               "-x-",
	} {
		got, err := directory.FoldHandle(in)
		if err != nil || got != want {
			t.Errorf("%q folds to %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestHandlesThatAreRefused(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                                "empty",
		"@":                               "empty",
		"@@ada":                           "character 1 is '@'",
		"ada@home":                        "character 4 is '@' (U+0040), which can only stand before",
		"＠ada":                            "character 1 is '@'",
		"p\u0430ypal":                     "character 2 is 'а' (U+0430), which is Cyrillic among Latin: write all letters in one script",
		"пaypal":                          "Latin among Cyrillic",
		"ΑΒa":                             "Latin among Greek",
		"山田дом":                           "Cyrillic among Han",
		"ひらがな김":                           "Hangul among Hiragana",
		"ada\u200bl":                      "character 4 is '\\u200b' (U+200B), which is invisible: leave it out",
		"a\u200dda":                       "invisible",
		"می\u200cخواهم":                   "invisible",
		"ada\u00adl":                      "invisible",
		"a\u034fda":                       "invisible",
		"ada\ufe0f":                       "invisible",
		"\u3164":                          "invisible",
		"ada\u202egnp":                    "invisible",
		"ada\u2066":                       "invisible",
		"ada\u0000":                       "invisible",
		"ada\x1b[31m":                     "invisible",
		"ada\n":                           "invisible",
		"ada lovelace":                    "white space: write - or _",
		"ada\u00a0l":                      "white space",
		"ada\u3000l":                      "white space",
		"\u0301":                          "a mark without a letter",
		"_\u0301a":                        "a mark without a letter",
		"1\u0301":                         "a mark without a letter",
		"a\u0329\u0329":                   "the same mark twice",
		"x\u0323\u0324\u0325\u032d\u0330": "a mark too many",
		"i\u0307":                         "a dot on a letter that has one",
		"İstanbul":                        "a dot on a letter that has one",
		"12٣":                             "another system",
		"a#b":                             "not one of the signs",
		"a/b":                             "not one of the signs",
		"a%2fb":                           "not one of the signs",
		"a\\b":                            "not one of the signs",
		"did:plc:x":                       "not one of the signs",
		"<b>":                             "not one of the signs",
		"נועה_":                           "a letter or a digit last",
		"___":                             "neither a letter nor a digit",
		"ﬁn":                              "plain one", // a ligature
		"𝒶𝒹𝒶":                             "plain one",
		"①":                               "plain one",
		"a👍":                              "plain one",
		"a\u00b7b":                        "plain one",
		"ada\u02bc":                       "belongs to no script",
		"\xff":                            "UTF-8",
		"נa":                              "among",
		"1נ":                              "right to left",
		ada:                               "uuid",
		"@" + strings.ToUpper("aaaaaaaa-1111-4111-8111-111111111111"): "uuid",
		strings.Repeat("a", 64):          "64 characters, at most 63",
		strings.Repeat("𐐨", 63) + "aaaa": "256 bytes",
	} {
		err := directory.CheckHandle(in)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", in, err, want)
		}
	}
	for _, longest := range []string{strings.Repeat("a", 63), "@" + strings.Repeat("𐐨", 63)} {
		if err := directory.CheckHandle(longest); err != nil {
			t.Errorf("%q: %v", longest, err)
		}
	}
}

// TestHandlesFoldOnce: what is folded folds to itself, and can be a handle.
func TestHandlesFoldOnce(t *testing.T) {
	t.Parallel()
	letters := rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("aAßſİıΣςσKÅ\u0301\u0307\u0327ｱﾞｶﾟー٣7-_.ﬁǅ")))
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringOfN(letters, 1, 8, -1).Draw(t, "handle")
		folded, err := directory.FoldHandle(s)
		if err != nil {
			if !utf8.ValidString(err.Error()) || len(err.Error()) > 1000 {
				t.Fatalf("%q: %q", s, err)
			}
			return
		}
		if again, err := directory.FoldHandle("@" + folded); err != nil || again != folded {
			t.Fatalf("%q folds to %q, and that to %q, %v", s, folded, again, err)
		}
	})
}

func TestDisplayNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"Ada Lovelace":                    "",
		"山田 太郎":                           "",
		"👩‍👩‍👧‍👦":                         "",
		"می\u200cخواهم":                   "",
		strings.Repeat("ñ", 64):           "",
		"":                                "empty",
		"\u200b \u00a0":                   "no visible character",
		"\u3164":                          "no visible character",
		"a\nb":                            "character 2 is U+000A, which is a control character: leave it out",
		"\x1b[31m":                        "control",
		"a\u2028":                         "control",
		"\u202ekcattA":                    "character 1 is U+202E, which changes the direction",
		"a\u2067b":                        "direction",
		"\xff":                            "UTF-8",
		strings.Repeat("ñ", 65):           "65 characters, at most 64",
		strings.Repeat("\u0301", 64) + "": "no visible",
	} {
		err := directory.CheckDisplayName(name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", name, err, want)
		}
	}
}
