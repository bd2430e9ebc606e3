package metrics

import (
	"sync"

	"github.com/cespare/xxhash/v2"
)

// seenDays remembers small facts (a label pair, a metadata row) that are
// durably stored, by the days of the latest month. When it is full it forgets
// everything: what is forgotten is stored again, which merges away.
type seenDays struct {
	mu   sync.Mutex
	m    map[[2]uint64]seenEntry
	most int
}

type seenEntry struct {
	month day
	days  uint32
}

func newSeenDays(most int) *seenDays { return &seenDays{m: map[[2]uint64]seenEntry{}, most: most} }

// factKey hashes the parts of a fact; 0xFF is in no valid UTF-8.
func factKey(buf []byte, parts ...string) ([2]uint64, []byte) {
	buf = buf[:0]
	for _, p := range parts {
		buf = append(buf, p...)
		buf = append(buf, 0xFF)
	}
	d := xxhash.NewWithSeed(0x9E3779B97F4A7C15)
	d.Write(buf)
	return [2]uint64{d.Sum64(), xxhash.Sum64(buf)}, buf
}

// has reports whether a fact is stored for a day.
func (s *seenDays) has(key [2]uint64, month day, bit uint32) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.m[key]
	return e.month == month && e.days&bit != 0
}

// mark notes that a fact is stored for a day.
func (s *seenDays) mark(key [2]uint64, month day, bit uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, ok := s.m[key]
	if !ok && len(s.m) >= s.most {
		clear(s.m)
	}
	switch {
	case !ok || e.month < month:
		e = seenEntry{month: month, days: bit}
	case e.month == month:
		e.days |= bit
	}
	s.m[key] = e
}
