package otlp

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/collector/pdata/plog"
	"go.opentelemetry.io/collector/pdata/plog/plogotlp"
	"go.opentelemetry.io/collector/pdata/pmetric"
	"go.opentelemetry.io/collector/pdata/pmetric/pmetricotlp"
	"go.opentelemetry.io/collector/pdata/ptrace"
	"go.opentelemetry.io/collector/pdata/ptrace/ptraceotlp"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
)

// protocol is the name of OTLP in metrics.
const protocol = "otlp"

// Receiver receives OTLP and gives it to the sinks. It also takes pdata from
// receivers inside this process.
type Receiver struct {
	sinks   collector.Sinks
	limits  collector.Limits
	admit   collector.Admit
	counts  *collector.Metrics
	metrics *metricsTranslator
	logs    *logsTranslator
	traces  tracesTranslator
	deltas  *deltas
}

// Options are what a receiver works with.
type Options struct {
	Config   Config
	Identity telemetry.IdentityTable
	Limits   collector.Limits
	Sinks    collector.Sinks
	Admit    collector.Admit
	Counts   *collector.Metrics
	// Registerer takes the metrics of delta sums; nil keeps them to itself.
	Registerer prometheus.Registerer
	// Now is time.Now when nil.
	Now func() time.Time
}

// New returns a receiver; Run keeps its memory bounded.
func New(o Options) *Receiver {
	if o.Now == nil {
		o.Now = time.Now
	}
	d := newDeltas(o.Config.Delta, o.Registerer, o.Now)
	return &Receiver{
		sinks: o.Sinks, limits: o.Limits, admit: o.Admit, counts: o.Counts, deltas: d,
		metrics: newMetricsTranslator(o.Config, o.Identity, o.Limits, d),
		logs:    newLogsTranslator(o.Identity, o.Limits, o.Now),
		traces:  tracesTranslator{limits: o.Limits},
	}
}

// With is r with other sinks, such as those that note another source. It shares
// everything else with r, delta sums too.
func (r *Receiver) With(s collector.Sinks) *Receiver {
	other := *r
	other.sinks = s
	return &other
}

// Run forgets idle delta series until ctx ends.
func (r *Receiver) Run(ctx context.Context) error { return r.deltas.run(ctx) }

// Metrics stores md, which it changes. source names the protocol in metrics.
func (r *Receiver) Metrics(ctx context.Context, tenant, source string, md pmetric.Metrics) (telemetry.Outcome, error) {
	n := md.DataPointCount()
	m, out, err := r.metrics.translate(ctx, tenant, md)
	if err == nil && len(m.Series)+len(m.Metadata) > 0 {
		var stored telemetry.Outcome
		stored, err = r.sinks.Metrics.WriteMetrics(ctx, tenant, m)
		out = join(out, stored)
	}
	r.counts.Count(source, "metrics", n, out, err)
	return out, collector.StoreError(ctx, err)
}

// Logs stores ld.
func (r *Receiver) Logs(ctx context.Context, tenant, source string, ld plog.Logs) (out telemetry.Outcome, err error) {
	n := ld.LogRecordCount()
	streams, out := r.logs.translate(ld)
	if len(streams) > 0 {
		var stored telemetry.Outcome
		stored, err = r.sinks.Logs.WriteLogs(ctx, tenant, streams)
		out = join(out, stored)
	}
	r.counts.Count(source, "logs", n, out, err)
	return out, collector.StoreError(ctx, err)
}

// Traces stores td.
func (r *Receiver) Traces(ctx context.Context, tenant, source string, td ptrace.Traces) (out telemetry.Outcome, err error) {
	n := td.SpanCount()
	spans, out := r.traces.translate(td)
	if len(spans) > 0 {
		var stored telemetry.Outcome
		stored, err = r.sinks.Spans.WriteSpans(ctx, tenant, spans)
		out = join(out, stored)
	}
	r.counts.Count(source, "traces", n, out, err)
	return out, collector.StoreError(ctx, err)
}

// join adds what a sink refused to what the translation did.
func join(out, stored telemetry.Outcome) telemetry.Outcome {
	out.Accepted += stored.Accepted
	for _, rej := range stored.Rejected {
		out.Reject(rej.Reason, rej.Detail, rej.Count)
	}
	return out
}

// signal is what differs between the three.
type signal struct {
	name     server.Signal
	rejected string // the response's field in JSON
	shape    *shape
	// export decodes and stores a measured body; admit is asked in between about
	// its n records.
	export func(r *Receiver, ctx context.Context, body []byte, json bool, admit func(n int) error) (n int, _ telemetry.Outcome, _ error)
}

var (
	metricsSignal = signal{server.Metrics, "rejectedDataPoints", metricsShape, exportMetrics}
	logsSignal    = signal{server.Logs, "rejectedLogRecords", logsShape, exportLogs}
	tracesSignal  = signal{server.Traces, "rejectedSpans", tracesShape, exportTraces}
)

// receive is one request of either transport. All of it refused is an error,
// some of it a partial success.
func (r *Receiver) receive(ctx context.Context, s signal, body []byte, json bool) (response, error) {
	var err error
	if json {
		err = measureJSON(body)
	} else {
		err = measure(body, s.shape, r.limits)
	}
	if err != nil {
		return response{}, err
	}
	n, out, err := s.export(r, ctx, body, json, func(n int) error {
		if collector.Exceeds(n, r.limits.MaxRecords) {
			return tooManyRecords(n, r.limits)
		}
		return r.admit.Ask(server.Tenant(ctx), s.name, server.Use{Requests: 1, Bytes: int64(len(body)), Records: n})
	})
	if err != nil {
		return response{}, err
	}
	refused := min(out.RejectedCount(), n)
	if refused > 0 && out.Accepted == 0 {
		return response{}, server.Invalid("%s", out.Message())
	}
	return response{rejected: int64(refused), message: out.Message(), field: s.rejected}, nil
}

func exportMetrics(r *Receiver, ctx context.Context, body []byte, json bool, admit func(int) error) (int, telemetry.Outcome, error) {
	req := pmetricotlp.NewExportRequest()
	if err := decode(body, json, req.UnmarshalProto, req.UnmarshalJSON); err != nil {
		return 0, telemetry.Outcome{}, err
	}
	n := req.Metrics().DataPointCount()
	if err := admit(n); err != nil {
		return n, telemetry.Outcome{}, err
	}
	out, err := r.Metrics(ctx, server.Tenant(ctx), protocol, req.Metrics())
	return n, out, err
}

func exportLogs(r *Receiver, ctx context.Context, body []byte, json bool, admit func(int) error) (int, telemetry.Outcome, error) {
	req := plogotlp.NewExportRequest()
	if err := decode(body, json, req.UnmarshalProto, req.UnmarshalJSON); err != nil {
		return 0, telemetry.Outcome{}, err
	}
	n := req.Logs().LogRecordCount()
	if err := admit(n); err != nil {
		return n, telemetry.Outcome{}, err
	}
	out, err := r.Logs(ctx, server.Tenant(ctx), protocol, req.Logs())
	return n, out, err
}

func exportTraces(r *Receiver, ctx context.Context, body []byte, json bool, admit func(int) error) (int, telemetry.Outcome, error) {
	req := ptraceotlp.NewExportRequest()
	if err := decode(body, json, req.UnmarshalProto, req.UnmarshalJSON); err != nil {
		return 0, telemetry.Outcome{}, err
	}
	n := req.Traces().SpanCount()
	if err := admit(n); err != nil {
		return n, telemetry.Outcome{}, err
	}
	out, err := r.Traces(ctx, server.Tenant(ctx), protocol, req.Traces())
	return n, out, err
}

func decode(body []byte, json bool, fromProto, fromJSON func([]byte) error) error {
	if json {
		fromProto = fromJSON
	}
	if err := fromProto(body); err != nil {
		return malformed(err)
	}
	return nil
}
