package collector

import (
	"context"
	"math"
	"sort"
	"sync"
	"time"

	"github.com/watchfire/watchfire/telemetry"
)

// maxArrivals bounds how many ways in are remembered, of all tenants together.
const maxArrivals = 10_000

// arrivalHalfLife is how fast the rate of an arrival forgets.
const arrivalHalfLife = 30 * time.Second

// Arrival is what came in by one source for one tenant since the start.
type Arrival struct {
	Signal    string // metrics, logs, traces, events
	Source    string
	Records   int64   // accepted
	PerSecond float64 // of late
	LastSeen  time.Time
}

// Arrivals notes what comes in, by tenant, signal and source, so that one can
// see what is silent.
type Arrivals struct {
	now func() time.Time

	mu  sync.Mutex
	all map[arrivalKey]*arrival
}

type arrivalKey struct{ tenant, signal, source string }

type arrival struct {
	Arrival
	decayed float64 // records, halved every arrivalHalfLife up to LastSeen
	since   time.Time
}

// NewArrivals begins to note; now is time.Now but in tests.
func NewArrivals(now func() time.Time) *Arrivals {
	return &Arrivals{now: now, all: map[arrivalKey]*arrival{}}
}

// Sinks returns sinks that note what s accepts as coming from source.
func (a *Arrivals) Sinks(source string, s Sinks) Sinks {
	return Sinks{
		Metrics: notedMetrics{s.Metrics, a, source},
		Logs:    notedLogs{s.Logs, a, source},
		Spans:   notedSpans{s.Spans, a, source},
		Events:  s.Events,
	}
}

// Note counts n records that were accepted.
func (a *Arrivals) Note(tenant, signal, source string, n int) {
	if n <= 0 {
		return
	}
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	key := arrivalKey{tenant, signal, source}
	r, ok := a.all[key]
	if !ok {
		if len(a.all) >= maxArrivals {
			return
		}
		r = &arrival{Arrival: Arrival{Signal: signal, Source: source, LastSeen: now}, since: now}
		a.all[key] = r
	}
	r.decayed = r.decayed*decay(now.Sub(r.LastSeen)) + float64(n)
	r.Records += int64(n)
	r.LastSeen = now
}

// Of lists the arrivals of a tenant by signal and source.
func (a *Arrivals) Of(tenant string) []Arrival {
	now := a.now()
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []Arrival
	for k, r := range a.all {
		if k.tenant != tenant {
			continue
		}
		got := r.Arrival
		got.PerSecond = r.rate(now)
		out = append(out, got)
	}
	sort.Slice(out, func(i, j int) bool {
		if out[i].Signal != out[j].Signal {
			return out[i].Signal < out[j].Signal
		}
		return out[i].Source < out[j].Source
	})
	return out
}

// rate divides the decayed count by the decayed time that it was counted over.
func (r *arrival) rate(now time.Time) float64 {
	tau := arrivalHalfLife.Seconds() / math.Ln2
	observed := tau * (1 - math.Exp(-now.Sub(r.since).Seconds()/tau))
	return r.decayed * decay(now.Sub(r.LastSeen)) / max(observed, 1)
}

func decay(d time.Duration) float64 { return math.Exp2(-d.Seconds() / arrivalHalfLife.Seconds()) }

type notedMetrics struct {
	MetricSink
	a      *Arrivals
	source string
}

func (n notedMetrics) WriteMetrics(ctx context.Context, tenant string, m telemetry.Metrics) (telemetry.Outcome, error) {
	out, err := n.MetricSink.WriteMetrics(ctx, tenant, m)
	n.a.Note(tenant, "metrics", n.source, out.Accepted)
	return out, err
}

type notedLogs struct {
	LogSink
	a      *Arrivals
	source string
}

func (n notedLogs) WriteLogs(ctx context.Context, tenant string, streams []telemetry.LogStream) (telemetry.Outcome, error) {
	out, err := n.LogSink.WriteLogs(ctx, tenant, streams)
	n.a.Note(tenant, "logs", n.source, out.Accepted)
	return out, err
}

type notedSpans struct {
	SpanSink
	a      *Arrivals
	source string
}

func (n notedSpans) WriteSpans(ctx context.Context, tenant string, spans []telemetry.Span) (telemetry.Outcome, error) {
	out, err := n.SpanSink.WriteSpans(ctx, tenant, spans)
	n.a.Note(tenant, "traces", n.source, out.Accepted)
	return out, err
}
