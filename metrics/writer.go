package metrics

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/watchfire/watchfire/storage/batch"
	"github.com/watchfire/watchfire/telemetry"
)

// WriterOptions are what a Writer works with; zero values are usable.
type WriterOptions struct {
	Limits     func(tenant string) Limits // nil = Config.Limits for all
	Now        func() time.Time           // nil = time.Now
	Registerer prometheus.Registerer      // nil keeps no metrics
	Logger     *slog.Logger               // nil discards
}

// Writer stores metrics. What it acknowledges is durable and found by queries
// that start afterwards. It is safe for concurrent use; nothing is stored
// before Run runs.
type Writer struct {
	limits  func(string) Limits
	now     func() time.Time
	log     *slog.Logger
	metrics writerMetrics
	plans   sync.Pool

	known *knownSeries

	generations *generations
	active      *activeSeries
	pairs       *seenDays // label pairs in metrics_labels
	families    *seenDays // rows of metrics_metadata

	samples    *batch.Batcher[*sampleColumns]
	histograms *batch.Batcher[*histogramColumns]
	series     *batch.Batcher[*seriesColumns]
	labels     *batch.Batcher[*labelColumns]
	exemplars  *batch.Batcher[*exemplarColumns]
	metadata   *batch.Batcher[*metadataColumns]
}

// NewWriter returns a Writer into sink.
func NewWriter(cfg Config, sink batch.Sink, o WriterOptions) *Writer {
	if o.Limits == nil {
		o.Limits = func(string) Limits { return cfg.Limits }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Writer{
		limits: o.Limits, now: o.Now, log: o.Logger,
		known: newKnownSeries(cfg.KnownSeries),

		generations: &generations{},

		active:   newActiveSeries(),
		pairs:    newSeenDays(cfg.KnownSeries),
		families: newSeenDays(100_000),

		samples:    batch.New(cfg.Batch, samplesTable.Name, newSampleColumns, sink, o.Registerer, o.Logger),
		histograms: batch.New(cfg.Batch, histogramsTable.Name, newHistogramColumns, sink, o.Registerer, o.Logger),
		series:     batch.New(cfg.Batch, seriesTable.Name, newSeriesColumns, sink, o.Registerer, o.Logger),
		labels:     batch.New(cfg.Batch, labelsTable.Name, newLabelColumns, sink, o.Registerer, o.Logger),
		exemplars:  batch.New(cfg.Batch, exemplarsTable.Name, newExemplarColumns, sink, o.Registerer, o.Logger),
		metadata:   batch.New(cfg.Batch, metadataTable.Name, newMetadataColumns, sink, o.Registerer, o.Logger),
	}
	w.plans.New = func() any { return &plan{w: w} }
	w.metrics = newWriterMetrics(o.Registerer, w.known)
	return w
}

// Run inserts what is written until ctx ends, then drains.
func (w *Writer) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return w.samples.Run(ctx) })
	g.Go(func() error { return w.histograms.Run(ctx) })
	g.Go(func() error { return w.series.Run(ctx) })
	g.Go(func() error { return w.labels.Run(ctx) })
	g.Go(func() error { return w.exemplars.Run(ctx) })
	g.Go(func() error { return w.metadata.Run(ctx) })
	return g.Wait()
}

// WriteMetrics stores a push. Records that break a limit are in the Outcome
// as rejected and must not be sent again; the rest of the push is stored all
// the same. An error means that nothing may be assumed stored: send it again.
func (w *Writer) WriteMetrics(ctx context.Context, tenant string, m telemetry.Metrics) (telemetry.Outcome, error) {
	var out telemetry.Outcome
	p := w.begin(tenant)
	defer w.end(p)
	p.needName = true
	refuse := func(r *rejection, n int) {
		out.Reject(r.reason, r.detail, n)
		w.metrics.rejected.WithLabelValues(r.reason).Add(float64(n))
	}
	for _, s := range m.Series {
		p.add(s, refuse)
	}
	p.metadata = append(p.metadata, m.Metadata...)
	out.Accepted = p.samples + p.hists + p.exemplars
	if err := w.store(ctx, p); err != nil {
		return telemetry.Outcome{}, err
	}
	return out, nil
}

// begin returns an empty plan; end gives it back.
func (w *Writer) begin(tenant string) *plan {
	p := w.plans.Get().(*plan)
	p.tenant = tenant
	p.bounds = w.limits(tenant).bounds(w.now())
	return p
}

func (w *Writer) end(p *plan) {
	p.reset()
	w.plans.Put(p)
}

// store writes a plan's rows and waits until all of them are durable; only
// then its series are known.
func (w *Writer) store(ctx context.Context, p *plan) error {
	facts := w.freshFacts(p)
	err := w.insert(ctx, p, facts)
	for _, f := range p.fresh {
		w.settle(p, f, err == nil)
	}
	if err != nil {
		return err
	}
	for i := range p.series {
		if s := &p.series[i]; s.scale != s.oldScale {
			w.known.setScale(s.id, s.scale)
		}
	}
	for _, f := range facts.pairs {
		w.pairs.mark(f.key, f.month, f.bit)
	}
	for _, f := range facts.families {
		w.families.mark(f.key, f.month, f.bit)
	}
	w.metrics.samples.WithLabelValues("float").Add(float64(p.samples))
	w.metrics.samples.WithLabelValues("histogram").Add(float64(p.hists))
	w.metrics.samples.WithLabelValues("exemplar").Add(float64(p.exemplars))
	w.metrics.registered.Add(float64(len(p.fresh)))
	return nil
}

// settle makes a stored series known, and keeps the count of series right:
// of two pushes that registered the same series at once, one was too many.
func (w *Writer) settle(p *plan, f freshSeries, stored bool) {
	if !stored {
		p.release(f.month, f.days)
		return
	}
	s := &p.series[f.series]
	w.generations.next(p.tenant, s.metric)
	fresh := w.known.mark(s.id, f.month, f.days, f.kinds)
	p.release(f.month, f.days&^fresh)
	if n := len(s.samples); n > 0 {
		shard := w.known.shard(s.id)
		shard.mu.Lock()
		if e := shard.lookupLocked(s.id); e != nil {
			e.saw(s.samples[n-1].T, s.samples[n-1].V)
		}
		shard.mu.Unlock()
	}
}

// insert adds the rows to their tables' batches and waits for all.
func (w *Writer) insert(ctx context.Context, p *plan, facts facts) error {
	var tickets []batch.Ticket
	add := func(t batch.Ticket, err error) error {
		if err == nil {
			tickets = append(tickets, t)
		}
		return err
	}
	var errs []error
	if len(p.fresh) > 0 {
		errs = append(errs, add(w.series.Add(ctx, p.appendSeries)))
	}
	if len(facts.pairs) > 0 {
		errs = append(errs, add(w.labels.Add(ctx, func(c *labelColumns) { facts.appendPairs(c, p.tenant) })))
	}
	if len(facts.families) > 0 {
		errs = append(errs, add(w.metadata.Add(ctx, func(c *metadataColumns) { facts.appendFamilies(c, p.tenant) })))
	}
	if p.samples > 0 {
		errs = append(errs, add(w.samples.Add(ctx, p.appendSamples)))
	}
	if p.hists > 0 {
		errs = append(errs, add(w.histograms.Add(ctx, p.appendHistograms)))
	}
	if p.exemplars > 0 {
		errs = append(errs, add(w.exemplars.Add(ctx, p.appendExemplars)))
	}
	for _, t := range tickets {
		errs = append(errs, t.Wait(ctx))
	}
	return errors.Join(errs...)
}

func (p *plan) appendSeries(c *seriesColumns) {
	for _, f := range p.fresh {
		s := &p.series[f.series]
		c.Append(p.tenant, s.metric, s.id, f.month, f.days, f.kinds, s.labels)
	}
}

func (p *plan) appendSamples(c *sampleColumns) {
	for i := range p.series {
		s := &p.series[i]
		if len(s.samples) > 0 {
			s.scale = c.Append(p.tenant, s.metric, s.id, s.samples, s.oldScale)
		}
	}
}

func (p *plan) appendHistograms(c *histogramColumns) {
	for i := range p.series {
		s := &p.series[i]
		c.Append(p.tenant, s.metric, s.id, s.histograms)
	}
}

func (p *plan) appendExemplars(c *exemplarColumns) {
	for i := range p.series {
		s := &p.series[i]
		for _, e := range s.exemplars {
			c.Append(p.tenant, s.metric, s.id, e)
		}
	}
}

// facts are the label pairs and metadata of a plan that are not stored yet.
type facts struct {
	pairs    []pairFact
	families []familyFact
}

type pairFact struct {
	key         [2]uint64
	month       day
	bit         uint32
	name, value string
}

type familyFact struct {
	key   [2]uint64
	month day
	bit   uint32
	seen  day
	telemetry.MetricMetadata
}

// freshFacts gathers them: each once, though a push may repeat them often.
func (w *Writer) freshFacts(p *plan) facts {
	var f facts
	type once struct {
		key   [2]uint64
		month day
		bit   uint32
	}
	gathered := map[once]bool{}
	for _, fresh := range p.fresh {
		for d := range (monthDays{first: fresh.month, bits: fresh.days}).days() {
			month, bit := d.month()
			p.series[fresh.series].labels.Range(func(l labels.Label) {
				var key [2]uint64
				key, p.buf = factKey(p.buf, p.tenant, l.Name, l.Value)
				if gathered[once{key, month, bit}] || w.pairs.has(key, month, bit) {
					return
				}
				gathered[once{key, month, bit}] = true
				f.pairs = append(f.pairs, pairFact{key: key, month: month, bit: bit, name: l.Name, value: l.Value})
			})
		}
	}
	today := dayAt(w.now().UnixMilli())
	month, bit := today.month()
	for _, m := range p.metadata {
		var key [2]uint64
		key, p.buf = factKey(p.buf, p.tenant, m.Metric, m.Type, m.Unit, m.Help)
		if m.Metric == "" || gathered[once{key, month, bit}] || w.families.has(key, month, bit) {
			continue
		}
		gathered[once{key, month, bit}] = true
		f.families = append(f.families, familyFact{key: key, month: month, bit: bit, seen: today, MetricMetadata: m})
	}
	return f
}

func (f facts) appendPairs(c *labelColumns, tenant string) {
	for i := range f.pairs {
		c.Append(tenant, f.pairs[i].month, f.pairs[i].bit, f.pairs[i].name, f.pairs[i].value)
	}
}

func (f facts) appendFamilies(c *metadataColumns, tenant string) {
	for i := range f.families {
		c.Append(tenant, f.families[i].seen, f.families[i].MetricMetadata)
	}
}
