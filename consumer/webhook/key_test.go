package webhook

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	text := func(n int) string {
		return keyPrefix + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb}, n))
	}
	for _, good := range []string{text(24), text(25), text(32), text(64), "\n " + text(32) + "\r\n"} {
		if key, err := ParseKey(good); err != nil || key.secret()[0] != 0xfb {
			t.Errorf("%q: %v", good, err)
		}
	}
	for bad, says := range map[string]string{
		"":                                     "must begin with whsec_",
		"whsec_":                               "has 0 bytes",
		text(23):                               "has 23 bytes",
		text(65):                               "has 65 bytes",
		"whsk_" + text(32)[6:]:                 "must begin with whsec_",
		text(32)[6:]:                           "must begin with whsec_",
		strings.TrimRight(text(32), "="):       "must be base64",
		strings.ReplaceAll(text(32), "+", "-"): "must be base64",
		text(32) + "=":                         "must be base64",
		text(32)[:20] + "\n" + text(32)[20:]:   "must be base64",
		text(32)[:20] + " " + text(32)[20:]:    "must be base64",
		strings.Replace(text(25), "w==", "x==", 1): "must be base64", // another text of the same key
		text(24) + " " + text(24):                  "must be base64",
	} {
		if _, err := ParseKey(bad); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	t.Parallel()
	keys, err := ParseKeys(keyText(1) + "\n" + keyText(2) + " \n")
	if err != nil || len(keys) != 2 || keys[1].secret()[0] != 2 {
		t.Errorf("%d keys: %v", len(keys), err)
	}
	if _, err := ParseKeys(keyText(1) + " hush"); err == nil || !strings.Contains(err.Error(), "key 2") {
		t.Error(err)
	}
	if _, err := ParseKeys(" \n"); err == nil {
		t.Error("no key is none")
	}
}

// The bytes of a key show nowhere, however it is printed and whatever holds it.
func TestQ14KeyNeverShows(t *testing.T) {
	t.Parallel()
	key := testKey(t, 7)
	holder := struct {
		Public  Key
		private Key
		list    []Key
		pointer *Key
	}{key, key, []Key{key}, &key}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%08b", "%T"} {
		for _, v := range []any{key, &key, holder, &holder, []Key{key}, map[string]Key{"k": key}} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range []any{key, &key, holder} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		out.Write(b)
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("keys", "key", key, "pointer", &key, "holder", holder, "keys", []Key{key})
	}
	out.WriteString(key.String())
	if !strings.Contains(out.String(), redacted) {
		t.Error("nothing was printed")
	}
	wantNoSecret(t, out.String(), key)
}

// wantNoSecret looks for a key in the forms in which bytes get printed.
func wantNoSecret(t *testing.T, out string, key Key) {
	t.Helper()
	secret := key.secret()
	for _, form := range []string{
		string(secret), base64.StdEncoding.EncodeToString(secret)[:12], fmt.Sprintf("%x", secret)[:12],
		strings.Trim(fmt.Sprintf("%d", secret), "[]")[:12], fmt.Sprintf("%#v", secret)[8:24],
	} {
		if strings.Contains(strings.ToLower(out), strings.ToLower(form)) {
			t.Errorf("the key shows as %q", form)
		}
	}
}

// Computed by another program:
// printf %s ID.TIME.BODY | openssl dgst -sha256 -hmac KEY -binary | base64.
func TestQ14SignatureIsAsSpecified(t *testing.T) {
	t.Parallel()
	key, err := ParseKey("whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdefghijklmn")))
	if err != nil {
		t.Fatal(err)
	}
	const want = "v1,/6aFrzfbj7wg6DfiGE3lNONWwdhyTDkhr48D1dYuck8="
	if got := sign([]Key{key}, "4f1c", 1674087231, `{"id":"4f1c"}`); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := sign([]Key{testKey(t, 1), key}, "4f1c", 1674087231, `{"id":"4f1c"}`); !strings.HasSuffix(got, " "+want) {
		t.Errorf("with two keys: %s", got)
	}
}

func FuzzParseKey(f *testing.F) {
	for _, seed := range []string{"", keyPrefix, keyText(1), " " + keyText(2) + "\n", keyText(3)[:30] + "\r" + keyText(3)[30:]} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		key, err := ParseKey(text)
		if err != nil {
			if body := strings.TrimPrefix(text, keyPrefix); len(body) > 12 && strings.Contains(err.Error(), body) {
				t.Errorf("quotes the key: %v", err)
			}
			return
		}
		if again := keyPrefix + base64.StdEncoding.EncodeToString(key.secret()); again != strings.TrimSpace(text) {
			t.Errorf("%q is taken for %q", text, again)
		}
	})
}
