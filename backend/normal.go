package backend

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Bounds of values. Source: DynamoDB developer guide, service quotas.
const (
	maxNesting = 32  // levels of lists and maps
	maxDigits  = 38  // significant digits of a number
	maxPower   = 125 // of ten, of a number's first digit
	minPower   = -130

	maxExponentBytes = 7 // of a number's text
)

// NormalItem copies an item into its normal form: numbers without superfluous zeros,
// sets in order. Items that are equal to DynamoDB have equal normal forms, and equal
// JSON. A value that DynamoDB refuses is an [Error] of KindInvalid.
func NormalItem(item Item) (Item, error) { return normalItem(item, 1) }

func normalItem(item Item, depth int) (Item, error) {
	normal := make(Item, len(item))
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
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(s), "e")
	if hasExponent {
		n, err := strconv.Atoi(exponent)
		if err != nil || len(exponent) > maxExponentBytes {
			return "", 0, false, false
		}
		power = n
	}
	if mantissa != "" && (mantissa[0] == '-' || mantissa[0] == '+') {
		negative, mantissa = mantissa[0] == '-', mantissa[1:]
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits = whole + fraction
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		return "", 0, false, false
	}
	power += len(whole)
	trimmed := strings.TrimLeft(digits, "0")
	power -= len(digits) - len(trimmed)
	return strings.TrimRight(trimmed, "0"), power, negative, true
}

// EqualItems reports whether two items are equal to DynamoDB, which compares numbers
// by their value and ignores the order of sets.
func EqualItems(a, b Item) bool {
	x, errX := normalJSON(a)
	y, errY := normalJSON(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

func normalJSON(item Item) ([]byte, error) {
	normal, err := NormalItem(item)
	if err != nil {
		return nil, err
	}
	return EncodeItem(normal)
}

func invalid(format string, args ...any) error {
	return &Error{Kind: KindInvalid, Err: fmt.Errorf(format, args...)}
}
