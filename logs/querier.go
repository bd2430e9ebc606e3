package logs

import (
	"context"
	"time"

	"github.com/grafana/loki/v3/pkg/iter"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql"
	"github.com/grafana/loki/v3/pkg/logql/log"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel/stats"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/server"
)

// querier is what Loki's engine reads from: it does in SQL what SQL can do of
// a pipeline, and runs Loki's own pipeline over what comes back.
type querier struct{ store *Store }

var _ logql.Querier = querier{}

// SelectLogs implements logql.Querier.
func (q querier) SelectLogs(ctx context.Context, p logql.SelectLogParams) (iter.EntryIterator, error) {
	expr, err := p.LogSelector()
	if err != nil {
		return nil, err
	}
	pipeline, err := expr.Pipeline()
	if err != nil {
		return nil, err
	}
	limit := int(p.Limit) + 1
	pages, filters, err := q.pages(ctx, expr, p.Start, p.End, p.Direction == logproto.FORWARD, limit)
	if err != nil {
		return nil, err
	}
	if !filters {
		pages.limit, pages.grow = min(max(limit*4, 1000), maxPage), true
	}
	return &entryIterator{rows: rows{ctx: ctx, pages: pages, stats: stats.FromContext(ctx)}, pipeline: pipeline, streams: map[int]log.StreamPipeline{}}, nil
}

// SelectSamples implements logql.Querier.
func (q querier) SelectSamples(ctx context.Context, p logql.SelectSampleParams) (iter.SampleIterator, error) {
	expr, err := p.Expr()
	if err != nil {
		return nil, err
	}
	extractors, err := expr.Extractors()
	if err != nil {
		return nil, err
	}
	selector, err := expr.Selector()
	if err != nil {
		return nil, err
	}
	if len(extractors) != 1 {
		return nil, server.Invalid("a query with variants is not supported")
	}
	pages, _, err := q.pages(ctx, selector, p.Start, p.End, true, maxPage)
	if err != nil {
		return nil, err
	}
	return &sampleIterator{rows: rows{ctx: ctx, pages: pages, stats: stats.FromContext(ctx)}, extractor: extractors[0], streams: map[int]log.StreamSampleExtractor{}}, nil
}

// pages reads the lines of a selector, and tells whether its pipeline only
// filters, in SQL.
func (q querier) pages(ctx context.Context, e syntax.LogSelectorExpr, start, end time.Time, forward bool, limit int) (*pager, bool, error) {
	sp := span{start.UnixNano(), end.UnixNano()}
	set, err := q.store.streams(ctx, server.Tenant(ctx), e.Matchers(), sp)
	if err != nil {
		return nil, false, err
	}
	p := pushDown(stagesOf(e), set.has)
	return newPager(q.store, set, p.conditions, sp, forward, limit), p.filters, nil
}

// rows reads a pager line by line.
type rows struct {
	ctx   context.Context
	pages *pager
	stats *stats.Context
	page  []found
	i     int
	done  bool
	err   error
}

// next returns the next line, nil at the end or after an error.
func (r *rows) next() *found {
	for r.i >= len(r.page) {
		if r.done || r.err != nil {
			return nil
		}
		if r.err = r.ctx.Err(); r.err != nil {
			return nil
		}
		before := r.pages.stats
		r.page, r.err = r.pages.next(r.ctx)
		r.stats.AddDecompressedLines(int64(r.pages.stats.Rows - before.Rows))
		r.stats.AddDecompressedBytes(int64(r.pages.stats.Bytes - before.Bytes))
		r.i, r.done = 0, len(r.page) == 0
	}
	r.i++
	return &r.page[r.i-1]
}

func (r *rows) labels(f *found) labels.Labels { return r.pages.set.labels[f.stream] }

// Err implements iter.EntryIterator and iter.SampleIterator.
func (r *rows) Err() error { return r.err }

// Close implements iter.EntryIterator and iter.SampleIterator.
func (r *rows) Close() error { return nil }

// entryIterator runs a log pipeline over rows.
type entryIterator struct {
	rows
	pipeline log.Pipeline
	streams  map[int]log.StreamPipeline
	entry    logproto.Entry
	result   log.LabelsResult
	hash     uint64
}

// Next implements iter.EntryIterator.
func (e *entryIterator) Next() bool {
	for f := e.next(); f != nil; f = e.next() {
		sp := e.streams[f.stream]
		if sp == nil {
			sp = e.pipeline.ForStream(e.labels(f))
			e.streams[f.stream] = sp
		}
		line, result, ok := sp.ProcessString(f.time, f.line, f.metadata)
		if !ok {
			continue
		}
		e.stats.AddPostFilterLines(1)
		e.result, e.hash = result, sp.BaseLabels().Hash()
		e.entry = logproto.Entry{
			Timestamp: time.Unix(0, f.time), Line: line,
			StructuredMetadata: logproto.FromLabelsToLabelAdapters(result.StructuredMetadata()),
			Parsed:             logproto.FromLabelsToLabelAdapters(result.Parsed()),
		}
		return true
	}
	return false
}

// At implements iter.EntryIterator.
func (e *entryIterator) At() logproto.Entry { return e.entry }

// Labels implements iter.EntryIterator.
func (e *entryIterator) Labels() string { return e.result.String() }

// StreamHash implements iter.EntryIterator.
func (e *entryIterator) StreamHash() uint64 { return e.hash }

// sampleIterator runs an extractor over rows.
type sampleIterator struct {
	rows
	extractor log.SampleExtractor
	streams   map[int]log.StreamSampleExtractor
	pending   []log.ExtractedSample // further samples of the line at hand
	sample    logproto.Sample
	result    log.LabelsResult
	hash      uint64
}

// Next implements iter.SampleIterator.
func (s *sampleIterator) Next() bool {
	for len(s.pending) == 0 {
		f := s.next()
		if f == nil {
			return false
		}
		x := s.streams[f.stream]
		if x == nil {
			x = s.extractor.ForStream(s.labels(f))
			s.streams[f.stream] = x
		}
		samples, ok := x.ProcessString(f.time, f.line, f.metadata)
		if !ok {
			continue
		}
		s.stats.AddPostFilterLines(1)
		s.pending, s.hash, s.sample.Timestamp = samples, x.BaseLabels().Hash(), f.time
	}
	s.sample.Value, s.result = s.pending[0].Value, s.pending[0].Labels
	s.pending = s.pending[1:]
	return true
}

// At implements iter.SampleIterator.
func (s *sampleIterator) At() logproto.Sample { return s.sample }

// Labels implements iter.SampleIterator.
func (s *sampleIterator) Labels() string { return s.result.String() }

// StreamHash implements iter.SampleIterator.
func (s *sampleIterator) StreamHash() uint64 { return s.hash }
