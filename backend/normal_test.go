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

func TestEqualItems(t *testing.T) {
	t.Parallel()
	str := func(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }
	number := func(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }
	set := func(s ...string) types.AttributeValue { return &types.AttributeValueMemberSS{Value: s} }
	list := func(v ...types.AttributeValue) types.AttributeValue { return &types.AttributeValueMemberL{Value: v} }
	for _, c := range []struct {
		a, b types.AttributeValue
		want bool
	}{
		{str("x"), str("x"), true},
		{str("1"), number("1"), false},
		{number("1.50"), number("1.5"), true},
		{number("1"), number("2"), false},
		{set("a", "b"), set("b", "a"), true},
		{set("a", "b"), set("a", "c"), false},
		{list(str("a"), number("1.0")), list(str("a"), number("1")), true},
		{list(str("a"), str("b")), list(str("b"), str("a")), false},
	} {
		if got := backend.EqualItems(backend.Item{"v": c.a}, backend.Item{"v": c.b}); got != c.want {
			t.Errorf("%v and %v: %t", c.a, c.b, got)
		}
	}
}
