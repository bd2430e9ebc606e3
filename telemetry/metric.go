package telemetry

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// Sample is one float value of a series.
type Sample struct {
	T     int64 // Unix milliseconds, may be negative
	Start int64 // Unix milliseconds at which the counter began, 0 = unknown
	V     float64
}

// HistogramSample is one native histogram of a series. Exactly one of Int and
// Float is set.
type HistogramSample struct {
	T     int64 // Unix milliseconds
	Start int64 // Unix milliseconds, 0 = unknown
	Int   *histogram.Histogram
	Float *histogram.FloatHistogram
}

// Exemplar is one example behind a series' value.
type Exemplar struct {
	T      int64 // Unix milliseconds
	V      float64
	Labels labels.Labels
}

// Series is what a push carries of one series; samples in order of time.
type Series struct {
	Labels     labels.Labels // with __name__, sorted
	Samples    []Sample
	Histograms []HistogramSample
	Exemplars  []Exemplar
}

// MetricMetadata says what a metric family is.
type MetricMetadata struct {
	Metric string
	Type   string // a Prometheus metric type: counter, gauge, histogram, ...
	Unit   string
	Help   string
}

// Metrics is one push of metrics. The receiver may keep the label strings but
// not the slices.
type Metrics struct {
	Series   []Series
	Metadata []MetricMetadata
}

// SeriesID names a series of a tenant: 128 bits of hash over the tenant and
// the sorted labels, equal on every replica and in every release.
type SeriesID struct{ Hi, Lo uint64 }

// seriesSeed starts the second half of a SeriesID; any constant but zero does.
const seriesSeed = 0x9E3779B97F4A7C15

// NewSeriesID hashes tenant and labels. Each half is XXH64 (xxhash.com) of
// tenant, 0xFF, then name, 0xFF, value, 0xFF of each label in order; the high
// half is seeded. 0xFF never occurs in valid UTF-8, so no two sets write the
// same bytes. buf is scratch space that is returned grown.
func NewSeriesID(tenant string, ls labels.Labels, buf []byte) (SeriesID, []byte) {
	buf = append(buf[:0], tenant...)
	buf = append(buf, 0xFF)
	ls.Range(func(l labels.Label) {
		buf = append(buf, l.Name...)
		buf = append(buf, 0xFF)
		buf = append(buf, l.Value...)
		buf = append(buf, 0xFF)
	})
	return hash128(buf), buf
}

// hash128 is two seeds of XXH64 side by side.
func hash128(b []byte) SeriesID {
	d := xxhash.NewWithSeed(seriesSeed)
	d.Write(b)
	return SeriesID{Hi: d.Sum64(), Lo: xxhash.Sum64(b)}
}

// Bytes returns the id as 16 bytes, big endian, high half first.
func (id SeriesID) Bytes() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], id.Hi)
	binary.BigEndian.PutUint64(b[8:], id.Lo)
	return b
}
