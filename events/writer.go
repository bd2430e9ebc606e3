package events

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/client_golang/prometheus"
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

// Writer stores events, changes and states. What it acknowledges is durable
// and found by queries that start afterwards. It is safe for concurrent use;
// nothing is stored before Run runs.
type Writer struct {
	limits  func(string) Limits
	now     func() time.Time
	metrics writerMetrics
	events  *batch.Batcher[*eventColumns]
	states  *batch.Batcher[*stateColumns]
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
	return &Writer{
		limits: o.Limits, now: o.Now, metrics: newWriterMetrics(o.Registerer),
		events: batch.New(cfg.Batch, eventsTable.Name, newEventColumns, sink, o.Registerer, o.Logger),
		states: batch.New(cfg.Batch, statesTable.Name, newStateColumns, sink, o.Registerer, o.Logger),
	}
}

// Run inserts what is written until ctx ends, then drains.
func (w *Writer) Run(ctx context.Context) error {
	var g errgroup.Group
	g.Go(func() error { return w.events.Run(ctx) })
	g.Go(func() error { return w.states.Run(ctx) })
	return g.Wait()
}

// WriteEvents stores events. Those that break a limit are in the Outcome as
// rejected and must not be sent again; the rest is stored all the same. An
// error means that nothing may be assumed stored: send it again, what is
// stored twice shows once. An event without an id gets one made of all that it
// says.
func (w *Writer) WriteEvents(ctx context.Context, tenant string, events []telemetry.Event) (telemetry.Outcome, error) {
	changes := make([]telemetry.Change, len(events))
	for i := range events {
		changes[i].Event = events[i]
	}
	return w.write(ctx, tenant, changes, "event")
}

// WriteChanges stores changes in the same way. A change must have a kind.
func (w *Writer) WriteChanges(ctx context.Context, tenant string, changes []telemetry.Change) (telemetry.Outcome, error) {
	return w.write(ctx, tenant, changes, "change")
}

func (w *Writer) write(ctx context.Context, tenant string, changes []telemetry.Change, what string) (telemetry.Outcome, error) {
	var out telemetry.Outcome
	check := checker{w.limits(tenant), w.now().UnixNano()}
	rows := make([]telemetry.Change, 0, len(changes))
	for _, e := range changes {
		bad := check.change(&e)
		if bad == nil && what == "change" && e.Kind == "" {
			bad = refuse(reasonKind, "change %.40q has no kind", e.Title)
		}
		if bad != nil {
			out.Reject(bad.reason, bad.detail, 1)
			continue
		}
		if e.ID == "" {
			e.ID = contentID(&e)
		}
		rows = append(rows, e)
	}
	out.Accepted = len(rows)
	err := w.events.Write(ctx, func(c *eventColumns) {
		for i := range rows {
			c.Append(tenant, &rows[i])
		}
	})
	return w.done(what, out, err)
}

// contentID is equal for equal events.
func contentID(e *telemetry.Change) string {
	return fmt.Sprintf("%016x", xxhash.Sum64String(fmt.Sprintf("%#v", *e)))
}

// WriteStates stores what objects look like in the same way.
func (w *Writer) WriteStates(ctx context.Context, tenant string, states []State) (telemetry.Outcome, error) {
	var out telemetry.Outcome
	check := checker{w.limits(tenant), w.now().UnixNano()}
	rows := make([]*State, 0, len(states))
	for i := range states {
		if bad := check.state(&states[i]); bad != nil {
			out.Reject(bad.reason, bad.detail, 1)
			continue
		}
		rows = append(rows, &states[i])
	}
	out.Accepted = len(rows)
	err := w.states.Write(ctx, func(c *stateColumns) {
		for _, s := range rows {
			c.Append(tenant, s)
		}
	})
	return w.done("state", out, err)
}

func (w *Writer) done(what string, out telemetry.Outcome, err error) (telemetry.Outcome, error) {
	if err != nil {
		return telemetry.Outcome{}, err
	}
	w.metrics.stored.WithLabelValues(what).Add(float64(out.Accepted))
	for _, r := range out.Rejected {
		w.metrics.rejected.WithLabelValues(r.Reason).Add(float64(r.Count))
	}
	return out, nil
}

type writerMetrics struct{ stored, rejected *prometheus.CounterVec }

func newWriterMetrics(reg prometheus.Registerer) writerMetrics {
	m := writerMetrics{
		stored:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_events_stored_total", Help: "Events, changes and states stored."}, []string{"type"}),
		rejected: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "watchfire_events_rejected_total", Help: "Events, changes and states refused, by reason."}, []string{"reason"}),
	}
	if reg != nil {
		reg.MustRegister(m.stored, m.rejected)
	}
	return m
}
