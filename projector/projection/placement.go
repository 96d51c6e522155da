package projection

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/internal/item"
	"github.com/postroom/postroom/internal/views"
)

// placement is in which views rows are. The zero placement is what every table begins
// with: the default view alone.
type placement struct {
	generation int64           // of the table's views, when this was what they were
	views      []postroom.View // nil if generation is zero
}

// all are the views.
func (p placement) all() []postroom.View {
	if p.generation == 0 {
		return []postroom.View{{Name: postroom.DefaultView, Format: postroom.PlainRows}}
	}
	return p.views
}

func (p placement) has(view string) bool {
	return slices.ContainsFunc(p.all(), func(v postroom.View) bool { return v.Name == view })
}

// later returns the placement of the later generation. So a worker that knows less than a
// head leaves the rows where the head says.
func (p placement) later(q placement) placement {
	if q.generation > p.generation {
		return q
	}
	return p
}

// Views are those in which the members' rows are.
func (h Head) Views() []postroom.View { return h.at.all() }

// In reports whether the members' rows are in a view that was added by a generation of the
// table's views.
func (h Head) In(v postroom.View, since int64) bool {
	return h.at.generation >= since && slices.Contains(h.at.all(), v)
}

// Settled reports whether all of the members' rows are put, in the views of a generation of
// the table's views or a later one.
func (h Head) Settled(generation int64) bool { return !h.open && h.at.generation >= generation }

// placement is where the rows of the conversation are.
func (c *Conversation) placement() placement {
	if c.head == nil {
		return placement{}
	}
	return c.head.at
}

// tablePlacement is where the table has its rows by now, read no longer ago than
// [views.MaxAge].
func (p Projection) tablePlacement(ctx context.Context) (placement, error) {
	set, err := p.views.Within(ctx, views.MaxAge)
	if err != nil {
		return placement{}, fmt.Errorf("which views the table has: %w", err)
	}
	if set.Generation == 0 {
		return placement{}, nil
	}
	return placement{set.Generation, set.Written()}, nil
}

// encode adds the placement to a head's item: the views as words of name and format.
func (p placement) encode(it backend.Item) {
	if p.generation == 0 {
		return
	}
	words := make([]string, len(p.views))
	for i, v := range p.views {
		words[i] = v.Name + ":" + strconv.Itoa(v.Format)
	}
	it[attrGeneration], it[attrViews] = item.Int(p.generation), item.String(strings.Join(words, " "))
}

// decodePlacement reads the placement of a head's item.
func decodePlacement(it backend.Item) (placement, error) {
	if it[attrGeneration] == nil && it[attrViews] == nil {
		return placement{}, nil
	}
	var p placement
	n, ok := it[attrGeneration].(*types.AttributeValueMemberN)
	if !ok {
		return placement{}, errors.New("their generation is missing or not a number")
	}
	var err error
	if p.generation, err = strconv.ParseInt(n.Value, 10, 64); err != nil || p.generation < 1 || strconv.FormatInt(p.generation, 10) != n.Value {
		return placement{}, fmt.Errorf("their generation is %.60q, and must be a number from 1", n.Value)
	}
	for _, word := range strings.Split(backend.Text(it, attrViews), " ") {
		name, number, _ := strings.Cut(word, ":")
		format, err := strconv.Atoi(number)
		if err != nil || strconv.Itoa(format) != number || p.has(name) {
			return placement{}, fmt.Errorf("%.60q is not a view with the format of its rows, or is there twice", word)
		}
		v := postroom.View{Name: name, Format: format}
		if err := v.Validate(); err != nil {
			return placement{}, err
		}
		p.views = append(p.views, v)
	}
	return p, nil
}
