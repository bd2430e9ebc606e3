package metrics

import (
	"math"
	"sync"

	"github.com/watchfire/watchfire/telemetry"
)

// knownSeries remembers the series that are durably registered, by the days
// of the latest month they wrote to, and the newest sample of each. It is
// bounded; a series that was forgotten is registered again. It holds no
// pointers, so that the garbage collector does not walk millions of series.
type knownSeries struct {
	shards [256]knownShard
}

type knownShard struct {
	mu      sync.Mutex
	index   map[telemetry.SeriesID]uint32 // into entries
	entries []knownEntry
	ids     []telemetry.SeriesID // of entries
	most    int
	hand    int // where the search for an entry to forget goes on
}

// knownEntry is what is known of a series.
type knownEntry struct {
	lastT int64  // time of the newest float sample, minTime = none
	lastV uint64 // its bits
	month day    // first day of the month of days
	kinds kinds
	scale uint8 // of the newest sample, see encodeDecimal
	days  uint32
}

func newKnownSeries(most int) *knownSeries {
	k := &knownSeries{}
	for i := range k.shards {
		k.shards[i].index = map[telemetry.SeriesID]uint32{}
		k.shards[i].most = max(1, most/len(k.shards))
	}
	return k
}

func (k *knownSeries) shard(id telemetry.SeriesID) *knownShard { return &k.shards[byte(id.Lo)] }

// lookupLocked returns the entry of id, which is valid until the shard is
// unlocked.
func (s *knownShard) lookupLocked(id telemetry.SeriesID) *knownEntry {
	i, ok := s.index[id]
	if !ok {
		return nil
	}
	return &s.entries[i]
}

// has reports whether the entry covers a day and kinds of rows on it.
func (e *knownEntry) has(month day, bit uint32, k kinds) bool {
	return e.month == month && e.days&bit != 0 && e.kinds&k == k
}

// saw notes a newer sample.
func (e *knownEntry) saw(t int64, v float64) {
	if t >= e.lastT {
		e.lastT, e.lastV = t, math.Float64bits(v)
	}
}

// mark notes that a series is durably registered for days of a month, and
// returns those that were new to it.
func (k *knownSeries) mark(id telemetry.SeriesID, month day, days uint32, kinds kinds) (fresh uint32) {
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.lookupLocked(id)
	switch {
	case e == nil:
		s.addLocked(id, knownEntry{lastT: minTime, month: month, days: days, kinds: kinds})
		return days
	case e.month == month:
		fresh = days &^ e.days
		e.days |= days
		e.kinds |= kinds
		return fresh
	case e.month < month:
		e.month, e.days, e.kinds = month, days, kinds
	}
	return days
}

// setScale notes the scale of a known series' samples.
func (k *knownSeries) setScale(id telemetry.SeriesID, scale uint8) {
	s := k.shard(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.lookupLocked(id); e != nil {
		e.scale = scale
	}
}

func (s *knownShard) addLocked(id telemetry.SeriesID, e knownEntry) {
	if len(s.entries) < s.most {
		s.index[id] = uint32(len(s.entries))
		s.entries = append(s.entries, e)
		s.ids = append(s.ids, id)
		return
	}
	i := s.victimLocked()
	delete(s.index, s.ids[i])
	s.index[id] = uint32(i)
	s.entries[i], s.ids[i] = e, id
}

// victimLocked picks the entry with the oldest sample among the next few.
func (s *knownShard) victimLocked() int {
	best := s.hand % len(s.entries)
	for range 8 {
		i := s.hand % len(s.entries)
		if s.entries[i].lastT < s.entries[best].lastT {
			best = i
		}
		s.hand++
	}
	return best
}

// capacity is how many series can be known.
func (k *knownSeries) capacity() int { return len(k.shards) * k.shards[0].most }

// len is the number of known series.
func (k *knownSeries) len() (n int) {
	for i := range k.shards {
		k.shards[i].mu.Lock()
		n += len(k.shards[i].entries)
		k.shards[i].mu.Unlock()
	}
	return n
}
