package item

import "github.com/postroom/postroom/backend"

// Repair is what becomes of a damaged item when a person has it repaired.
type Repair struct {
	Damaged *DamageError
	Put     backend.Item // in its place; nil: it is deleted
	Effect  string       // what follows, as a sentence without its beginning and end
}

// Deletion is the repair of an item that is deleted if it is damaged, given what its
// decoder says of it; nil: it is good, or of a newer format, which is the error.
func Deletion(damaged *DamageError, err error, effect string) (*Repair, error) {
	if damaged == nil {
		return nil, err
	}
	return &Repair{Damaged: damaged, Effect: effect}, nil
}

// Loose returns a decoder that reads what it can of an item of any format.
func Loose(it backend.Item) *Decoder { return &Decoder{item: it} }
