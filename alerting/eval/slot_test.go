package eval

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSlots(t *testing.T) {
	s := Slots{Interval: 15_000, Offset: 4_000}
	require.Equal(t, int64(4_000), s.Last(18_999))
	require.Equal(t, int64(19_000), s.Last(19_000))
	require.Equal(t, int64(-11_000), s.Last(3_999))

	next := func(done, now, slot, missed int64) {
		t.Helper()
		gotSlot, gotMissed := s.Next(done, now)
		require.Equal(t, slot, gotSlot)
		require.Equal(t, missed, gotMissed)
	}
	next(0, 20_000, 19_000, 0)      // the first time: what is due
	next(19_000, 20_000, 34_000, 0) // done: the one to come
	next(19_000, 34_500, 34_000, 0) // due
	next(19_000, 80_000, 79_000, 3) // 34, 49 and 64 are missed
	next(79_000, 20_000, 94_000, 0) // the clock went back: never twice
	next(20_000, 20_500, 34_000, 0) // the interval changed
	next(19_000, 19_000+15_000, 34_000, 0)
}

func TestSlotsSpread(t *testing.T) {
	a := NewSlots("t", "a", time.Minute)
	require.Equal(t, a, NewSlots("t", "a", time.Minute))
	seen := map[int64]bool{}
	for i := range 100 {
		s := NewSlots("t", string(rune('a'+i)), time.Minute)
		require.Less(t, s.Offset, s.Interval)
		seen[s.Offset/6000] = true
	}
	require.Len(t, seen, 10, "a hundred groups reach every tenth of the interval")
}
