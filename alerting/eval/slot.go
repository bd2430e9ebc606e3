package eval

import (
	"time"

	"github.com/cespare/xxhash/v2"
)

// Slots are the moments at which a group is evaluated: one every interval,
// moved by an offset that spreads the groups over it. They depend on nothing
// but the group, so every replica means the same moments. All values are Unix
// milliseconds.
type Slots struct {
	Interval int64
	Offset   int64
}

// NewSlots gives the slots of a tenant's group.
func NewSlots(tenant, group string, interval time.Duration) Slots {
	h := xxhash.New()
	h.WriteString(tenant)
	h.Write([]byte{0xFF})
	h.WriteString(group)
	ms := max(interval.Milliseconds(), 1)
	return Slots{Interval: ms, Offset: int64(h.Sum64() % uint64(ms))}
}

// Last is the latest slot that is not after t.
func (s Slots) Last(t int64) int64 {
	n := (t - s.Offset) / s.Interval
	if (t-s.Offset)%s.Interval < 0 {
		n--
	}
	return n*s.Interval + s.Offset
}

// Next is the slot to evaluate after the slot done (0 = none yet) when it is
// now: the latest one that is due, else the first to come. missed counts the
// slots in between, which nobody evaluates any more.
func (s Slots) Next(done, now int64) (slot, missed int64) {
	due := s.Last(now)
	if done == 0 {
		return due, 0
	}
	if due <= done {
		return s.Last(done) + s.Interval, 0
	}
	return due, max((due-done)/s.Interval-1, 0)
}
