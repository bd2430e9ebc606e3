package traces

import (
	"context"
	"errors"
	"log/slog"
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
	Now        func() time.Time           // nil = time.Now
	Registerer prometheus.Registerer      // nil keeps no metrics
	Logger     *slog.Logger               // nil discards
}

// Writer stores spans. What it acknowledges is durable and found by queries
// that start afterwards. It is safe for concurrent use; nothing is stored
// before Run runs.
type Writer struct {
	limits   func(string) Limits
	identity telemetry.IdentityTable
	now      func() time.Time
	metrics  writerMetrics
	known    *known

	spans     *batch.Batcher[*spanColumns]
	byTrace   *batch.Batcher[*byTraceColumns]
	resources *batch.Batcher[*resourceColumns]
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
	return &Writer{
		limits: o.Limits, identity: o.Identity, now: o.Now,
		metrics:   newWriterMetrics(o.Registerer),
		known:     newKnown(cfg.KnownResources),
		spans:     batch.New(cfg.Batch, spansTable.Name, newSpanColumns, sink, o.Registerer, o.Logger),
		byTrace:   batch.New(cfg.Batch, byTraceTable.Name, newByTraceColumns, sink, o.Registerer, o.Logger),
		resources: batch.New(cfg.Batch, resourcesTable.Name, newResourceColumns, sink, o.Registerer, o.Logger),
	}
}

// Run inserts what is written until ctx ends, then drains.
func (w *Writer) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return w.spans.Run(ctx) })
	g.Go(func() error { return w.byTrace.Run(ctx) })
	g.Go(func() error { return w.resources.Run(ctx) })
	return g.Wait()
}

// WriteSpans stores a push. Spans that break a limit are in the Outcome as
// rejected and must not be sent again; the rest of the push is stored all the
// same. An error means that nothing may be assumed stored: send it again, what
// is stored twice shows once. The spans are only read, and not kept.
func (w *Writer) WriteSpans(ctx context.Context, tenant string, spans []telemetry.Span) (telemetry.Outcome, error) {
	var out telemetry.Outcome
	p := w.plan(tenant, spans, &out)
	out.Accepted = len(p.rows)
	if err := w.insert(ctx, p); err != nil {
		return telemetry.Outcome{}, err
	}
	for _, r := range p.fresh {
		w.known.add(resourceDay{tenant, r.id, r.day})
	}
	w.metrics.spans.Add(float64(out.Accepted))
	for _, r := range out.Rejected {
		w.metrics.rejected.WithLabelValues(r.Reason).Add(float64(r.Count))
	}
	return out, nil
}

// plan is what becomes of a push.
type plan struct {
	tenant string
	rows   []row
	fresh  []freshResource
}

type row struct {
	span     *telemetry.Span
	resource *resource
	scope    string // appendScope
}

type freshResource struct {
	*resource
	day uint16
}

// plan checks the spans and works out what their rows share. Spans of one
// resource usually stand together and share its slice.
func (w *Writer) plan(tenant string, spans []telemetry.Span, out *telemetry.Outcome) plan {
	p := plan{tenant: tenant, rows: make([]row, 0, len(spans))}
	check := checker{w.limits(tenant), w.now().UnixNano()}
	var (
		res     *resource
		refused *refusal
		scope   string
		scoped  *telemetry.Scope
		day     uint16
		seen    = map[resourceDay]bool{}
		known   = map[*telemetry.Attribute]*resource{} // by the slice that spans share
	)
	for i := range spans {
		s := &spans[i]
		fresh := res == nil || !sameSlice(res.attrs, s.Resource)
		if fresh {
			res = w.resource(known, s.Resource)
			refused = check.attributes("resource", s.Resource)
		}
		bad := refused
		if bad == nil {
			bad = check.span(s)
		}
		if bad != nil {
			out.Reject(bad.reason, bad.detail, 1)
			continue
		}
		if scoped == nil || scoped.Name != s.Scope.Name || scoped.Version != s.Scope.Version || !sameSlice(scoped.Attributes, s.Scope.Attributes) {
			scoped, scope = &s.Scope, string(appendScope(nil, &s.Scope))
		}
		if d := dayAt(s.Start); fresh || d != day || len(p.fresh) == 0 {
			day = d
			if k := (resourceDay{tenant, res.id, d}); !seen[k] {
				seen[k] = true
				if !w.known.has(k) {
					p.fresh = append(p.fresh, freshResource{res, d})
				}
			}
		}
		p.rows = append(p.rows, row{s, res, scope})
	}
	return p
}

// resource returns the resource with the attributes; known has those that were
// met before in the same push.
func (w *Writer) resource(known map[*telemetry.Attribute]*resource, attrs []telemetry.Attribute) *resource {
	var key *telemetry.Attribute
	if len(attrs) > 0 {
		key = &attrs[0]
	}
	r := known[key]
	if r == nil || !sameSlice(r.attrs, attrs) {
		r = newResource(attrs, w.identity)
		known[key] = r
	}
	return r
}

// insert adds the rows to their tables' batches and waits for all.
func (w *Writer) insert(ctx context.Context, p plan) error {
	if len(p.rows) == 0 {
		return nil
	}
	var (
		tickets []batch.Ticket
		errs    []error
	)
	added := func(t batch.Ticket, err error) {
		if err != nil {
			errs = append(errs, err)
			return
		}
		tickets = append(tickets, t)
	}
	if len(p.fresh) > 0 {
		added(w.resources.Add(ctx, func(c *resourceColumns) {
			for _, r := range p.fresh {
				c.Append(p.tenant, r.day, r.id, r.attrs)
			}
		}))
	}
	added(w.byTrace.Add(ctx, func(c *byTraceColumns) {
		for _, r := range p.rows {
			c.Append(p.tenant, r.span, r.resource, r.scope)
		}
	}))
	added(w.spans.Add(ctx, func(c *spanColumns) {
		for _, r := range p.rows {
			c.Append(p.tenant, r.span, r.resource)
		}
	}))
	for _, t := range tickets {
		errs = append(errs, t.Wait(ctx))
	}
	return errors.Join(errs...)
}

type writerMetrics struct {
	spans    prometheus.Counter
	rejected *prometheus.CounterVec
}

func newWriterMetrics(reg prometheus.Registerer) writerMetrics {
	m := writerMetrics{
		spans:    prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_traces_spans_total", Help: "Spans stored."}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_traces_rejected_total", Help: "Spans refused, by reason."}, []string{"reason"}),
	}
	if reg != nil {
		reg.MustRegister(m.spans, m.rejected)
	}
	return m
}
