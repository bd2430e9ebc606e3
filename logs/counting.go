package logs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel/stats"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// counting is sum by (...) (count_over_time|rate|bytes_over_time|bytes_rate
// ({...} filters [range])), which ClickHouse counts without giving a line away.
type counting struct {
	selector syntax.LogSelectorExpr
	by       []string
	bytes    bool
	per      float64 // seconds to divide by, 0 = a plain sum
	window   time.Duration
	offset   time.Duration
}

// countingOf recognises the form of a counting, whatever its pipeline.
func countingOf(e syntax.SampleExpr) (counting, bool) {
	sum, ok := e.(*syntax.VectorAggregationExpr)
	if !ok || sum.Operation != syntax.OpTypeSum || sum.Grouping == nil || sum.Grouping.Without {
		return counting{}, false
	}
	over, ok := sum.Left.(*syntax.RangeAggregationExpr)
	if !ok || over.Grouping != nil || over.Left.Unwrap != nil {
		return counting{}, false
	}
	c := counting{selector: over.Left.Left, by: sum.Grouping.Groups, window: over.Left.Interval, offset: over.Left.Offset}
	switch over.Operation {
	case syntax.OpRangeTypeCount:
	case syntax.OpRangeTypeRate:
		c.per = c.window.Seconds()
	case syntax.OpRangeTypeBytes:
		c.bytes = true
	case syntax.OpRangeTypeBytesRate:
		c.bytes, c.per = true, c.window.Seconds()
	default:
		return counting{}, false
	}
	for _, name := range c.by {
		if !ownName(name) || name == traceKey || name == spanKey {
			return counting{}, false
		}
	}
	return c, true
}

// grid are the times of an answer.
type grid struct {
	start, step int64 // Unix nanoseconds, nanoseconds
	steps       int
}

func newGrid(start, end time.Time, step time.Duration) grid {
	g := grid{start: start.UnixNano(), step: max(1, int64(step)), steps: 1}
	if step > 0 {
		g.steps = int(end.Sub(start)/step) + 1
	}
	return g
}

// span holds all lines that a counting looks at: windows exclude their start
// and include their end.
func (c counting) span(g grid) span {
	last := g.start + int64(g.steps-1)*g.step
	return span{g.start - int64(c.offset) - int64(c.window) + 1, last - int64(c.offset) + 1}
}

// source reads a counting's lines.
type source struct {
	c     counting
	g     grid
	set   *streamSet
	names []string // of by that are in the metadata of lines, not in labels of all streams
	where string
}

// newSource finds the streams of a counting; ok is false when its pipeline
// does more than SQL can do exactly.
func (s *Store) newSource(ctx context.Context, c counting, g grid) (src *source, ok bool, err error) {
	sp := c.span(g)
	set, err := s.streams(ctx, server.Tenant(ctx), c.selector.Matchers(), sp)
	if err != nil {
		return nil, false, err
	}
	p := pushDown(stagesOf(c.selector), set.has)
	if !p.exact {
		return nil, false, nil
	}
	src = &source{c: c, g: g, set: set, where: strings.Join(append(set.where(sp), p.conditions...), " AND ")}
	for _, name := range c.by {
		for _, ls := range set.labels {
			if !ls.Has(name) {
				src.names = append(src.names, name)
				break
			}
		}
	}
	return src, true, nil
}

// keys are SQL for the values of src.names: empty for what a line does not
// have, "=" and the value for what it does, "#" and the severity for a level.
func (src *source) keys() string {
	var keys []string
	for _, name := range src.names {
		otherwise := "''"
		if name == levelKey {
			otherwise = "concat('#', toString(severity))"
		}
		keys = append(keys, fmt.Sprintf("if(mapContains(metadata, %[1]s), concat('=', metadata[%[1]s]), %[2]s)", storage.String(name), otherwise))
	}
	return "CAST([" + strings.Join(keys, ", ") + "], 'Array(String)')"
}

// buckets is SQL for the first and last step whose window has a line. Times
// are counted from the start of the first window, so that nothing is negative.
func (src *source) buckets() string {
	base := src.g.start - int64(src.c.offset) - int64(src.c.window)
	return fmt.Sprintf("greatest(0, intDiv(time - %[1]d - %[2]d + %[3]d - 1, %[3]d)) AS lo, intDiv(time - %[1]d - 1, %[3]d) AS hi", base, int64(src.c.window), src.g.step)
}

// sql counts lines by stream, keys, and buckets. Lines that share stream and
// time with others may be the same line sent twice: the first statement leaves
// them out and tells that there are some, the second counts the distinct ones
// among them, for which it has to read them.
//
// The inner grouping follows the order of the table, so it needs no memory.
func (src *source) sql() (alone, shared string) {
	const hour = "intDiv(time, 3600000000000)"
	rows := func(columns, more string) string {
		return "SELECT " + columns + " FROM " + recordsTable.Name + " WHERE " + src.where + more
	}
	outer := "SELECT stream, keys, " + src.buckets() + ", toUInt64(sum(n)) AS lines, toUInt64(sum(size)) AS bytes, toUInt64(sum(many)) AS left_out FROM (%s) GROUP BY stream, keys, lo, hi SETTINGS optimize_aggregation_in_order = 1"
	alone = fmt.Sprintf(outer, rows("stream, time, any("+src.keys()+") AS keys, count() = 1 AS n, if(n, sum(length(body)), 0) AS size, count() > 1 AS many",
		" GROUP BY tenant, "+hour+", stream, time"))
	twice := " AND (stream, time) IN (" + rows("stream, time", " GROUP BY tenant, "+hour+", stream, time HAVING count() > 1") + ")"
	shared = fmt.Sprintf(outer, "SELECT stream, time, keys, 1 AS n, size, 0 AS many FROM ("+
		rows("DISTINCT stream, time, "+src.keys()+" AS keys, length(body) AS size, cityHash64(body, mapSort(metadata), severity, trace_id, span_id) AS hash", twice)+")")
	return alone, shared
}

// countedSeries is one answer series while it grows.
type countedSeries struct {
	labels labels.Labels
	lines  []int64 // by step, as differences
	bytes  []int64
}

// count answers a counting.
func (s *Store) count(ctx context.Context, src *source) (promql.Matrix, error) {
	series := map[string]*countedSeries{}
	if len(src.set.ids) > 0 {
		alone, shared := src.sql()
		leftOut, err := s.countInto(ctx, src, alone, series)
		if err == nil && leftOut > 0 {
			_, err = s.countInto(ctx, src, shared, series)
		}
		if err != nil {
			return nil, err
		}
	}
	return src.matrix(series), nil
}

func (s *Store) countInto(ctx context.Context, src *source, sql string, series map[string]*countedSeries) (leftOut uint64, err error) {
	var (
		stream           proto.ColUInt128
		keys             = proto.NewArray(new(proto.ColStr))
		lo, hi           proto.ColInt64
		lines, size, out proto.ColUInt64
		b                = labels.NewScratchBuilder(len(src.c.by))
	)
	st, err := s.client.Select(s.limits(ctx), storage.Select{
		SQL: sql,
		Result: proto.Results{
			{Name: "stream", Data: &stream}, {Name: "keys", Data: keys}, {Name: "lo", Data: &lo}, {Name: "hi", Data: &hi},
			{Name: "lines", Data: &lines}, {Name: "bytes", Data: &size}, {Name: "left_out", Data: &out},
		},
		OnBlock: func(rows int) error {
			for i := range rows {
				leftOut += out[i]
				j, ok := src.set.index[stream[i]]
				last := min(hi[i], int64(src.g.steps-1))
				if !ok || lines[i] == 0 || lo[i] > last {
					continue
				}
				ls := src.labels(&b, src.set.labels[j], keys.Row(i))
				k := string(ls.Bytes(nil))
				cs := series[k]
				if cs == nil {
					cs = &countedSeries{ls, make([]int64, src.g.steps+1), make([]int64, src.g.steps+1)}
					series[k] = cs
				}
				cs.lines[lo[i]] += int64(lines[i])
				cs.lines[last+1] -= int64(lines[i])
				cs.bytes[lo[i]] += int64(size[i])
				cs.bytes[last+1] -= int64(size[i])
			}
			return nil
		},
	})
	stats.FromContext(ctx).AddDecompressedLines(int64(st.Rows))
	stats.FromContext(ctx).AddDecompressedBytes(int64(st.Bytes))
	return leftOut, err
}

// labels are those that a line is grouped by. As in Loki, metadata with an
// empty value is not the same as none.
func (src *source) labels(b *labels.ScratchBuilder, stream labels.Labels, keys []string) labels.Labels {
	b.Reset()
	for _, name := range src.c.by {
		if stream.Has(name) {
			b.Add(name, stream.Get(name))
			continue
		}
		if value, ok := keyText(keys[slices.Index(src.names, name)]); ok {
			b.Add(name, value)
		}
	}
	b.Sort()
	return b.Labels()
}

// keyText undoes what keys does.
func keyText(k string) (value string, ok bool) {
	if k == "" {
		return "", false
	}
	if k[0] == '=' {
		return k[1:], true
	}
	n, err := strconv.ParseUint(k[1:], 10, 8)
	return levelOf(telemetry.Severity(n)), err == nil
}

// matrix sums the differences up. A step without lines has no value.
func (src *source) matrix(series map[string]*countedSeries) promql.Matrix {
	out := promql.Matrix{}
	for _, cs := range series {
		s := promql.Series{Metric: cs.labels}
		var lines, size int64
		for i := range src.g.steps {
			lines += cs.lines[i]
			size += cs.bytes[i]
			if lines == 0 {
				continue
			}
			v := float64(lines)
			if src.c.bytes {
				v = float64(size)
			}
			if src.c.per > 0 {
				v /= src.c.per
			}
			s.Floats = append(s.Floats, promql.FPoint{T: (src.g.start + int64(i)*src.g.step) / int64(time.Millisecond), F: v})
		}
		if len(s.Floats) > 0 {
			out = append(out, s)
		}
	}
	return out
}
