package projector

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxKnownMembers bounds the cache of conversations: about 100 bytes for each
// member of each, so 50 MB.
const maxKnownMembers = 500_000

// known remembers conversations, the least recently used of them as long as
// there is room.
type known struct {
	mu      sync.Mutex
	lru     *simplelru.LRU[string, *conversation]
	members int
}

func newKnown() *known {
	k := &known{}
	// The size is bounded by members, not by conversations: each has two.
	k.lru, _ = simplelru.NewLRU(maxKnownMembers, func(_ string, c *conversation) {
		k.members -= len(c.members)
	})
	return k
}

func (k *known) get(group string) (*conversation, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lru.Get(group)
}

func (k *known) put(c *conversation) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lru.Remove(c.group)
	k.members += len(c.members)
	k.lru.Add(c.group, c)
	for k.members > maxKnownMembers && k.lru.Len() > 1 {
		k.lru.RemoveOldest()
	}
}

func (k *known) forget(group string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lru.Remove(group)
}
