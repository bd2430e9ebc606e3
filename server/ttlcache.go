package server

import (
	"sync"
	"time"
)

// ttlCache remembers up to max values for a while.
type ttlCache[K comparable, V any] struct {
	max int
	ttl time.Duration

	mu     sync.Mutex
	values map[K]ttlValue[V]
}

type ttlValue[V any] struct {
	value   V
	expires time.Time
}

func newTTLCache[K comparable, V any](max int, ttl time.Duration) *ttlCache[K, V] {
	return &ttlCache[K, V]{max: max, ttl: ttl, values: map[K]ttlValue[V]{}}
}

func (c *ttlCache[K, V]) get(k K, now time.Time) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.values[k]
	if !ok || !now.Before(v.expires) {
		var none V
		return none, false
	}
	return v.value, true
}

// put stores a value; when there is no room, any other one goes.
func (c *ttlCache[K, V]) put(k K, v V, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for old := range c.values {
		if len(c.values) < c.max {
			break
		}
		delete(c.values, old)
	}
	c.values[k] = ttlValue[V]{v, now.Add(c.ttl)}
}
