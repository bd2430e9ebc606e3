package load

import (
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

type stepper interface {
	Len() int
	Steps(times []int64, size int, send func(body []byte, samples int) error) error
}

// read decodes what a generator sends for the times.
func read(t *testing.T, g stepper, times []int64, size int) (series []prompb.TimeSeries) {
	t.Helper()
	err := g.Steps(times, size, func(body []byte, samples int) error {
		raw, err := snappy.Decode(nil, body)
		if err != nil {
			return err
		}
		var req prompb.WriteRequest
		if err := req.Unmarshal(raw); err != nil {
			return err
		}
		n := 0
		for _, ts := range req.Timeseries {
			n += len(ts.Samples)
			for i := 1; i < len(ts.Labels); i++ {
				if ts.Labels[i-1].Name >= ts.Labels[i].Name {
					t.Errorf("labels are not sorted: %v", ts.Labels)
				}
			}
		}
		if n != samples || n > size {
			t.Errorf("a body of %d samples, told %d, at most %d", n, samples, size)
		}
		series = append(series, req.Timeseries...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return series
}

func TestGenerators(t *testing.T) {
	times := []int64{1000, 2000, 3000}
	for name, g := range map[string]stepper{"metrics": NewMetrics(1, 300), "histograms": NewHistograms(1, "web", 300)} {
		seen := map[string]bool{}
		for _, ts := range read(t, g, times, 100) {
			seen[prompbKey(ts.Labels)] = true
			if len(ts.Samples) != len(times) || ts.Samples[2].Timestamp != 3000 {
				t.Errorf("%s: samples %v", name, ts.Samples)
			}
		}
		if len(seen) != g.Len() || g.Len() < 300 {
			t.Errorf("%s: %d series, Len %d", name, len(seen), g.Len())
		}
	}
}

func TestHistogramsAreCumulative(t *testing.T) {
	series := read(t, NewHistograms(1, "web", 100), []int64{1000, 2000}, 1000)
	for i := 0; i < len(series); i += len(bounds) {
		for b := 1; b < len(bounds); b++ {
			for s := range series[i].Samples {
				if series[i+b].Samples[s].Value < series[i+b-1].Samples[s].Value {
					t.Fatalf("%v has fewer than the bucket below", series[i+b])
				}
			}
		}
	}
}

func TestHosts(t *testing.T) {
	for _, n := range []int{1, 250, 251, 10_000} {
		if got, want := Hosts(n)*(NewMetrics(1, 1).Len()), NewMetrics(1, n).Len(); got != want {
			t.Errorf("%d series: %d by hosts, want %d", n, got, want)
		}
	}
}

func prompbKey(ls []prompb.Label) string {
	key := ""
	for _, l := range ls {
		key += l.Name + "=" + l.Value + ","
	}
	return key
}
