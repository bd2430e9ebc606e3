package gather

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/collector/collectortest"
)

var target = labels.FromStrings("job", "watchfire", "instance", "h")

func TestConvert(t *testing.T) {
	reg := prometheus.NewRegistry()
	gauge := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "g", Help: "a gauge"}, []string{"job"})
	gauge.WithLabelValues("own").Set(1.5)
	classic := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h_seconds", Buckets: []float64{0.5, 1}})
	classic.Observe(0.7)
	native := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "n", NativeHistogramBucketFactor: 2})
	native.Observe(3)
	summary := prometheus.NewSummary(prometheus.SummaryOpts{Name: "s", Objectives: map[float64]float64{0.5: 0.05}})
	summary.Observe(2)
	reg.MustRegister(gauge, classic, native, summary)
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	m := Convert(families, target, 1000)
	for i := range m.Series { // when they were created
		for j := range m.Series[i].Samples {
			m.Series[i].Samples[j].Start = 0
		}
		for j := range m.Series[i].Histograms {
			m.Series[i].Histograms[j].Start = 0
		}
	}
	want := `{__name__="g", exported_job="own", instance="h", job="watchfire"} 1.5 @1000 start=0
{__name__="h_seconds_bucket", instance="h", job="watchfire", le="0.5"} 0 @1000 start=0
{__name__="h_seconds_bucket", instance="h", job="watchfire", le="1.0"} 1 @1000 start=0
{__name__="h_seconds_bucket", instance="h", job="watchfire", le="+Inf"} 1 @1000 start=0
{__name__="h_seconds_sum", instance="h", job="watchfire"} 0.7 @1000 start=0
{__name__="h_seconds_count", instance="h", job="watchfire"} 1 @1000 start=0
{__name__="n", instance="h", job="watchfire"} {count:1, sum:3, (2,4]:1} schema=0 int @1000 start=0
{__name__="s", instance="h", job="watchfire", quantile="0.5"} 2 @1000 start=0
{__name__="s_sum", instance="h", job="watchfire"} 2 @1000 start=0
{__name__="s_count", instance="h", job="watchfire"} 1 @1000 start=0
# g type=gauge unit="" help="a gauge"
# h_seconds type=histogram unit="" help=""
# n type=histogram unit="" help=""
# s type=summary unit="" help=""
`
	if diff := cmp.Diff(want, collectortest.Text(m)); diff != "" {
		t.Error(diff)
	}
}

func TestScraperEndsSeriesThatAreGone(t *testing.T) {
	reg := prometheus.NewRegistry()
	g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "g"}, []string{"l"})
	reg.MustRegister(g)
	sink := &collectortest.Sink{}
	s := &Scraper{Gatherer: reg, Target: target, Interval: time.Second, Tenant: "a", Sink: sink, Counts: collector.NewMetrics(nil), Logger: slog.New(slog.DiscardHandler)}
	g.WithLabelValues("x").Set(1)
	g.WithLabelValues("y").Set(2)
	s.once(t.Context(), time.UnixMilli(1000))
	g.DeleteLabelValues("x")
	s.once(t.Context(), time.UnixMilli(2000))
	s.once(t.Context(), time.UnixMilli(3000))
	x := sink.Series("__name__", "g", "l", "x", "job", "watchfire", "instance", "h").Samples
	if len(x) != 2 || x[1].T != 2000 || !value.IsStaleNaN(x[1].V) {
		t.Errorf("x: %v", x)
	}
	if y := sink.Series("__name__", "g", "l", "y", "job", "watchfire", "instance", "h").Samples; len(y) != 3 || y[2].V != 2 {
		t.Errorf("y: %v", y)
	}
	if up := sink.Series("__name__", "up", "job", "watchfire", "instance", "h").Samples; len(up) != 3 || up[0].V != 1 {
		t.Errorf("up: %v", up)
	}
	if got := strings.Join(sink.Names(), " "); got != "g scrape_duration_seconds scrape_samples_scraped up" {
		t.Error(got)
	}
}
