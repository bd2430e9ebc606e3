package gen

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLinesAreRepeatableAndOfRealisticLength(t *testing.T) {
	a, b := New(Config{Seed: 7}), New(Config{Seed: 7})
	bytes, last := 0, int64(0)
	for range 20_000 {
		i, rec := a.Next()
		j, same := b.Next()
		require.Equal(t, i, j)
		require.Equal(t, rec, same)
		require.GreaterOrEqual(t, rec.Time, last)
		last = rec.Time
		bytes += len(rec.Line)
	}
	require.InDelta(t, 200, float64(bytes)/20_000, 20)
}

func TestStreamsGroupsLines(t *testing.T) {
	n := 0
	for _, s := range New(Config{Seed: 1, Streams: 12}).Streams(1000) {
		require.NotEmpty(t, s.Labels.Get("pod"))
		n += len(s.Records)
	}
	require.Equal(t, 1000, n)
}
