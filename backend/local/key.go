package local

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom/backend"
)

// Bounds of keys. Source: DynamoDB developer guide, service quotas.
const (
	maxPKBytes = 2048
	maxSKBytes = 1024
)

// hashOf returns the hash of a partition key, which determines its place in a scan
// and its shard in a stream.
func hashOf(pk string) int64 {
	sum := sha256.Sum256([]byte(pk))
	return int64(binary.BigEndian.Uint32(sum[:]))
}

// maxHash is the greatest hash.
const maxHash = math.MaxUint32

// keyOf returns the table's key of an item.
func (d *tableDef) keyOf(item backend.Item) (backend.Key, error) {
	pk, err := keyPart(item, d.spec.PartitionKey)
	if err != nil {
		return backend.Key{}, err
	}
	sk, err := keyPart(item, d.spec.SortKey)
	if err != nil {
		return backend.Key{}, err
	}
	key := backend.Key{PK: pk, SK: sk}
	return key, d.checkKey(key)
}

func keyPart(item backend.Item, name string) (string, error) {
	switch v := item[name].(type) {
	case *types.AttributeValueMemberS:
		return v.Value, nil
	case nil:
		return "", invalid("one or more parameter values were invalid: missing the key %s in the item", name)
	default:
		return "", invalid("one or more parameter values were invalid: type mismatch for key %s expected: S actual: %s", name, typeName(v))
	}
}

// checkKey checks the values of a key.
func (d *tableDef) checkKey(key backend.Key) error {
	if err := checkPart(d.spec.PartitionKey, key.PK, "hashkey", maxPKBytes); err != nil {
		return err
	}
	return checkPart(d.spec.SortKey, key.SK, "rangekey", maxSKBytes)
}

func checkPart(name, value, role string, limit int) error {
	switch {
	case value == "":
		return invalid("one or more parameter values are not valid: the AttributeValue for a key attribute cannot contain an empty string value. Key: %s", name)
	case len(value) > limit:
		return invalid("one or more parameter values were invalid: size of %s has exceeded the maximum size limit of %d bytes. Key: %s", role, limit, name)
	case !utf8.ValidString(value):
		return invalid("one or more parameter values were invalid: key %s, %.40q, is not valid UTF-8", name, value)
	}
	return nil
}

// indexKeyOf returns the index's key of an item; zero: the item is not in the index,
// or there is no index.
func (d *tableDef) indexKeyOf(item backend.Item) (backend.Key, error) {
	index := d.spec.Index
	if index == nil {
		return backend.Key{}, nil
	}
	pk, err := d.indexPart(item, index.PartitionKey, "hashkey", maxPKBytes)
	if err != nil {
		return backend.Key{}, err
	}
	sk, err := d.indexPart(item, index.SortKey, "rangekey", maxSKBytes)
	if err != nil || pk == "" || sk == "" {
		return backend.Key{}, err
	}
	return backend.Key{PK: pk, SK: sk}, nil
}

func (d *tableDef) indexPart(item backend.Item, name, role string, limit int) (string, error) {
	v, ok := item[name]
	if !ok {
		return "", nil
	}
	s, ok := v.(*types.AttributeValueMemberS)
	if !ok {
		return "", invalid("one or more parameter values were invalid: type mismatch for Index Key %s expected: S actual: %s IndexName: %s",
			name, typeName(v), d.spec.Index.Name)
	}
	if err := checkPart(name, s.Value, role, limit); err != nil {
		return "", invalid("a value specified for a secondary index key is not supported, IndexName: %s: %s", d.spec.Index.Name, messageOf(err))
	}
	return s.Value, nil
}

// keyItem returns an item that has the key only.
func (d *tableDef) keyItem(key backend.Key) backend.Item {
	return backend.Item{
		d.spec.PartitionKey: &types.AttributeValueMemberS{Value: key.PK},
		d.spec.SortKey:      &types.AttributeValueMemberS{Value: key.SK},
	}
}

// entryItem returns an item as the index has it: with its keys only.
func (d *tableDef) entryItem(key, indexKey backend.Key) backend.Item {
	item := d.keyItem(key)
	item[d.spec.Index.PartitionKey] = &types.AttributeValueMemberS{Value: indexKey.PK}
	item[d.spec.Index.SortKey] = &types.AttributeValueMemberS{Value: indexKey.SK}
	return item
}

// typeName returns a value's type in DynamoDB's words, such as N.
func typeName(v types.AttributeValue) string {
	return strings.TrimPrefix(fmt.Sprintf("%T", v), "*types.AttributeValueMember")
}
