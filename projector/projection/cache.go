package projection

import (
	"sync"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// maxCachedMembers bounds a cache: at about 100 bytes for each member of each
// conversation, 50 MB.
const maxCachedMembers = 500_000

// Cache remembers something of conversations, the least recently used of them for
// as long as there is room. It is safe for concurrent use.
type Cache[T any] struct {
	mu      sync.Mutex
	lru     *simplelru.LRU[string, cached[T]]
	members int
}

type cached[T any] struct {
	value   T
	members int
}

// NewCache makes an empty cache.
func NewCache[T any]() *Cache[T] {
	k := &Cache[T]{}
	// The size is bounded by members, not by conversations: each has two.
	k.lru, _ = simplelru.NewLRU(maxCachedMembers, func(_ string, c cached[T]) { k.members -= c.members })
	return k
}

// Get returns what is remembered of a conversation.
func (k *Cache[T]) Get(group string) (T, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	c, ok := k.lru.Get(group)
	return c.value, ok
}

// Put remembers something of a conversation of so many members.
func (k *Cache[T]) Put(group string, value T, members int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lru.Remove(group)
	k.members += members
	k.lru.Add(group, cached[T]{value, members})
	for k.members > maxCachedMembers && k.lru.Len() > 1 {
		k.lru.RemoveOldest()
	}
}

// Forget removes what is remembered of a conversation.
func (k *Cache[T]) Forget(group string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lru.Remove(group)
}
