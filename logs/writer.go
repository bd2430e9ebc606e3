package logs

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/watchfire/watchfire/storage/batch"
	"github.com/watchfire/watchfire/telemetry"
)

// WriterOptions are what a Writer works with; zero values are usable.
type WriterOptions struct {
	Limits     func(tenant string) Limits // nil = Config.Limits for all
	Identity   telemetry.IdentityTable    // nil = telemetry.DefaultIdentity
	Tail       *Tail                      // told what was stored; nil = nobody
	Now        func() time.Time           // nil = time.Now
	Registerer prometheus.Registerer      // nil keeps no metrics
	Logger     *slog.Logger               // nil discards
}

// Writer stores log lines. What it acknowledges is durable and found by
// queries that start afterwards. It is safe for concurrent use; nothing is
// stored before Run runs.
type Writer struct {
	limits  func(string) Limits
	now     func() time.Time
	tail    *Tail
	known   *knownStreams
	metrics writerMetrics
	plans   sync.Pool

	records *batch.Batcher[*recordColumns]
	streams *batch.Batcher[*streamColumns]
}

// NewWriter returns a Writer into sink.
func NewWriter(cfg Config, sink batch.Sink, o WriterOptions) *Writer {
	if o.Limits == nil {
		o.Limits = func(string) Limits { return cfg.Limits }
	}
	if o.Identity == nil {
		o.Identity = telemetry.DefaultIdentity()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	w := &Writer{
		limits:  o.Limits,
		now:     o.Now,
		tail:    o.Tail,
		known:   newKnownStreams(o.Identity),
		records: batch.New(cfg.Batch, recordsTable.Name, newRecordColumns, sink, o.Registerer, o.Logger),
		streams: batch.New(cfg.Batch, streamsTable.Name, newStreamColumns, sink, o.Registerer, o.Logger),
	}
	w.plans.New = func() any { return &plan{} }
	w.metrics = newWriterMetrics(o.Registerer, w.known)
	return w
}

// Run inserts what is written until ctx ends, then drains.
func (w *Writer) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return w.records.Run(ctx) })
	g.Go(func() error { return w.streams.Run(ctx) })
	g.Go(func() error { w.sweep(ctx); return nil })
	return g.Wait()
}

// sweep forgets idle streams until ctx ends.
func (w *Writer) sweep(ctx context.Context) {
	t := time.NewTicker(5 * time.Minute)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			w.known.sweep(w.now().Unix())
		}
	}
}

// WriteLogs stores a push. Lines that break a limit are in the Outcome as
// rejected and must not be sent again; the rest of the push is stored all the
// same. An error means that nothing may be assumed stored: send it again.
//
// Bytes of a line that are not UTF-8 become U+FFFD, as they would in any JSON
// answer. The writer keeps the strings of streams, but not the slices.
func (w *Writer) WriteLogs(ctx context.Context, tenant string, streams []telemetry.LogStream) (telemetry.Outcome, error) {
	var out telemetry.Outcome
	now := w.now()
	p := w.plans.Get().(*plan)
	defer func() {
		p.reset()
		w.plans.Put(p)
	}()
	p.begin(tenant, w.known.tenant(tenant), w.limits(tenant).bounds(now), now.Unix())
	for i := range streams {
		p.add(w.known, &streams[i], func(r *rejection, n int) {
			out.Reject(r.reason, r.detail, n)
			w.metrics.rejected.WithLabelValues(r.reason).Add(float64(n))
		})
	}
	if len(p.rows) == 0 {
		return out, nil
	}
	if err := w.store(ctx, p); err != nil {
		return telemetry.Outcome{}, err
	}
	out.Accepted = len(p.rows)
	w.metrics.lines.Add(float64(len(p.rows)))
	w.metrics.bytes.Add(float64(p.bytes))
	w.tail.publish(p)
	return out, nil
}

// store adds a plan's rows to the batches and waits until they are durable;
// only then its streams count as registered.
func (w *Writer) store(ctx context.Context, p *plan) error {
	fresh := p.freshDays()
	var registered batch.Ticket
	if len(fresh) > 0 {
		var err error
		registered, err = w.streams.Add(ctx, func(c *streamColumns) {
			for _, f := range fresh {
				s := &p.streams[f.stream]
				c.Append(p.tenant, f.day, s.id, s.labels)
			}
		})
		if err != nil {
			return err
		}
	}
	stored, err := w.records.Add(ctx, p.appendTo)
	if err == nil {
		err = stored.Wait(ctx)
	}
	if err := errors.Join(err, registered.Wait(ctx)); err != nil {
		return err
	}
	p.known.mu.Lock()
	defer p.known.mu.Unlock()
	for _, f := range fresh {
		p.streams[f.stream].addDay(f.day)
	}
	return nil
}

// writerMetrics count what a Writer does.
type writerMetrics struct {
	lines, bytes prometheus.Counter
	rejected     *prometheus.CounterVec
}

func newWriterMetrics(reg prometheus.Registerer, known *knownStreams) writerMetrics {
	m := writerMetrics{
		lines:    prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_logs_lines_total", Help: "Lines stored."}),
		bytes:    prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_logs_line_bytes_total", Help: "Bytes of the lines stored."}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_logs_rejected_total", Help: "Lines refused, by reason."}, []string{"reason"}),
	}
	if reg != nil {
		reg.MustRegister(m.lines, m.bytes, m.rejected, prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "watchfire_logs_active_streams", Help: "Streams that had lines within the last hour."},
			func() float64 { return float64(known.len()) }))
	}
	return m
}
