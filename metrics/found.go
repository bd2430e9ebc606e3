package metrics

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/storage"
)

// found are the series that a selection matched, each once. It may be shared
// and must not be changed once it is built.
type found struct {
	series []foundSeries
	index  map[proto.UInt128]int32 // into series
}

type foundSeries struct {
	id     proto.UInt128
	labels labels.Labels
	kinds  kinds
}

// metrics are the names of the series, sorted, each once.
func (f *found) metrics() []string {
	seen := map[string]bool{}
	var names []string
	for i := range f.series {
		name := f.series[i].labels.Get(labels.MetricName)
		if !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// kinds are those of any of the series.
func (f *found) kinds() (k kinds) {
	for i := range f.series {
		k |= f.series[i].kinds
	}
	return k
}

// uint128SQL is a literal of an id.
func uint128SQL(id proto.UInt128) string {
	return fmt.Sprintf("reinterpretAsUInt128(reverse(unhex('%016x%016x')))", id.High, id.Low)
}

// findSeries is lookup, or what it answered before when no series of the
// metric was registered since.
func (s *Store) findSeries(ctx context.Context, sel selection, limit int, truncate bool) (*found, error) {
	key, gen, ok := s.cache.key(sel)
	if !ok || truncate {
		return s.lookup(ctx, sel, limit, truncate)
	}
	if f := s.cache.get(key, gen); f != nil {
		return f, nil
	}
	f, err := s.lookup(ctx, sel, limit, truncate)
	if err == nil {
		s.cache.put(key, gen, f)
	}
	return f, err
}

// lookup looks up the series of a selection. Beyond limit (0 = none) it
// returns with the first ones when truncate is set, and with an error that
// names the option when not. They are sorted by labels.
func (s *Store) lookup(ctx context.Context, sel selection, limit int, truncate bool) (*found, error) {
	f := &found{index: map[proto.UInt128]int32{}}
	rows := newSeriesRows()
	b := labels.NewScratchBuilder(16)
	_, err := s.client.Select(ctx, storage.Select{
		SQL:    fmt.Sprintf("SELECT metric, id, toUInt8(kinds), labels FROM %s WHERE %s", seriesTable.Name, sel.seriesWhere()),
		Result: rows.result(),
		OnBlock: func(n int) error {
			rows.begin()
			for i := range n {
				id := rows.id[i]
				if at, ok := f.index[id]; ok {
					f.series[at].kinds |= kinds(rows.kinds[i])
					continue
				}
				ls := rows.labels(i, &b)
				if !matches(ls, sel.matchers) {
					continue
				}
				if limit > 0 && len(f.series) >= limit {
					if truncate {
						return errEnough
					}
					return tooMany("series", limit, "max_series")
				}
				f.index[id] = int32(len(f.series))
				f.series = append(f.series, foundSeries{id: id, labels: ls, kinds: kinds(rows.kinds[i])})
			}
			return nil
		},
	})
	if err != nil && err != errEnough {
		return nil, err
	}
	f.sortByLabels()
	return f, nil
}

// seriesRows are the columns of a query for series.
type seriesRows struct {
	metric  proto.ColLowCardinalityRaw
	names   *proto.ColStr
	id      proto.ColUInt128
	kinds   proto.ColUInt8
	offsets mapRows

	metricNames []string // the block's dictionary
}

func newSeriesRows() *seriesRows {
	r := &seriesRows{names: new(proto.ColStr), offsets: newMapRows()}
	r.metric.Index = r.names
	return r
}

func (r *seriesRows) result() proto.Results {
	return proto.Results{
		{Name: "metric", Data: &r.metric},
		{Name: "id", Data: &r.id},
		{Name: "toUInt8(kinds)", Data: &r.kinds},
		{Name: "labels", Data: &r.offsets},
	}
}

// begin prepares a new block.
func (r *seriesRows) begin() {
	r.metricNames = dictionary(r.metricNames, r.names)
	r.offsets.begin()
}

// labels builds the label set of row i, sorted.
func (r *seriesRows) labels(i int, b *labels.ScratchBuilder) labels.Labels {
	b.Reset()
	name := r.metricNames[key(&r.metric, i)]
	named := name == ""
	r.offsets.each(i, func(k, v string) {
		if !named && k > labels.MetricName {
			b.Add(labels.MetricName, name)
			named = true
		}
		b.Add(k, v)
	})
	if !named {
		b.Add(labels.MetricName, name)
	}
	return b.Labels()
}

// mapRows reads a Map(LowCardinality(String), String) column without a string
// of its own for every key.
type mapRows struct {
	offsets proto.ColUInt64
	keys    proto.ColLowCardinalityRaw
	values  proto.ColStr
	names   []string
}

func newMapRows() mapRows {
	return mapRows{keys: proto.ColLowCardinalityRaw{Index: new(proto.ColStr)}}
}

// Type implements proto.ColResult.
func (m *mapRows) Type() proto.ColumnType {
	return proto.ColumnTypeMap.Sub(m.keys.Type(), m.values.Type())
}

// Rows implements proto.ColResult.
func (m *mapRows) Rows() int { return len(m.offsets) }

// Reset implements proto.ColResult.
func (m *mapRows) Reset() {
	m.offsets.Reset()
	m.keys.Reset()
	m.values.Reset()
}

// DecodeState implements proto.StateDecoder.
func (m *mapRows) DecodeState(r *proto.Reader) error { return m.keys.DecodeState(r) }

// DecodeColumn implements proto.ColResult.
func (m *mapRows) DecodeColumn(r *proto.Reader, rows int) error {
	if rows == 0 {
		return nil
	}
	if err := m.offsets.DecodeColumn(r, rows); err != nil {
		return fmt.Errorf("offsets: %w", err)
	}
	n := int(m.offsets[rows-1])
	if err := m.keys.DecodeColumn(r, n); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if err := m.values.DecodeColumn(r, n); err != nil {
		return fmt.Errorf("values: %w", err)
	}
	return nil
}

func (m *mapRows) begin() { m.names = dictionary(m.names, m.keys.Index.(*proto.ColStr)) }

// each calls f for the pairs of row i, in their order. The value is only
// valid until the next block.
func (m *mapRows) each(i int, f func(key, value string)) {
	from := uint64(0)
	if i > 0 {
		from = m.offsets[i-1]
	}
	for at := from; at < m.offsets[i]; at++ {
		f(m.names[key(&m.keys, int(at))], view(m.values.RowBytes(int(at))))
	}
}

// dictionary copies the distinct values of a block.
func dictionary(buf []string, index *proto.ColStr) []string {
	buf = buf[:0]
	for i := range index.Rows() {
		buf = append(buf, index.Row(i))
	}
	return buf
}

// key is the dictionary index of row i.
func key(c *proto.ColLowCardinalityRaw, i int) uint64 {
	switch c.Key {
	case proto.KeyUInt8:
		return uint64(c.Keys8[i])
	case proto.KeyUInt16:
		return uint64(c.Keys16[i])
	case proto.KeyUInt32:
		return uint64(c.Keys32[i])
	}
	return c.Keys64[i]
}

// view is b as a string that shares its memory.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// errEnough ends a query that has found enough.
var errEnough = fmt.Errorf("found enough")

// tooMany says which limit a query reached.
func tooMany(what string, limit int, option string) error {
	return &limitError{fmt.Sprintf("query selects more than %d %s: select fewer, or raise metrics.query.%s", limit, what, option)}
}

// limitError is a query that asks for more than it may.
type limitError struct{ text string }

func (e *limitError) Error() string { return e.text }

// HTTPStatus makes it an error of the query: 422, as Prometheus answers.
func (e *limitError) HTTPStatus() int { return 422 }

// sortByLabels orders series as Prometheus does.
func (f *found) sortByLabels() {
	slices.SortFunc(f.series, func(a, b foundSeries) int { return labels.Compare(a.labels, b.labels) })
	for i := range f.series {
		f.index[f.series[i].id] = int32(i)
	}
}

// joinSQL joins conditions.
func joinSQL(conds ...string) string { return strings.Join(conds, " AND ") }
