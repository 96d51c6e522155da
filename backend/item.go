package backend

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/go-json-experiment/json/jsontext"
)

// Names of the key attributes.
const (
	AttrPK = "PK"
	AttrSK = "SK"
)

// KeyOf returns the primary key of an item. A part that is missing or not a string
// is empty.
func KeyOf(item Item) Key { return Key{Text(item, AttrPK), Text(item, AttrSK)} }

// Text returns a string attribute, or "" if it is missing or of another type.
func Text(item Item, name string) string {
	if s, ok := item[name].(*types.AttributeValueMemberS); ok {
		return s.Value
	}
	return ""
}

// Number returns a number attribute as it is stored, or "" if it is missing or of
// another type.
func Number(item Item, name string) string {
	if n, ok := item[name].(*types.AttributeValueMemberN); ok {
		return n.Value
	}
	return ""
}

// ItemBytes returns the size of an item as DynamoDB counts it: names and values in
// UTF-8. A number takes about one byte for every two digits and one more, a list or
// a map takes three bytes and one for each element, a boolean or a null takes one.
// Source: DynamoDB developer guide, item sizes and formats.
func ItemBytes(item Item) int {
	n := 0
	for name, v := range item {
		n += len(name) + valueBytes(v)
	}
	return n
}

func valueBytes(v types.AttributeValue) int {
	const collection = 3
	n := 0
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return numberBytes(v.Value)
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberSS:
		for _, s := range v.Value {
			n += len(s)
		}
	case *types.AttributeValueMemberNS:
		for _, s := range v.Value {
			n += numberBytes(s)
		}
	case *types.AttributeValueMemberBS:
		for _, b := range v.Value {
			n += len(b)
		}
	case *types.AttributeValueMemberL:
		n = collection + len(v.Value)
		for _, e := range v.Value {
			n += valueBytes(e)
		}
	case *types.AttributeValueMemberM:
		return collection + len(v.Value) + ItemBytes(v.Value)
	default: // BOOL, NULL
		return 1
	}
	return n
}

func numberBytes(s string) int { return (len(s)+1)/2 + 1 }

// EncodeItem encodes an item as DynamoDB's JSON ({"PK":{"S":"…"}}), with sorted
// names and without HTML escaping: equal items in normal form have equal JSON.
func EncodeItem(item Item) ([]byte, error) {
	data, err := attributevalue.MarshalMapJSON(item)
	if err != nil {
		return nil, err
	}
	sorted := jsontext.Value(data)
	err = sorted.Compact(jsontext.ReorderRawObjects(true))
	return sorted, err
}

// DecodeItem decodes the JSON of [EncodeItem].
func DecodeItem(data []byte) (Item, error) {
	item, err := attributevalue.UnmarshalMapJSON(data)
	if err != nil {
		return nil, fmt.Errorf("item is not in DynamoDB's JSON: %w", err)
	}
	return item, nil
}
