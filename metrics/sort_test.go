package metrics

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/watchfire/watchfire/telemetry"
)

func TestSamplesAreSorted(t *testing.T) {
	type row struct {
		tenant, metric string
		hi, lo         uint64
		t              int64
		v              float64
	}
	r := rand.New(rand.NewPCG(1, 1))
	c := newSampleColumns()
	for range 2 { // the second time on memory that was used
		var want []row
		for range 500 {
			w := row{fmt.Sprint("t", r.IntN(3)), fmt.Sprint("m", r.IntN(20)), r.Uint64N(3), r.Uint64N(3), r.Int64N(10), float64(r.IntN(1000)) / 10}
			want = append(want, w)
			c.Append(w.tenant, w.metric, telemetry.SeriesID{Hi: w.hi, Lo: w.lo}, []telemetry.Sample{{T: w.t, V: w.v, Start: int64(w.v)}}, 0)
		}
		slices.SortFunc(want, func(a, b row) int {
			return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.metric, b.metric), cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo), cmp.Compare(a.t, b.t), cmp.Compare(a.v, b.v))
		})
		c.Input()
		got := make([]row, 0, len(want))
		for i := range c.time {
			require.Equal(t, c.start[i], int64(decodeDecimal(c.mantissa[i], c.scale[i])))
			got = append(got, row{c.tenant.values.Row(int(c.tenant.keys[i])), c.metric.values.Row(int(c.metric.keys[i])), c.series[i].High, c.series[i].Low, c.time[i], decodeDecimal(c.mantissa[i], c.scale[i])})
		}
		require.True(t, slices.IsSortedFunc(got, func(a, b row) int {
			return cmp.Or(cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.metric, b.metric), cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo), cmp.Compare(a.t, b.t))
		}))
		require.ElementsMatch(t, want, got)
		c.Reset()
	}
}
