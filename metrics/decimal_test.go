package metrics

import (
	"math"
	"testing"

	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/require"
)

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		v        float64
		hint     uint8
		mantissa int64
		scale    uint8
	}{
		{0, 0, 0, 0},
		{12, 0, 12, 0},
		{12, 2, 1200, 2},
		{-12.53, 0, -1253, 2},
		{0.1, 0, 1, 1},
		{1e15, 3, 1e15, 0},
		{1 << 60, 0, int64(math.Float64bits(1 << 60)), scaleRaw},
		{math.Pi, 0, 3141592653589793, 15},
		{12, scaleRaw, int64(math.Float64bits(12)), scaleRaw},
	} {
		m, s := encodeDecimal(tt.v, tt.hint)
		require.Equal(t, tt.mantissa, m, "%v", tt.v)
		require.Equal(t, tt.scale, s, "%v", tt.v)
	}
}

func FuzzDecimal(f *testing.F) {
	for _, v := range []float64{0, math.Copysign(0, -1), 0.1, 1.1, 100.25, 1e-9, 123456.789, 1e300, math.MaxFloat64, math.SmallestNonzeroFloat64,
		math.Inf(1), math.Inf(-1), math.NaN(), math.Float64frombits(value.StaleNaN), 1 << 53, 1<<53 - 1} {
		f.Add(math.Float64bits(v), uint8(0))
		f.Add(math.Float64bits(v), uint8(7))
	}
	f.Fuzz(func(t *testing.T, bits uint64, hint uint8) {
		m, s := encodeDecimal(math.Float64frombits(bits), hint)
		require.Equal(t, bits, math.Float64bits(decodeDecimal(m, s)))
	})
}
