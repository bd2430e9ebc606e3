package otlp

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	prom "github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// deltas sums delta points up to cumulative ones, series by series, after
// translation. What it remembers is lost with the process and when a series is
// idle; the next point then begins a new sum with a new start, which every
// reader takes for a counter reset.
//
// A push that was not acknowledged comes again. Its points are in the sums
// already, so a point at the time of a series' last one adds nothing and
// yields the sum once more.
type deltas struct {
	cfg     DeltaConfig
	now     func() time.Time
	begun   prometheus.Counter
	lost    prometheus.Counter
	tracked prometheus.Gauge

	mu      sync.Mutex
	tenants map[string]*tenantDeltas
}

// tenantDeltas are the sums of a tenant.
type tenantDeltas struct {
	d       *deltas
	mu      sync.Mutex
	streams map[telemetry.SeriesID]*stream
	buf     []byte
	tenant  string
	gone    bool // not in deltas.tenants any more
}

// stream is the sum of one series.
type stream struct {
	start, last int64     // Unix milliseconds of the sum's begin and of its last point
	seen        time.Time // when the last point came
	sum         float64
	hist        *prom.FloatHistogram
}

func newDeltas(cfg DeltaConfig, reg prometheus.Registerer, now func() time.Time) *deltas {
	d := &deltas{
		cfg: cfg, now: now, tenants: map[string]*tenantDeltas{},
		begun: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "watchfire_collector_otlp_delta_series_begun_total",
			Help: "Sums of delta series that began: new series, and those whose sum was lost, which read as counter resets.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "watchfire_collector_otlp_delta_series_lost_total",
			Help: "Sums of delta series forgotten because no point came for collector.otlp.delta.max_idle; a later point is a counter reset.",
		}),
		tracked: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "watchfire_collector_otlp_delta_series",
			Help: "Delta series whose sums are remembered.",
		}),
	}
	if reg != nil {
		reg.MustRegister(d.begun, d.lost, d.tracked)
	}
	return d
}

// run forgets idle series until ctx ends.
func (d *deltas) run(ctx context.Context) error {
	tick := time.NewTicker(min(d.cfg.MaxIdle, time.Minute))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			d.forget()
		}
	}
}

func (d *deltas) forget() {
	before := d.now().Add(-d.cfg.MaxIdle)
	d.mu.Lock()
	tenants := slices.Collect(maps.Values(d.tenants))
	d.mu.Unlock()
	for _, t := range tenants {
		t.forget(before)
	}
}

// forget drops the series without a point since before.
func (t *tenantDeltas) forget(before time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, s := range t.streams {
		if s.seen.Before(before) {
			delete(t.streams, id)
			t.d.lost.Inc()
			t.d.tracked.Dec()
		}
	}
	if len(t.streams) == 0 {
		t.gone = true
		t.d.mu.Lock()
		delete(t.d.tenants, t.tenant)
		t.d.mu.Unlock()
	}
}

// lock returns the tenant's sums for one push; unlock gives them back. d.mu is
// never held while a tenant's lock is waited for.
func (d *deltas) lock(tenant string) *tenantDeltas {
	for {
		d.mu.Lock()
		t := d.tenants[tenant]
		if t == nil {
			t = &tenantDeltas{d: d, tenant: tenant, streams: map[telemetry.SeriesID]*stream{}}
			d.tenants[tenant] = t
		}
		d.mu.Unlock()
		if t.mu.Lock(); !t.gone {
			return t
		}
		t.mu.Unlock()
	}
}

func (t *tenantDeltas) unlock() { t.mu.Unlock() }

// sample adds a delta to its series and returns the sum so far.
func (t *tenantDeltas) sample(ls labels.Labels, in telemetry.Sample) (telemetry.Sample, problem) {
	s, fresh, p := t.stream(ls, in.T, in.Start)
	if !p.ok() {
		return in, p
	}
	if fresh {
		s.sum += in.V
	}
	return telemetry.Sample{T: in.T, Start: s.start, V: s.sum}, problem{}
}

// histogram adds a delta histogram to its series and returns the sum so far.
func (t *tenantDeltas) histogram(ls labels.Labels, in telemetry.HistogramSample) (telemetry.HistogramSample, problem) {
	s, fresh, p := t.stream(ls, in.T, in.Start)
	if !p.ok() {
		return in, p
	}
	if fresh {
		add := in.Float
		if in.Int != nil {
			add = in.Int.ToFloat(nil)
		}
		if s.hist == nil {
			s.hist = add.Copy()
		} else if _, _, _, err := s.hist.Add(add); err != nil {
			// Other bounds or a schema of another kind: the old sum ends here.
			*s = stream{start: startOf(in.T, in.Start), last: in.T, seen: s.seen, hist: add.Copy()}
			t.d.begun.Inc()
		}
	}
	if s.hist == nil {
		return in, problem{reasonOutOfOrder, "series " + collector.Quote(ls.Get(labels.MetricName)) + " has a number and a histogram at the same time"}
	}
	sum := s.hist.Copy()
	sum.CounterResetHint = prom.UnknownCounterReset
	return telemetry.HistogramSample{T: in.T, Start: s.start, Float: sum}, problem{}
}

// stream finds or begins the series of ls for a point of (start, at]; fresh
// means that the point is not in the sum yet.
func (t *tenantDeltas) stream(ls labels.Labels, at, start int64) (_ *stream, fresh bool, _ problem) {
	var id telemetry.SeriesID
	id, t.buf = telemetry.NewSeriesID(t.tenant, ls, t.buf)
	s := t.streams[id]
	switch {
	case s == nil && len(t.streams) >= t.d.cfg.MaxSeries:
		return nil, false, problem{reasonDeltaFull, collector.Excess("delta series of the tenant", len(t.streams)+1, "collector.otlp.delta.max_series", t.d.cfg.MaxSeries)}
	case s == nil:
		s = &stream{start: startOf(at, start), last: at - 1}
		t.streams[id] = s
		t.d.begun.Inc()
		t.d.tracked.Inc()
	case at < s.last:
		return nil, false, problem{reasonOutOfOrder, fmt.Sprintf("delta point of %s at %d ms is older than the series' last one at %d ms", collector.Quote(ls.Get(labels.MetricName)), at, s.last)}
	}
	fresh = at > s.last
	s.last, s.seen = at, t.d.now()
	return s, fresh, problem{}
}

// startOf is where a sum begins: at the point's own start when it has one.
func startOf(at, start int64) int64 {
	if start > 0 && start <= at {
		return start
	}
	return at
}
