package traces

import "sync"

// resourceDay is a resource of a tenant on a day.
type resourceDay struct {
	tenant string
	id     uint64
	day    uint16
}

// known remembers, in two generations of at most half its size, which
// resources are stored. What it forgets is only stored again.
type known struct {
	half int

	mu    sync.Mutex
	young map[resourceDay]struct{}
	old   map[resourceDay]struct{}
}

func newKnown(size int) *known {
	return &known{half: max(size/2, 1), young: map[resourceDay]struct{}{}}
}

func (k *known) has(r resourceDay) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.young[r]; ok {
		return true
	}
	if _, ok := k.old[r]; ok {
		k.addLocked(r)
		return true
	}
	return false
}

func (k *known) add(r resourceDay) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.addLocked(r)
}

func (k *known) addLocked(r resourceDay) {
	if len(k.young) >= k.half {
		k.old, k.young = k.young, map[resourceDay]struct{}{}
	}
	k.young[r] = struct{}{}
}
