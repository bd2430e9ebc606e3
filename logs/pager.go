package logs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// found is a line of one of the streams of a set.
type found struct {
	record
	stream int // index in streamSet
}

// pager reads lines of a set of streams in order of time, page by page, so
// that a query that needs few lines of many reads few. It goes through time in
// slices that grow while they do not fill a page. Lines that are equal in stream,
// time, text and metadata come once.
type pager struct {
	store      *Store
	set        *streamSet
	conditions []string
	forward    bool
	limit      int  // rows of a page
	indexed    bool // the text index serves a condition
	grow       bool // pages get larger: most of what comes may not be wanted

	rest  span  // what is left to read
	width int64 // of the next slice, nanoseconds
	stats storage.Stats
}

// Slices begin with a minute, grow by sliceGrows, and by emptyGrows after one
// without lines; pages end at maxPage lines.
const (
	firstSlice = int64(time.Minute)
	sliceGrows = 4
	emptyGrows = 16
	pageGrows  = 4
	maxPage    = 20_000
)

// maxPageBytes bounds the memory of a page.
const maxPageBytes = 512 << 20

func newPager(s *Store, set *streamSet, conditions []string, sp span, forward bool, limit int) *pager {
	indexed := slices.ContainsFunc(conditions, func(c string) bool {
		return strings.Contains(c, "body LIKE ") || strings.Contains(c, "hasToken(body, ")
	})
	return &pager{store: s, set: set, conditions: conditions, indexed: indexed, forward: forward, limit: max(1, min(limit, maxPage)), rest: sp, width: firstSlice}
}

// next returns the next lines, none when there are no more.
func (p *pager) next(ctx context.Context) ([]found, error) {
	for !p.rest.empty() && len(p.set.ids) > 0 {
		slice := p.slice()
		page, rows, err := p.read(ctx, slice)
		if err != nil {
			return nil, err
		}
		if rows < p.limit {
			p.pass(slice)
			p.widen(rows)
		} else if page = p.cut(page); len(page) == 0 {
			p.limit *= 2 // all lines have one time: take them all
			continue
		} else if p.grow {
			p.limit = max(p.limit, min(p.limit*pageGrows, maxPage))
		}
		if page = distinct(page); len(page) > 0 {
			return page, nil
		}
	}
	return nil, nil
}

// slice is the part of the rest to read next.
func (p *pager) slice() span {
	if p.width <= 0 || p.rest.to-p.rest.from <= p.width || p.rest.to-p.rest.from < 0 {
		return p.rest
	}
	if p.forward {
		return span{p.rest.from, p.rest.from + p.width}
	}
	return span{p.rest.to - p.width, p.rest.to}
}

// widen chooses the next slice after one that had so many rows, fewer than a
// page. A statement that the text index serves searches the index's dictionary
// first, whatever its time: then all the rest is read at once, unless nothing
// but a slice before the newest lines was read yet.
func (p *pager) widen(rows int) {
	switch {
	case p.indexed && (rows > 0 || p.width > firstSlice):
		p.width = p.rest.to - p.rest.from
	case rows == 0:
		p.width *= emptyGrows
	case rows*sliceGrows < p.limit:
		p.width *= sliceGrows
	}
}

// pass takes a slice that was read to its end off the rest.
func (p *pager) pass(s span) {
	if p.forward {
		p.rest.from = s.to
	} else {
		p.rest.to = s.from
	}
}

// cut takes the last time off a full page, for it may not have all lines of
// it, and leaves it to the next page.
func (p *pager) cut(page []found) []found {
	if len(page) == 0 {
		return nil
	}
	last, n := page[len(page)-1].time, len(page)
	for n > 0 && page[n-1].time == last {
		n--
	}
	if p.forward {
		p.rest.from = last
	} else {
		p.rest.to = last + 1
	}
	return page[:n]
}

// sql selects a page of a slice.
func (p *pager) sql(slice span) string {
	dir := " DESC"
	if p.forward {
		dir = ""
	}
	where := strings.Join(append(p.set.where(slice), p.conditions...), " AND ")
	return fmt.Sprintf("SELECT stream, time, severity, trace_id, span_id, metadata, body FROM %s WHERE %s ORDER BY time%s, stream%s, ord%s LIMIT %d",
		recordsTable.Name, where, dir, dir, dir, p.limit)
}

// read returns the lines of a slice, and how many rows there were, which is
// p.limit when there may be more.
func (p *pager) read(ctx context.Context, slice span) (page []found, rows int, err error) {
	var r recordRows
	b := newMetadata(16)
	bytes := 0
	stats, err := p.store.client.Select(p.store.limits(ctx), storage.Select{
		SQL:    p.sql(slice),
		Result: r.results(),
		OnBlock: func(n int) error {
			rows += n
			for i := range n {
				stream, ok := p.set.index[r.stream[i]]
				if !ok {
					stream = -1 // kept for cut, dropped by distinct
				}
				rec := r.record(i, b)
				bytes += len(rec.line) + 64
				page = append(page, found{rec, stream})
			}
			if bytes > maxPageBytes {
				return server.Unprocessable("a page of %d lines has more than %d MiB: make the selector or the time range narrower", p.limit, maxPageBytes>>20)
			}
			return nil
		},
	})
	p.stats.Add(stats)
	return page, rows, err
}

// recordRows are the columns that a query reads.
type recordRows struct {
	stream   proto.ColUInt128
	time     proto.ColInt64
	severity proto.ColUInt8
	trace    proto.ColFixedStr
	span     proto.ColFixedStr
	metadata *proto.ColMap[string, string]
	body     proto.ColStr
}

func (r *recordRows) results() proto.Results {
	r.metadata = proto.NewMap(new(proto.ColStr).LowCardinality(), new(proto.ColStr))
	r.trace.SetSize(16)
	r.span.SetSize(8)
	return proto.Results{
		{Name: "stream", Data: &r.stream}, {Name: "time", Data: &r.time}, {Name: "severity", Data: &r.severity},
		{Name: "trace_id", Data: &r.trace}, {Name: "span_id", Data: &r.span}, {Name: "metadata", Data: r.metadata}, {Name: "body", Data: &r.body},
	}
}

func (r *recordRows) record(i int, m *metadata) record {
	for _, kv := range r.metadata.RowKV(i) {
		m.add(kv.Key, kv.Value)
	}
	return record{
		time: r.time[i], line: r.body.Row(i),
		metadata: m.labels(telemetry.Severity(r.severity[i]), telemetry.TraceID(r.trace.Row(i)), telemetry.SpanID(r.span.Row(i))),
	}
}

// distinct drops lines that came before, and those of streams that are not
// selected. Lines of one time are neighbours.
func distinct(page []found) []found {
	out := page[:0]
	for begin := 0; begin < len(page); {
		end := begin + 1
		for end < len(page) && page[end].time == page[begin].time {
			end++
		}
		out = appendDistinct(out, page[begin:end])
		begin = end
	}
	return out
}

func appendDistinct(out, same []found) []found {
	type key struct {
		stream   int
		line     string
		metadata uint64
	}
	var seen map[key]labels.Labels
	for i := range same {
		if same[i].stream < 0 {
			continue
		}
		if len(same) > 1 {
			k := key{same[i].stream, same[i].line, same[i].metadata.Hash()}
			if before, ok := seen[k]; ok && labels.Equal(before, same[i].metadata) {
				continue
			}
			if seen == nil {
				seen = map[key]labels.Labels{}
			}
			seen[k] = same[i].metadata
		}
		out = append(out, same[i])
	}
	return out
}
