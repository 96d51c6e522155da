package backend_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

func TestNumbersAreNormal(t *testing.T) {
	t.Parallel()
	normal := func(s string) (string, error) {
		item, err := backend.NormalItem(backend.Item{"n": &types.AttributeValueMemberN{Value: s}})
		return backend.Number(item, "n"), err
	}
	for in, want := range map[string]string{
		"0": "0", "-0": "0", "0.00": "0", "007": "7", "+7": "7", "1.50": "1.5", "100": "100", "1e2": "100",
		"1E+2": "100", "12.5e-1": "1.25", ".5": "0.5", "5.": "5", "-0.00120": "-0.0012", "0e5": "0",
		"1e-3": "0.001", "123456789012345678901234567890123456780000": "123456789012345678901234567890123456780000",
	} {
		got, err := normal(in)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", in, got, err, want)
		}
	}
	for _, in := range []string{"", "+", ".", "e5", "1e", "1e+", "0x1", "1_0", " 1", "1 ", "Inf", "NaN", "1e9999999", "--1", "1/2"} {
		if got, err := normal(in); err == nil {
			t.Errorf("%q is taken as %s", in, got)
		}
	}
}
