package aws

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// expression collects the placeholders of one expression: names may be reserved
// words, and values must not stand in the text. The same input always gives the same
// text, since a transaction's token belongs to its exact parameters.
type expression struct {
	names  map[string]string
	values map[string]types.AttributeValue
}

func (e *expression) name(attribute string) string {
	if e.names == nil {
		e.names = map[string]string{}
	}
	placeholder := "#" + strconv.Itoa(len(e.names))
	e.names[placeholder] = attribute
	return placeholder
}

func (e *expression) value(v types.AttributeValue) string {
	if e.values == nil {
		e.values = map[string]types.AttributeValue{}
	}
	placeholder := ":" + strconv.Itoa(len(e.values))
	e.values[placeholder] = v
	return placeholder
}

// condition returns the text of a condition; nil: it always holds.
func (e *expression) condition(c backend.Condition) *string {
	var terms []string
	if c.Absent {
		terms = append(terms, "attribute_not_exists("+e.name(backend.AttrPK)+")")
	}
	if c.Equals != nil {
		terms = append(terms, "attribute_exists("+e.name(backend.AttrPK)+")")
	}
	for _, attribute := range slices.Sorted(maps.Keys(c.Equals)) {
		terms = append(terms, e.name(attribute)+" = "+e.value(c.Equals[attribute]))
	}
	if terms == nil {
		return nil
	}
	text := strings.Join(terms, " AND ")
	return &text
}

// within returns the key condition of a query.
func (e *expression) within(pkName, pk, skName, skPrefix string) *string {
	text := e.name(pkName) + " = " + e.value(str(pk))
	if skPrefix != "" {
		text += " AND begins_with(" + e.name(skName) + ", " + e.value(str(skPrefix)) + ")"
	}
	return &text
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func keyItem(k backend.Key) backend.Item {
	return backend.Item{backend.AttrPK: str(k.PK), backend.AttrSK: str(k.SK)}
}
