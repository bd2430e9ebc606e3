package metrics

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/ClickHouse/ch-go/proto"
)

// sortRows brings the rows in the order of the table's key, which spares
// ClickHouse a sort that compares strings.
func (c *sampleColumns) sortRows() {
	order := c.order()
	if order == nil {
		return
	}
	c.tenant.permute(order)
	c.metric.permute(order)
	permute(&c.spare128, &c.series, order)
	permute(&c.spare64, &c.time, order)
	permute(&c.spare64, &c.start, order)
	permute(&c.spare64, &c.mantissa, order)
	permute(&c.spare8, &c.scale, order)
}

// sortKey is the key of a row, with tenant and metric as their ranks.
type sortKey struct {
	names  uint64
	hi, lo uint64
	time   int64
	row    int32
}

func compareKeys(a, b sortKey) int {
	if a.names != b.names {
		return cmp.Compare(a.names, b.names)
	}
	if a.hi != b.hi {
		return cmp.Compare(a.hi, b.hi)
	}
	if a.lo != b.lo {
		return cmp.Compare(a.lo, b.lo)
	}
	return cmp.Compare(a.time, b.time)
}

// order lists the rows in the key's order; nil when they are in it already.
func (c *sampleColumns) order() []int32 {
	tenants, metrics := c.tenant.ranks(), c.metric.ranks()
	c.sorting = slices.Grow(c.sorting[:0], len(c.time))
	sorted := true
	for i := range c.time {
		k := sortKey{
			names: uint64(tenants[c.tenant.keys[i]])<<32 | uint64(metrics[c.metric.keys[i]]),
			hi:    c.series[i].High, lo: c.series[i].Low, time: c.time[i], row: int32(i),
		}
		if n := len(c.sorting); sorted && n > 0 && compareKeys(c.sorting[n-1], k) > 0 {
			sorted = false
		}
		c.sorting = append(c.sorting, k)
	}
	if sorted {
		return nil
	}
	slices.SortFunc(c.sorting, compareKeys)
	c.rows = slices.Grow(c.rows[:0], len(c.time))
	for i := range c.sorting {
		c.rows = append(c.rows, c.sorting[i].row)
	}
	return c.rows
}

// permute puts column's rows in order; spare is memory of the same kind, which
// changes places with the column's.
func permute[T any, C ~[]T](spare, column *C, order []int32) {
	out := slices.Grow((*spare)[:0], len(order))
	for _, i := range order {
		out = append(out, (*column)[i])
	}
	*spare, *column = *column, out
}

// ranks are the places of the dictionary's values in their order.
func (c *dictColumn) ranks() []uint32 {
	ids := make([]uint32, c.values.Rows())
	for i := range ids {
		ids[i] = uint32(i)
	}
	slices.SortFunc(ids, func(a, b uint32) int { return bytes.Compare(c.values.RowBytes(int(a)), c.values.RowBytes(int(b))) })
	ranks := make([]uint32, len(ids))
	for rank, id := range ids {
		ranks[id] = uint32(rank)
	}
	return ranks
}

func (c *dictColumn) permute(order []int32) {
	permute(&c.spare, &c.keys, order)
	c.last, c.lastID = "", 0
	if len(c.keys) > 0 {
		c.lastID = c.keys[len(c.keys)-1]
		c.last = c.values.Row(int(c.lastID))
	}
}

// sortSpace is the memory that sorting a batch of samples takes.
type sortSpace struct {
	sorting  []sortKey
	rows     []int32
	spare128 proto.ColUInt128
	spare64  proto.ColInt64
	spare8   proto.ColUInt8
}
