package directory_test

import (
	"strings"
	"testing"

	"github.com/postroom/postroom/directory"
)

func TestDIDs(t *testing.T) {
	t.Parallel()
	plc := "did:plc:" + strings.Repeat("a", 24)
	for did, want := range map[string]string{
		directory.UserDID(ada):     ada,
		plc:                        "b94983ef-acc4-57e2-aded-d3788f4910e9",
		"did:web:example.com":      "",
		"did:web:localhost%3A1234": "",
		"did:method:val:two":       "",
		"did:m:v":                  "",
		"did:onion:2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid": "",
		"did:m:" + strings.Repeat("v", directory.MaxDIDBytes-6):              "",
	} {
		user, err := directory.ParseDID(did)
		if err != nil {
			t.Errorf("%.60q: %v", did, err)
		}
		if want != "" && user != want {
			t.Errorf("%.60q is user %s, want %s", did, user, want)
		}
	}
	for did, want := range map[string]string{
		"": "begin with did:", "did": "begin with", "DID:plc:x": "begin with", "did:": "method", "did:plc": "method",
		"did::x": "method", "did:PLC:x": "method", "did:m1:x": "method", "did:plc:": "no identifier",
		"did:plc:a b": `at " b"`, "did:plc:a/b": `at "/b"`, "did:plc:a#b": `at "#b"`, "did:plc:é": `at "é"`, "did:m:v?x=y": "at",
		"did:m:v:": "ends in ':'", "did:m:v%": "ends in '%'", "did:postroom:x": "uuid",
		"did:postroom:" + strings.ToUpper("aaaaaaaa-1111-4111-8111-111111111111"): "uuid",
		"did:m:" + strings.Repeat("v", directory.MaxDIDBytes-5):                   "2049 bytes",
	} {
		if user, err := directory.ParseDID(did); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %s, %v, want %q", did, user, err, want)
		}
	}
}
