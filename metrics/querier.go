package metrics

import (
	"context"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	wstorage "github.com/watchfire/watchfire/storage"
)

// querier reads within [mint, maxt]. Its queries end with their contexts.
type querier struct {
	*Queryable
	mint, maxt int64
}

// Close implements storage.LabelQuerier.
func (q *querier) Close() error { return nil }

// Select implements storage.Querier. It reads in the background at once, so
// that the selectors of an expression are read side by side; the set waits for
// it. Series are sorted in any case.
func (q *querier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	set := &seriesSet{at: -1, ready: make(chan struct{})}
	sel := selection{tenant: q.tenant(ctx), mint: q.mint, maxt: q.maxt, matchers: ms}
	if hints != nil && !hints.DisableTrimming {
		sel.mint, sel.maxt = max(sel.mint, clampTime(hints.Start)), min(sel.maxt, clampTime(hints.End))
	}
	ctx = q.s.limited(ctx)
	go func() {
		defer close(set.ready)
		set.series, set.warnings, set.err = q.s.read(ctx, sel, hints)
	}()
	return set
}

// limited bounds what ClickHouse may spend on one query.
func (s *Store) limited(ctx context.Context) context.Context {
	return wstorage.WithLimits(ctx, wstorage.Limits{MaxTime: s.cfg.Timeout, MaxMemory: s.cfg.MaxMemory})
}

// seriesSet is a storage.SeriesSet of series that are read in the background.
type seriesSet struct {
	ready    chan struct{} // closed when the fields below are set
	series   []*series
	warnings annotations.Annotations
	err      error
	at       int
}

// Next implements storage.SeriesSet.
func (s *seriesSet) Next() bool {
	<-s.ready
	if s.err != nil || s.at+1 >= len(s.series) {
		return false
	}
	s.at++
	return true
}

// At implements storage.SeriesSet.
func (s *seriesSet) At() storage.Series { return s.series[s.at] }

// Err implements storage.SeriesSet.
func (s *seriesSet) Err() error {
	<-s.ready
	return s.err
}

// Warnings implements storage.SeriesSet.
func (s *seriesSet) Warnings() annotations.Annotations {
	<-s.ready
	return s.warnings
}

// chunkQuerier encodes a querier's series as chunks.
type chunkQuerier struct{ querier }

// Select implements storage.ChunkQuerier.
func (q *chunkQuerier) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.ChunkSeriesSet {
	return storage.NewSeriesSetToChunkSet(q.querier.Select(ctx, sorted, hints, ms...))
}
