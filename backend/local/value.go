package local

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// Bounds of values. Source: DynamoDB developer guide, service quotas.
const (
	maxNesting = 32  // levels of lists and maps
	maxDigits  = 38  // significant digits of a number
	maxPower   = 125 // of ten, of a number's first digit
	minPower   = -130
)

// normalItem copies an item into the normal form in which it is stored: numbers
// without superfluous zeros, sets in order. Equal items in normal form have equal
// JSON. Values that DynamoDB refuses are errors.
func normalItem(item backend.Item, depth int) (backend.Item, error) {
	normal := make(backend.Item, len(item))
	for name, v := range item {
		if name == "" {
			return nil, invalid("empty attribute name")
		}
		if !utf8.ValidString(name) {
			return nil, invalid("attribute name %q is not valid UTF-8", name)
		}
		n, err := normalValue(name, v, depth)
		if err != nil {
			return nil, err
		}
		normal[name] = n
	}
	return normal, nil
}

func normalValue(name string, v types.AttributeValue, depth int) (types.AttributeValue, error) {
	if depth > maxNesting {
		return nil, invalid("attribute %s: nesting levels have exceeded supported limits (%d)", name, maxNesting)
	}
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return v, checkUTF8(name, v.Value)
	case *types.AttributeValueMemberN:
		n, err := normalNumber(name, v.Value)
		return &types.AttributeValueMemberN{Value: n}, err
	case *types.AttributeValueMemberB, *types.AttributeValueMemberBOOL:
		return v, nil
	case *types.AttributeValueMemberNULL:
		if !v.Value {
			return nil, invalid("attribute %s: null attribute value types must have the value of true", name)
		}
		return v, nil
	case *types.AttributeValueMemberSS:
		set, err := normalStrings(name, v.Value, func(name, s string) (string, error) { return s, checkUTF8(name, s) })
		return &types.AttributeValueMemberSS{Value: set}, err
	case *types.AttributeValueMemberNS:
		set, err := normalStrings(name, v.Value, normalNumber)
		return &types.AttributeValueMemberNS{Value: set}, err
	case *types.AttributeValueMemberBS:
		set := slices.SortedFunc(slices.Values(v.Value), bytes.Compare)
		return &types.AttributeValueMemberBS{Value: set}, checkSet(name, len(set), len(slices.CompactFunc(slices.Clone(set), bytes.Equal)))
	case *types.AttributeValueMemberL:
		list := make([]types.AttributeValue, len(v.Value))
		for i, e := range v.Value {
			n, err := normalValue(name, e, depth+1)
			if err != nil {
				return nil, err
			}
			list[i] = n
		}
		return &types.AttributeValueMemberL{Value: list}, nil
	case *types.AttributeValueMemberM:
		m, err := normalItem(v.Value, depth+1)
		return &types.AttributeValueMemberM{Value: m}, err
	case nil:
		return nil, invalid("attribute %s has no value", name)
	}
	return nil, invalid("attribute %s is of an unknown type, %T", name, v)
}

func normalStrings(name string, values []string, normal func(name, s string) (string, error)) ([]string, error) {
	set := make([]string, len(values))
	for i, s := range values {
		n, err := normal(name, s)
		if err != nil {
			return nil, err
		}
		set[i] = n
	}
	slices.Sort(set)
	return set, checkSet(name, len(set), len(slices.Compact(slices.Clone(set))))
}

func checkSet(name string, size, distinct int) error {
	switch {
	case size == 0:
		return invalid("attribute %s: a set may not be empty", name)
	case distinct < size:
		return invalid("attribute %s: input collection contains duplicates", name)
	}
	return nil
}

func checkUTF8(name, s string) error {
	if !utf8.ValidString(s) {
		return invalid("attribute %s: %.40q is not valid UTF-8", name, s)
	}
	return nil
}

// normalNumber writes a decimal number without superfluous signs and zeros, and
// without an exponent.
func normalNumber(name, s string) (string, error) {
	digits, power, negative, ok := parseNumber(s)
	if !ok {
		return "", invalid("attribute %s: the parameter cannot be converted to a numeric value: %.60q", name, s)
	}
	// The value is 0.digits * 10^power.
	if digits == "" {
		return "0", nil
	}
	if len(digits) > maxDigits {
		return "", invalid("attribute %s: attempting to store more than %d significant digits in a number", name, maxDigits)
	}
	if power-1 > maxPower || power-1 < minPower {
		return "", invalid("attribute %s: the magnitude of number %.60q is not supported", name, s)
	}
	switch {
	case power <= 0:
		digits = "0." + strings.Repeat("0", -power) + digits
	case power >= len(digits):
		digits += strings.Repeat("0", power-len(digits))
	default:
		digits = digits[:power] + "." + digits[power:]
	}
	if negative {
		digits = "-" + digits
	}
	return digits, nil
}

// parseNumber splits a decimal number into its significant digits (none for zero)
// and the power of ten by which 0.digits is multiplied.
func parseNumber(s string) (digits string, power int, negative, ok bool) {
	mantissa, exponent, hasExponent := s, "", false
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exponent, hasExponent = s[:i], s[i+1:], true
	}
	mantissa, negative = cutSign(mantissa)
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || !allDigits(whole+fraction) {
		return "", 0, false, false
	}
	power = len(whole)
	if hasExponent {
		abs, minus := cutSign(exponent)
		if abs == "" || len(abs) > 6 || !allDigits(abs) {
			return "", 0, false, false
		}
		n := 0
		for _, c := range abs {
			n = n*10 + int(c-'0')
		}
		if minus {
			n = -n
		}
		power += n
	}
	digits = whole + fraction
	trimmed := strings.TrimLeft(digits, "0")
	power -= len(digits) - len(trimmed)
	return strings.TrimRight(trimmed, "0"), power, negative, true
}

func cutSign(s string) (rest string, negative bool) {
	if s != "" && (s[0] == '-' || s[0] == '+') {
		return s[1:], s[0] == '-'
	}
	return s, false
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// holds reports whether a condition in normal form holds for the item under a key;
// nil: there is none.
func holds(c backend.Condition, item backend.Item) (bool, error) {
	if c.Absent && item != nil {
		return false, nil
	}
	for name, want := range c.Equals {
		got, ok := item[name]
		if !ok {
			return false, nil
		}
		same, err := equal(got, want)
		if err != nil || !same {
			return false, err
		}
	}
	return true, nil
}

// equal compares two values in normal form.
func equal(a, b types.AttributeValue) (bool, error) {
	if s, ok := a.(*types.AttributeValueMemberS); ok {
		t, ok := b.(*types.AttributeValueMemberS)
		return ok && s.Value == t.Value, nil
	}
	x, err := backend.EncodeItem(backend.Item{"v": a})
	if err != nil {
		return false, err
	}
	y, err := backend.EncodeItem(backend.Item{"v": b})
	return bytes.Equal(x, y), err
}
