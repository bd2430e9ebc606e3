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

// keys are SQL for the values of src.names, each as k0, k1, ...: empty for what
// a line does not have, "=" and the value for what it does.
func (src *source) keys() (columns, names []string) {
	for i, name := range src.names {
		k := "k" + strconv.Itoa(i)
		columns = append(columns, fmt.Sprintf("if(mapContains(metadata, %[1]s), concat('=', metadata[%[1]s]), '') AS %[2]s", storage.String(name), k))
		names = append(names, k)
	}
	return columns, names
}

// level is SQL for the severity, if lines are grouped by it.
func (src *source) level() string {
	if slices.Contains(src.names, levelKey) {
		return "severity AS level"
	}
	return "toUInt8(0) AS level"
}

// buckets is SQL for the first and last step whose window has a line. Times
// are counted from the start of the first window, so that nothing is negative.
func (src *source) buckets() string {
	base := src.g.start - int64(src.c.offset) - int64(src.c.window)
	return fmt.Sprintf("greatest(0, intDiv(time - %[1]d - %[2]d + %[3]d - 1, %[3]d)) AS lo, intDiv(time - %[1]d - 1, %[3]d) AS hi", base, int64(src.c.window), src.g.step)
}

// sameTime is SQL for a number that lines of one stream and time share, and
// hardly any others; it makes a faster key than the two.
const sameTime = "cityHash64(stream, time)"

// sql counts lines by stream, keys, and buckets. The first statement counts
// them all, the second how many too many that was: lines that are there more
// than once. For that it finds the lines which share stream and time with
// others, and reads only those.
func (src *source) sql() (all, surplus string) {
	columns, names := src.keys()
	group := strings.Join(append([]string{"stream", "level", "lo", "hi"}, names...), ", ")
	result := "SELECT stream, level, CAST([" + strings.Join(names, ", ") + "], 'Array(String)') AS keys, lo, hi, "
	from := " FROM " + recordsTable.Name + " WHERE " + src.where
	size := "toUInt64(0)"
	if src.c.bytes {
		size = "body.size"
	}
	columns = append([]string{"stream", src.level(), src.buckets(), size + " AS size"}, columns...)

	all = result + "count() AS lines, sum(size) AS bytes FROM (SELECT " + strings.Join(columns, ", ") + from + ") GROUP BY " + group

	shared := "SELECT " + sameTime + from + " GROUP BY " + sameTime + " HAVING count() > 1"
	surplus = result + "toUInt64(sum(n - 1)) AS lines, toUInt64(sum((n - 1) * size)) AS bytes FROM (SELECT " + strings.Join(columns, ", ") +
		", count() AS n" + from + " AND " + sameTime + " GLOBAL IN (" + shared + ")" +
		" GROUP BY " + group + ", time, size, cityHash64(body, mapSort(metadata), severity, trace_id, span_id) HAVING n > 1) GROUP BY " + group
	return all, surplus
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
		all, surplus := src.sql()
		if err := s.countInto(ctx, src, all, 1, series); err != nil {
			return nil, err
		}
		if err := s.countInto(ctx, src, surplus, -1, series); err != nil {
			return nil, err
		}
	}
	return src.matrix(series), nil
}

// countInto adds what a statement counts, times sign.
func (s *Store) countInto(ctx context.Context, src *source, sql string, sign int64, series map[string]*countedSeries) error {
	var (
		stream      proto.ColUInt128
		level       proto.ColUInt8
		keys        = proto.NewArray(new(proto.ColStr))
		lo, hi      proto.ColInt64
		lines, size proto.ColUInt64
		b           = labels.NewScratchBuilder(len(src.c.by))
	)
	st, err := s.client.Select(s.limits(ctx), storage.Select{
		SQL: sql,
		Result: proto.Results{
			{Name: "stream", Data: &stream}, {Name: "level", Data: &level}, {Name: "keys", Data: keys},
			{Name: "lo", Data: &lo}, {Name: "hi", Data: &hi}, {Name: "lines", Data: &lines}, {Name: "bytes", Data: &size},
		},
		OnBlock: func(rows int) error {
			for i := range rows {
				j, ok := src.set.index[stream[i]]
				last := min(hi[i], int64(src.g.steps-1))
				if !ok || lo[i] > last {
					continue
				}
				ls := src.labels(&b, src.set.labels[j], keys.Row(i), telemetry.Severity(level[i]))
				k := string(ls.Bytes(nil))
				cs := series[k]
				if cs == nil {
					cs = &countedSeries{ls, make([]int64, src.g.steps+1), make([]int64, src.g.steps+1)}
					series[k] = cs
				}
				cs.add(lo[i], last+1, sign*int64(lines[i]), sign*int64(size[i]))
			}
			return nil
		},
	})
	stats.FromContext(ctx).AddDecompressedLines(int64(st.Rows))
	stats.FromContext(ctx).AddDecompressedBytes(int64(st.Bytes))
	return err
}

// add counts lines into the steps from first to before end.
func (cs *countedSeries) add(first, end, lines, bytes int64) {
	cs.lines[first] += lines
	cs.lines[end] -= lines
	cs.bytes[first] += bytes
	cs.bytes[end] -= bytes
}

// labels are those that a line is grouped by. As in Loki, metadata with an
// empty value is not the same as none.
func (src *source) labels(b *labels.ScratchBuilder, stream labels.Labels, keys []string, level telemetry.Severity) labels.Labels {
	b.Reset()
	for _, name := range src.c.by {
		if stream.Has(name) {
			b.Add(name, stream.Get(name))
		} else if k := keys[slices.Index(src.names, name)]; k != "" {
			b.Add(name, k[1:])
		} else if name == levelKey {
			b.Add(name, levelOf(level))
		}
	}
	b.Sort()
	return b.Labels()
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
