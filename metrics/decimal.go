package metrics

import (
	"math"

	"github.com/ClickHouse/ch-go/proto"
)

// Values are stored as decimal fractions where that is exact: what is measured
// has few digits, and the differences between its mantissas are small numbers
// that compress far better than the bits of floats. A value that is no short
// fraction is stored as its bits.

// scaleRaw marks a mantissa that is the bits of the value.
const scaleRaw = 255

// maxScale is the most digits after the point. The powers of ten up to 10^22
// are exact floats, so one division gives the value back bit for bit.
const maxScale = 15

var pow10 = [maxScale + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// encodeDecimal splits v into mantissa and scale. hint is the scale of the
// series' sample before: a series keeps its scale while it can, so that
// mantissas stay comparable.
func encodeDecimal(v float64, hint uint8) (mantissa int64, scale uint8) {
	if hint <= maxScale {
		for s := hint; s <= maxScale; s++ {
			if m, ok := decimalAt(v, s); ok {
				return m, s
			}
		}
		for s := range hint {
			if m, ok := decimalAt(v, s); ok {
				return m, s
			}
		}
	}
	return int64(math.Float64bits(v)), scaleRaw
}

// decimalAt is v as a mantissa of that scale, if that is exact.
func decimalAt(v float64, scale uint8) (int64, bool) {
	m := math.Round(v * pow10[scale])
	if !(math.Abs(m) < 1<<53) || m/pow10[scale] != v || m == 0 && math.Signbit(v) {
		return 0, false
	}
	return int64(m), true
}

// nextHint is the hint for the sample after one of v at scale. A value with
// all its digits ends the search for short fractions in its series; NaN and
// infinities say nothing.
func nextHint(hint, scale uint8, v float64) uint8 {
	if scale == scaleRaw && (math.IsNaN(v) || math.IsInf(v, 0)) {
		return hint
	}
	return scale
}

// decodeDecimal gives the value back.
func decodeDecimal(mantissa int64, scale uint8) float64 {
	switch {
	case scale == 0:
		return float64(mantissa)
	case scale <= maxScale:
		return float64(mantissa) / pow10[scale]
	}
	return math.Float64frombits(uint64(mantissa))
}

// valueSQLExpr is decodeDecimal in SQL.
const valueSQLExpr = "if(scale = 255, reinterpretAsFloat64(mantissa), mantissa / [1., 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15][scale + 1])"

// decodeDecimals gives the values of a block back.
func decodeDecimals(mantissas proto.ColInt64, scales proto.ColUInt8) []float64 {
	out := make([]float64, len(mantissas))
	for i, m := range mantissas {
		out[i] = decodeDecimal(m, scales[i])
	}
	return out
}
