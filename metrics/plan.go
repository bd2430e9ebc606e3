package metrics

import (
	"errors"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/watchfire/watchfire/telemetry"
)

// plan is what a push will store: its admitted rows, and the series among
// them that are not registered yet for a day. Building it changes nothing on
// the server.
type plan struct {
	w        *Writer
	tenant   string
	bounds   bounds
	needName bool // refuse series without a name
	inOrder  bool // refuse samples older than the newest known one
	buf      []byte

	series    []plannedSeries
	fresh     []freshSeries
	metadata  []telemetry.MetricMetadata
	samples   int // rows of each table
	hists     int
	exemplars int
}

// plannedSeries is one series' admitted rows.
type plannedSeries struct {
	id         telemetry.SeriesID
	labels     labels.Labels
	metric     string
	samples    []telemetry.Sample
	histograms []telemetry.HistogramSample
	exemplars  []telemetry.Exemplar
	scale      uint8 // hint for encodeDecimal, before and after the samples
	oldScale   uint8
}

// freshSeries is a series and the days of a month for which it is to be
// registered.
type freshSeries struct {
	series int // index into plan.series
	month  day
	days   uint32
	kinds  kinds
}

func (p *plan) reset() {
	clear(p.series)
	clear(p.metadata)
	*p = plan{w: p.w, buf: p.buf, series: p.series[:0], fresh: p.fresh[:0], metadata: p.metadata[:0]}
}

// add admits the rows of one series, and calls refuse for those that are not.
// It keeps the slices of s.
func (p *plan) add(s telemetry.Series, refuse func(r *rejection, n int)) {
	all := len(s.Samples) + len(s.Histograms) + len(s.Exemplars)
	if all == 0 {
		return
	}
	id, entry, shard, rej := p.find(&s.Labels)
	if rej != nil {
		refuse(rej, all)
		return
	}
	// The shard is locked from here on.
	s.Samples = p.admitSamples(s, entry, refuse)
	s.Histograms = p.admitHistograms(s, refuse)
	kinds := kindsOf(s)
	missing := p.missingDays(s, entry, kinds)
	scale := uint8(0)
	if entry != nil {
		scale = entry.scale
	}
	shard.mu.Unlock()

	s.Exemplars = p.admitExemplars(s, refuse)
	kept := len(s.Samples) + len(s.Histograms) + len(s.Exemplars)
	if kept == 0 {
		return
	}
	if rej := p.reserve(s.Labels, missing); rej != nil {
		refuse(rej, kept)
		return
	}
	for _, m := range missing {
		p.fresh = append(p.fresh, freshSeries{series: len(p.series), month: m.first, days: m.bits, kinds: kinds})
	}
	p.series = append(p.series, plannedSeries{
		id: id, labels: s.Labels, metric: s.Labels.Get(labels.MetricName),
		samples: s.Samples, histograms: s.Histograms, exemplars: s.Exemplars,
		scale: scale, oldScale: scale,
	})
	p.samples += len(s.Samples)
	p.hists += len(s.Histograms)
	p.exemplars += len(s.Exemplars)
}

// addMetadata plans a row of metadata; repeating the last one is cheap.
func (p *plan) addMetadata(m telemetry.MetricMetadata) {
	if n := len(p.metadata); n > 0 && p.metadata[n-1] == m {
		return
	}
	p.metadata = append(p.metadata, m)
}

// find looks a series up and returns with its shard locked; an unknown one is
// checked, and its labels are brought to their normal form.
func (p *plan) find(ls *labels.Labels) (telemetry.SeriesID, *knownEntry, *knownShard, *rejection) {
	id, shard, entry := p.lookup(*ls)
	if entry != nil {
		return id, entry, shard, nil
	}
	shard.mu.Unlock()
	if normal, changed := normalize(*ls); changed {
		*ls = normal
	}
	if rej := p.bounds.limits.checkLabels(*ls, p.needName); rej != nil {
		return id, nil, nil, rej
	}
	id, shard, entry = p.lookup(*ls)
	return id, entry, shard, nil
}

func (p *plan) lookup(ls labels.Labels) (telemetry.SeriesID, *knownShard, *knownEntry) {
	var id telemetry.SeriesID
	id, p.buf = telemetry.NewSeriesID(p.tenant, ls, p.buf)
	shard := p.w.known.shard(id)
	shard.mu.Lock()
	return id, shard, shard.lookupLocked(id)
}

// normalize sorts labels and drops those without a value, as Prometheus does.
func normalize(ls labels.Labels) (labels.Labels, bool) {
	last, normal := "", true
	ls.Range(func(l labels.Label) {
		if l.Value == "" || l.Name < last {
			normal = false
		}
		last = l.Name
	})
	if normal {
		return ls, false
	}
	var kept []labels.Label
	ls.Range(func(l labels.Label) {
		if l.Value != "" {
			kept = append(kept, l)
		}
	})
	slices.SortStableFunc(kept, func(a, b labels.Label) int { return strings.Compare(a.Name, b.Name) })
	return labels.New(kept...), true
}

// admitSamples returns the samples to store: the slice itself when that is
// all of them. entry is nil for a series that is not known.
func (p *plan) admitSamples(s telemetry.Series, entry *knownEntry, refuse func(*rejection, int)) []telemetry.Sample {
	kept, all := s.Samples, true
	for i := range s.Samples {
		sample := &s.Samples[i]
		rej := p.checkSample(s.Labels, sample, entry)
		switch {
		case rej == nil && all:
			continue
		case rej == nil:
			kept = append(kept, *sample)
			continue
		case all:
			kept, all = slices.Clone(s.Samples[:i]), false
		}
		refuse(rej, 1)
	}
	return kept
}

func (p *plan) checkSample(ls labels.Labels, s *telemetry.Sample, entry *knownEntry) *rejection {
	if rej := p.bounds.checkTime(s.T, ls); rej != nil {
		return rej
	}
	if entry == nil {
		return nil
	}
	if s.T == entry.lastT && math.Float64bits(s.V) != entry.lastV {
		return reject(reasonDuplicate, storage.ErrDuplicateSampleForTimestamp, "series %s has value %g at %d ms already, not %g: is it written by two senders?", shorten(ls.String()), math.Float64frombits(entry.lastV), s.T, s.V)
	}
	if p.inOrder && s.T < entry.lastT {
		return reject(reasonOutOfOrder, storage.ErrOutOfOrderSample, "series %s has a sample at %d ms already, which is newer than %d ms", shorten(ls.String()), entry.lastT, s.T)
	}
	entry.saw(s.T, s.V)
	return nil
}

func (p *plan) admitHistograms(s telemetry.Series, refuse func(*rejection, int)) []telemetry.HistogramSample {
	kept, all := s.Histograms, true
	for i, h := range s.Histograms {
		rej := p.checkHistogram(s.Labels, &h)
		switch {
		case rej == nil && all && h == s.Histograms[i]:
			continue
		case all:
			kept, all = slices.Clone(s.Histograms[:i]), false
		}
		if rej != nil {
			refuse(rej, 1)
			continue
		}
		kept = append(kept, h)
	}
	return kept
}

// checkHistogram refuses broken histograms, and brings one of a finer schema
// than Prometheus computes with to its finest.
func (p *plan) checkHistogram(ls labels.Labels, h *telemetry.HistogramSample) *rejection {
	if rej := p.bounds.checkTime(h.T, ls); rej != nil {
		return rej
	}
	if (h.Int == nil) == (h.Float == nil) {
		return reject(reasonHistogram, nil, "histogram sample of %s at %d ms: want exactly one of integers and floats", shorten(ls.String()), h.T)
	}
	err := reduce(h)
	if err == nil && h.Int != nil && !value.IsStaleNaN(h.Int.Sum) {
		err = h.Int.Validate()
	} else if err == nil && h.Float != nil && !value.IsStaleNaN(h.Float.Sum) {
		err = h.Float.Validate()
	}
	if err != nil {
		return reject(reasonHistogram, err, "histogram of %s at %d ms: %v", shorten(ls.String()), h.T, err)
	}
	if n := buckets(h); p.bounds.limits.MaxBuckets > 0 && n > p.bounds.limits.MaxBuckets {
		return reject(reasonBuckets, nil, "histogram of %s has %d buckets, the limit metrics.limits.max_buckets is %d", shorten(ls.String()), n, p.bounds.limits.MaxBuckets)
	}
	return nil
}

// reduce merges the buckets of schemas 9 to 52 into schema 8.
func reduce(h *telemetry.HistogramSample) error {
	const finest = histogram.ExponentialSchemaMax
	if h.Int != nil && histogram.IsExponentialSchemaReserved(h.Int.Schema) && h.Int.Schema > finest {
		h.Int = h.Int.Copy()
		return h.Int.ReduceResolution(finest)
	}
	if h.Float != nil && histogram.IsExponentialSchemaReserved(h.Float.Schema) && h.Float.Schema > finest {
		h.Float = h.Float.Copy()
		return h.Float.ReduceResolution(finest)
	}
	return nil
}

func buckets(h *telemetry.HistogramSample) int {
	if h.Int != nil {
		return len(h.Int.PositiveBuckets) + len(h.Int.NegativeBuckets)
	}
	return len(h.Float.PositiveBuckets) + len(h.Float.NegativeBuckets)
}

func (p *plan) admitExemplars(s telemetry.Series, refuse func(*rejection, int)) []telemetry.Exemplar {
	var kept []telemetry.Exemplar
	for _, e := range s.Exemplars {
		if rej := p.checkExemplar(s.Labels, e); rej != nil {
			refuse(rej, 1)
			continue
		}
		kept = append(kept, e)
	}
	return kept
}

func (p *plan) checkExemplar(ls labels.Labels, e telemetry.Exemplar) *rejection {
	if rej := p.bounds.checkTime(e.T, ls); rej != nil {
		return rej
	}
	runes := 0
	var rej *rejection
	e.Labels.Range(func(l labels.Label) {
		runes += len([]rune(l.Name)) + len([]rune(l.Value))
		if r := (Limits{}).checkLabel(l); r != nil && rej == nil {
			rej = r
		}
	})
	if runes > exemplar.ExemplarMaxLabelSetLength {
		return reject(reasonExemplar, storage.ErrExemplarLabelLength, "labels of an exemplar of %s have %d characters, the limit is %d", shorten(ls.String()), runes, exemplar.ExemplarMaxLabelSetLength)
	}
	return rej
}

// kindsOf says what s has rows of.
func kindsOf(s telemetry.Series) (k kinds) {
	if len(s.Samples) > 0 {
		k |= kindFloat
	}
	if len(s.Histograms) > 0 {
		k |= kindHistogram
	}
	if len(s.Exemplars) > 0 {
		k |= kindExemplar
	}
	for i := range s.Samples {
		if s.Samples[i].Start != 0 {
			return k | kindStart
		}
	}
	return k
}

// missingDays lists the days of s' rows that entry does not have.
func (p *plan) missingDays(s telemetry.Series, entry *knownEntry, k kinds) (missing []monthDays) {
	lastDay := -1
	visit := func(t int64) {
		d := dayAt(t)
		if int(d) == lastDay {
			return
		}
		lastDay = int(d)
		month, bit := d.month()
		if entry != nil && entry.has(month, bit, k) {
			return
		}
		for i := range missing {
			if missing[i].first == month {
				missing[i].bits |= bit
				return
			}
		}
		missing = append(missing, monthDays{first: month, bits: bit})
	}
	for i := range s.Samples {
		visit(s.Samples[i].T)
	}
	for i := range s.Histograms {
		visit(s.Histograms[i].T)
	}
	for i := range s.Exemplars {
		visit(s.Exemplars[i].T)
	}
	return missing
}

// reserve counts a series for the days that are new to it, or for none of
// them when one of them is full.
func (p *plan) reserve(ls labels.Labels, missing []monthDays) *rejection {
	most := p.bounds.limits.MaxSeries
	for i, m := range missing {
		for d := range m.days() {
			if p.w.active.reserve(p.tenant, d, most) {
				continue
			}
			for _, done := range missing[:i] {
				p.release(done.first, done.bits)
			}
			p.release(m.first, m.bits&(1<<(d-m.first)-1))
			return reject(reasonSeriesLimit, errSeriesLimit, "series %s is one more than the %d series that tenant %q may have a day (metrics.limits.max_series): remove labels of many values, or raise it", shorten(ls.String()), most, p.tenant)
		}
	}
	return nil
}

var errSeriesLimit = errors.New("too many series")

// release takes the reservations for days of a month back.
func (p *plan) release(month day, set uint32) {
	for d := range (monthDays{first: month, bits: set}).days() {
		p.w.active.release(p.tenant, d)
	}
}

// days yields the days of the set, oldest first.
func (m monthDays) days() func(func(day) bool) {
	return func(yield func(day) bool) {
		for set := m.bits; set != 0; set &= set - 1 {
			if !yield(m.first + day(bits.TrailingZeros32(set))) {
				return
			}
		}
	}
}
