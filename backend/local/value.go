package local

import (
	"bytes"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

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
