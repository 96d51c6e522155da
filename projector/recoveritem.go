package projector

import (
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
)

// fields reads attributes of an item and keeps the first error.
type fields struct {
	item backend.Item
	err  error
}

func (f *fields) text(name string) string { return backend.Text(f.item, name) }

func (f *fields) number(name string) int64 {
	var n int64
	if _, err := fmt.Sscan(backend.Number(f.item, name), &n); err != nil {
		f.fail(name, err)
	}
	return n
}

func (f *fields) time(name string) time.Time {
	s := f.text(name)
	if s == "" {
		return time.Time{}
	}
	t, err := postroom.ParseTime(s)
	if err != nil {
		f.fail(name, err)
	}
	return t
}

func (f *fields) maps(name string) []backend.Item {
	list, ok := f.item[name].(*types.AttributeValueMemberL)
	if !ok {
		f.fail(name, errors.New("it is no list"))
		return nil
	}
	var items []backend.Item
	for _, v := range list.Value {
		m, ok := v.(*types.AttributeValueMemberM)
		if !ok {
			f.fail(name, errors.New("its elements are no maps"))
			return nil
		}
		items = append(items, m.Value)
	}
	return items
}

func (f *fields) fail(name string, err error) {
	if f.err == nil {
		key := backend.KeyOf(f.item)
		f.err = fmt.Errorf("item %q, %q of the control table: %s is not what this version understands: %w", key.PK, key.SK, name, err)
	}
}

func number(n int64) types.AttributeValue { return &types.AttributeValueMemberN{Value: fmt.Sprint(n)} }

func flag(b bool) types.AttributeValue { return &types.AttributeValueMemberBOOL{Value: b} }

func isTrue(item backend.Item, name string) bool {
	b, ok := item[name].(*types.AttributeValueMemberBOOL)
	return ok && b.Value
}

// stamp writes a time, the zero one as an empty string.
func stamp(t time.Time) types.AttributeValue {
	if t.IsZero() {
		return text("")
	}
	return text(postroom.FormatTime(t))
}
