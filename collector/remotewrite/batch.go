package remotewrite

import (
	"fmt"
	"math"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// Reasons of rejections.
const (
	reasonLabels    = "invalid_labels"
	reasonTooMany   = "too_many_labels"
	reasonTooLong   = "label_too_long"
	reasonHistogram = "invalid_histogram"
	reasonEmpty     = "empty_series"
	reasonMetadata  = "invalid_metadata"
)

// Bounds that hold whatever the limits say: the labels package panics at
// 16 MiB, and two bytes of a request could become a label of 32.
const (
	hardLabelBytes = 8 << 20
	hardLabels     = 8 << 10
)

// errTooManyRecords refuses a whole request.
type errTooManyRecords struct {
	what  string
	limit int
}

func (e errTooManyRecords) Error() string {
	return fmt.Sprintf("%s of the request exceed the limit collector.limits.max_records of %d: send smaller requests", e.what, e.limit)
}

// batch is one decoded request. Its memory is reused by the next request.
type batch struct {
	metrics telemetry.Metrics
	outcome telemetry.Outcome
	written written

	limits    collector.Limits
	samples   []telemetry.Sample // the series' samples lie in these, one after the other
	hists     []telemetry.HistogramSample
	exemplars []telemetry.Exemplar
	labels    labels.ScratchBuilder
	pairs     []labels.Label // of the series at hand; the strings lie in the request's buffer
	overflow  int            // labels that pairs has no room for
	symbols   []string       // 2.0: in the request's buffer
	refs      []uint32
	seen      map[uint32]struct{} // 2.0: symbols of metric names whose metadata is known
}

// written counts what a request carries.
type written struct{ samples, histograms, exemplars int }

var batches = sync.Pool{New: func() any {
	return &batch{labels: labels.NewScratchBuilder(32), seen: map[uint32]struct{}{}}
}}

func newBatch(limits collector.Limits) *batch {
	b := batches.Get().(*batch)
	b.limits = limits
	return b
}

// maxPooled bounds the samples that an idle batch keeps room for.
const maxPooled = 64 << 10

// release gives the batch's memory to the next request. Nothing of it may be
// used afterwards but strings of labels.
func (b *batch) release() {
	if cap(b.samples) > maxPooled || cap(b.metrics.Series) > maxPooled || len(b.seen) > maxPooled || cap(b.symbols) > maxPooled {
		return
	}
	clear(b.metrics.Series)
	clear(b.metrics.Metadata)
	clear(b.hists)
	clear(b.exemplars)
	clear(b.pairs[:cap(b.pairs)])
	clear(b.symbols)
	clear(b.seen)
	b.labels.Reset()
	*b = batch{
		metrics: telemetry.Metrics{Series: b.metrics.Series[:0], Metadata: b.metrics.Metadata[:0]},
		samples: b.samples[:0], hists: b.hists[:0], exemplars: b.exemplars[:0],
		labels: b.labels, pairs: b.pairs[:0], symbols: b.symbols[:0], refs: b.refs[:0], seen: b.seen,
	}
	batches.Put(b)
}

// series adds a series of the samples, histograms and exemplars that were
// decoded since the marks, or rejects all of them.
func (b *batch) series(from marks) {
	n := written{len(b.samples) - from.samples, len(b.hists) - from.hists, len(b.exemplars) - from.exemplars}
	if n.samples+n.histograms+n.exemplars == 0 {
		if b.outcome.RejectedCount() > from.rejected {
			return // said already
		}
		b.outcome.Reject(reasonEmpty, "a series carries no sample, histogram or exemplar: "+b.describe(), 1)
		return
	}
	ls, reason, detail := b.buildLabels(true)
	if reason != "" {
		b.outcome.Reject(reason, detail, n.samples+n.histograms+n.exemplars)
		b.truncate(from)
		return
	}
	b.written.samples += n.samples
	b.written.histograms += n.histograms
	b.written.exemplars += n.exemplars
	b.metrics.Series = append(b.metrics.Series, telemetry.Series{
		Labels:     ls,
		Samples:    b.samples[from.samples:len(b.samples):len(b.samples)],
		Histograms: b.hists[from.hists:len(b.hists):len(b.hists)],
		Exemplars:  b.exemplars[from.exemplars:len(b.exemplars):len(b.exemplars)],
	})
}

// marks are lengths of the batch's slices before a series.
type marks struct{ samples, hists, exemplars, rejected int }

func (b *batch) mark() marks {
	return marks{len(b.samples), len(b.hists), len(b.exemplars), b.outcome.RejectedCount()}
}

// room is an error when the request has more records than it may.
func (b *batch) room() error {
	if collector.Exceeds(len(b.samples)+len(b.hists)+len(b.exemplars)+1, b.limits.MaxRecords) {
		return errTooManyRecords{"samples", b.limits.MaxRecords}
	}
	return nil
}

func (b *batch) truncate(m marks) {
	b.samples, b.hists, b.exemplars = b.samples[:m.samples], b.hists[:m.hists], b.exemplars[:m.exemplars]
}

// buildLabels makes labels of b.pairs: sorted, without empty values, which
// mean the same as an absent label. A reason says why they cannot be.
func (b *batch) buildLabels(series bool) (_ labels.Labels, reason, detail string) {
	if n := len(b.pairs) + b.overflow; collector.Exceeds(n, b.limits.MaxLabels) || b.overflow > 0 {
		limit := b.limits.MaxLabels
		if limit == 0 || limit > hardLabels {
			limit = hardLabels
		}
		return labels.EmptyLabels(), reasonTooMany, collector.Excess("labels of "+b.describe(), n, "collector.limits.max_labels", limit)
	}
	b.labels.Reset()
	sorted, named, size, last := true, false, 0, ""
	for _, p := range b.pairs {
		if p.Name == "" {
			return labels.EmptyLabels(), reasonLabels, "a label has no name in " + b.describe()
		}
		if p.Value == "" {
			continue
		}
		if reason, detail := b.checkLabel(p); reason != "" {
			return labels.EmptyLabels(), reason, detail
		}
		if size += len(p.Name) + len(p.Value); size > hardLabelBytes {
			return labels.EmptyLabels(), reasonTooLong, fmt.Sprintf("labels of %s exceed %d bytes together", b.describe(), hardLabelBytes)
		}
		named = named || p.Name == labels.MetricName
		sorted = sorted && last < p.Name
		last = p.Name
		b.labels.Add(p.Name, p.Value)
	}
	if series && !named {
		return labels.EmptyLabels(), reasonLabels, "no metric name (" + labels.MetricName + ") in " + b.describe()
	}
	if sorted {
		return b.labels.Labels(), "", ""
	}
	b.labels.Sort()
	ls := b.labels.Labels()
	if name, dup := ls.HasDuplicateLabelNames(); dup {
		return labels.EmptyLabels(), reasonLabels, fmt.Sprintf("label %q occurs twice in %s", name, b.describe())
	}
	return ls, "", ""
}

func (b *batch) checkLabel(p labels.Label) (reason, detail string) {
	switch {
	case collector.Exceeds(len(p.Name), b.limits.MaxLabelNameBytes):
		return reasonTooLong, collector.Excess("bytes of the label name "+collector.Quote(p.Name), len(p.Name), "collector.limits.max_label_name_bytes", b.limits.MaxLabelNameBytes)
	case collector.Exceeds(len(p.Value), b.limits.MaxLabelValueBytes):
		return reasonTooLong, collector.Excess("bytes of the value of label "+collector.Quote(p.Name)+" in "+b.describe(), len(p.Value), "collector.limits.max_label_value_bytes", b.limits.MaxLabelValueBytes)
	case !utf8.ValidString(p.Name):
		return reasonLabels, "label name " + collector.Quote(p.Name) + " is not valid UTF-8"
	case !utf8.ValidString(p.Value):
		return reasonLabels, "value of label " + collector.Quote(p.Name) + " is not valid UTF-8 in " + b.describe()
	}
	return "", ""
}

// histogram adds a native histogram, with its resolution brought within
// Prometheus' schemas, or rejects it.
func (b *batch) histogram(t, start int64, h *histogram.Histogram, fh *histogram.FloatHistogram) {
	if err := collector.CheckHistogram(h, fh, b.limits.MaxBuckets); err != nil {
		b.outcome.Reject(reasonHistogram, fmt.Sprintf("histogram of %s: %v", b.describe(), err), 1)
		return
	}
	b.hists = append(b.hists, telemetry.HistogramSample{T: t, Start: start, Int: h, Float: fh})
}

// describe names the series at hand for a message, shortly.
func (b *batch) describe() string {
	for _, p := range b.pairs {
		if p.Name == labels.MetricName {
			return collector.Quote(p.Value)
		}
	}
	if len(b.pairs) > 0 {
		return fmt.Sprintf("{%s=%s, ...}", collector.Quote(b.pairs[0].Name), collector.Quote(b.pairs[0].Value))
	}
	return "{}"
}

func float(bits uint64) float64 { return math.Float64frombits(bits) }

// family is the metric family that a series of the type belongs to.
func family(name, typ string) string {
	var suffixes []string
	switch typ {
	case "histogram":
		suffixes = []string{"_bucket", "_sum", "_count"}
	case "summary":
		suffixes = []string{"_sum", "_count"}
	case "gaugehistogram":
		suffixes = []string{"_bucket", "_gsum", "_gcount"}
	}
	for _, s := range suffixes {
		if f, ok := strings.CutSuffix(name, s); ok && f != "" {
			return f
		}
	}
	return name
}
