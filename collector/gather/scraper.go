package gather

import (
	"context"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// Scraper gathers on a clock and writes what it finds, with up and the other
// series that Prometheus adds to a scrape, and with stale markers for series
// that are gone.
type Scraper struct {
	Gatherer prometheus.Gatherer
	// Target are the labels of all series: job and instance, at least.
	Target   labels.Labels
	Interval time.Duration
	Tenant   string
	Sink     collector.MetricSink
	Counts   *collector.Metrics
	Logger   *slog.Logger

	known map[telemetry.SeriesID]labels.Labels // series of the last round
}

// Run gathers at once and then every interval until ctx ends.
func (s *Scraper) Run(ctx context.Context) error {
	tick := time.NewTicker(s.Interval)
	defer tick.Stop()
	for {
		s.once(ctx, time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// once is one round. A round that cannot be stored is lost and counted: the
// next one is newer.
func (s *Scraper) once(ctx context.Context, at time.Time) {
	ctx, cancel := context.WithTimeout(ctx, s.Interval)
	defer cancel()
	begin, now := time.Now(), at.UnixMilli()
	families, err := s.Gatherer.Gather()
	if err != nil {
		s.Logger.Warn("gathered metrics with errors", "target", s.Target.String(), "error", err)
	}
	up := 1.0
	if len(families) == 0 && err != nil {
		up = 0
	}
	m := Convert(families, s.Target, now)
	n := len(m.Series)
	m.Series = append(m.Series, s.stale(m.Series, now)...)
	m.Series = append(m.Series,
		s.own("up", now, up), s.own("scrape_samples_scraped", now, float64(n)),
		s.own("scrape_duration_seconds", now, time.Since(begin).Seconds()))
	out, err := s.Sink.WriteMetrics(ctx, s.Tenant, m)
	s.Counts.Count("gather", "metrics", n, out, err)
	if err != nil && ctx.Err() == nil {
		s.Counts.Drop("gather", "metrics", n)
		s.Logger.Warn("cannot store own metrics", "target", s.Target.String(), "samples", n, "error", err)
	}
}

func (s *Scraper) own(name string, now int64, v float64) telemetry.Series {
	b := labels.NewBuilder(s.Target)
	b.Set(labels.MetricName, name)
	return telemetry.Series{Labels: b.Labels(), Samples: []telemetry.Sample{{T: now, V: v}}}
}

// stale ends the series of the last round that this one does not have.
func (s *Scraper) stale(series []telemetry.Series, now int64) (out []telemetry.Series) {
	seen := make(map[telemetry.SeriesID]labels.Labels, len(series))
	var buf []byte
	for i := range series {
		var id telemetry.SeriesID
		id, buf = telemetry.NewSeriesID("", series[i].Labels, buf)
		seen[id] = series[i].Labels
	}
	for id, ls := range s.known {
		if _, ok := seen[id]; !ok {
			out = append(out, telemetry.Series{Labels: ls, Samples: []telemetry.Sample{{T: now, V: math.Float64frombits(value.StaleNaN)}}})
		}
	}
	s.known = seen
	return out
}
