package traces

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces/traceql"
)

// Search asks for traces.
type Search struct {
	Query *traceql.Query
	In    Range // of spans' start; zero = the last Config.Lookback
	Limit int   // of traces, at most QueryConfig.MaxTraces
}

// Found is a trace that a search selects.
type Found struct {
	*traceql.Trace
	ID   telemetry.TraceID
	Sets []traceql.Spanset // not empty
}

// SearchResult is the answer to a Search.
type SearchResult struct {
	Traces []Found // newest first
	Stats  storage.Stats
	// Incomplete says which limit ended the search before all was looked at;
	// empty = none but Search.Limit.
	Incomplete string
}

// Search finds the newest traces that q selects. A trace is judged by its
// spans that start within the range; its root, duration and name are those of
// all of its spans up to a day around.
func (r *Reader) Search(ctx context.Context, tenant string, q Search) (SearchResult, error) {
	in, err := r.rangeOf(q.In)
	if err != nil {
		return SearchResult{}, err
	}
	if q.Limit <= 0 || q.Limit > r.cfg.MaxTraces {
		return SearchResult{}, server.Invalid("limit of %d traces is not between 1 and %d, the value of traces.query.max_traces", q.Limit, r.cfg.MaxTraces)
	}
	s := search{
		reader: r, tenant: tenant, query: q.Query, in: in, limit: q.Limit, seen: map[telemetry.TraceID]bool{},
		candidates: planCandidates(compiler{tenant, in}, q.Query.Stages),
	}
	for _, window := range s.windows() {
		if err := s.window(ctx, window); err != nil {
			return SearchResult{Stats: s.result.Stats}, fmt.Errorf("cannot search for %s: %w", shorten(q.Query.String()), limitError(err))
		}
		if s.done() {
			break
		}
	}
	slices.SortStableFunc(s.result.Traces, func(a, b Found) int { return compare(b.Start, a.Start) })
	return s.result, nil
}

// rangeOf is in, or the default range when it is zero.
func (r *Reader) rangeOf(in Range) (Range, error) {
	if in.IsZero() {
		now := r.now().UnixNano()
		return Range{now - int64(r.cfg.Lookback), now + int64(time.Minute)}, nil
	}
	if in.To <= in.From {
		return in, server.Invalid("start %s is not before end %s", instant(in.From), instant(in.To))
	}
	if length := time.Duration(in.To - in.From); r.cfg.MaxRange > 0 && length > r.cfg.MaxRange {
		return in, server.Invalid("a range of %s is longer than the limit of %s: ask for less, or raise traces.query.max_range", length, r.cfg.MaxRange)
	}
	return in, nil
}

// search is one Search under way.
type search struct {
	reader     *Reader
	tenant     string
	query      *traceql.Query
	in         Range
	limit      int
	candidates candidates
	seen       map[telemetry.TraceID]bool
	result     SearchResult
}

func (s *search) done() bool {
	return len(s.result.Traces) >= s.limit || s.result.Incomplete != ""
}

// windows are the ranges to search one after the other. Where one span is
// enough to select a trace they go back in time, each wider than the one
// before, so that a frequent match is found without reading everything.
func (s *search) windows() []Range {
	if s.candidates.having != "" {
		return []Range{s.in}
	}
	var out []Range
	width := int64(slotNanos)
	for to := s.in.To; to > s.in.From; width *= 4 {
		from := to - width
		from -= ((from % slotNanos) + slotNanos) % slotNanos
		if from < s.in.From || from > to {
			from = s.in.From
		}
		out = append(out, Range{from, to})
		to = from
	}
	return out
}

// window looks at the candidates of one range, page by page.
func (s *search) window(ctx context.Context, in Range) error {
	var from *after
	for !s.done() {
		size := s.limit - len(s.result.Traces) + len(s.seen)
		if !s.candidates.exact {
			size = max(size, 100)
		}
		ids, last, err := s.page(ctx, in, from, size)
		if err != nil {
			return err
		}
		full := len(ids) == size
		ids = slices.DeleteFunc(ids, func(id telemetry.TraceID) bool { return s.seen[id] })
		if err := s.judge(ctx, ids); err != nil {
			return err
		}
		if !full {
			return nil
		}
		from = &last
	}
	return nil
}

// page reads candidates.
func (s *search) page(ctx context.Context, in Range, from *after, size int) (ids []telemetry.TraceID, last after, err error) {
	var (
		traceID proto.ColFixedStr16
		newest  proto.ColInt64
	)
	stats, err := s.reader.db.Select(s.reader.limited(ctx), storage.Select{
		SQL:    s.candidates.sql(s.tenant, in, from, size),
		Result: proto.Results{{Name: "trace_id", Data: &traceID}, {Name: "newest", Data: &newest}},
		OnBlock: func(rows int) error {
			for i := range rows {
				last = after{newest[i], traceID[i]}
				ids = append(ids, traceID[i])
			}
			return nil
		},
	})
	s.result.Stats.Add(stats)
	return ids, last, err
}

// loadAtOnce is how many traces are read together.
const loadAtOnce = 50

// judge loads candidates and keeps those that the query selects.
func (s *search) judge(ctx context.Context, ids []telemetry.TraceID) error {
	for part := range slices.Chunk(ids, loadAtOnce) {
		traces, stats, err := s.reader.Traces(ctx, s.tenant, part, s.in.widen(24*time.Hour))
		s.result.Stats.Add(stats)
		if err != nil {
			return err
		}
		for _, id := range part {
			s.seen[id] = true
		}
		for _, t := range traces {
			found := Found{Trace: traceql.NewTrace(t.Spans), ID: t.ID}
			found.Sets = s.query.Eval(found.Trace, func(i int) bool { return t.Spans[i].Start >= s.in.From && t.Spans[i].Start < s.in.To })
			if len(found.Sets) > 0 && len(s.result.Traces) < s.limit {
				s.result.Traces = append(s.result.Traces, found)
			}
		}
		if len(s.result.Traces) >= s.limit {
			return nil
		}
		if len(s.seen) >= s.reader.cfg.MaxCandidates {
			s.result.Incomplete = fmt.Sprintf("stopped after %d traces were looked at: ask for a shorter time or a narrower filter, or raise traces.query.max_candidates", len(s.seen))
			return nil
		}
	}
	return nil
}
