package traces

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// Selector runs queries; *storage.Client is one.
type Selector interface {
	Select(ctx context.Context, q storage.Select) (storage.Stats, error)
}

// Reader answers queries of one tenant each. It is safe for concurrent use.
type Reader struct {
	cfg QueryConfig
	db  Selector
	now func() time.Time
}

// NewReader returns a Reader over db. A nil now is time.Now.
func NewReader(cfg QueryConfig, db Selector, now func() time.Time) *Reader {
	if now == nil {
		now = time.Now
	}
	return &Reader{cfg: cfg, db: db, now: now}
}

// Range is a span of time in Unix nanoseconds: From is in it, To is not. The
// zero Range is all time.
type Range struct{ From, To int64 }

// IsZero reports whether r is all time.
func (r Range) IsZero() bool { return r == Range{} }

// where is a condition on column, empty for all time.
func (r Range) where(column string) string {
	if r.IsZero() {
		return ""
	}
	return fmt.Sprintf(" AND %s >= %d AND %s < %d", column, r.From, column, r.To)
}

// Trace is what is stored of a trace.
type Trace struct {
	ID    telemetry.TraceID
	Spans []telemetry.Span // by start; each span once
	Cut   bool             // there are more than QueryConfig.MaxSpans
}

// Trace returns the trace with the id, with no spans when there is none. A
// range that is not zero leaves out spans that start outside of it and saves
// looking elsewhere. Spans share resources: read only.
func (r *Reader) Trace(ctx context.Context, tenant string, id telemetry.TraceID, in Range) (Trace, storage.Stats, error) {
	t := Trace{ID: id}
	spans, stats, err := r.load(ctx, tenant, []telemetry.TraceID{id}, in, r.cfg.MaxSpans+1)
	if err != nil {
		return t, stats, fmt.Errorf("cannot read trace %s: %w", hexID(id), limitError(err))
	}
	if t.Spans = spans; len(spans) > r.cfg.MaxSpans {
		t.Spans, t.Cut = spans[:r.cfg.MaxSpans], true
	}
	return t, stats, nil
}

// Traces returns the traces with the ids that exist, in the order of ids.
func (r *Reader) Traces(ctx context.Context, tenant string, ids []telemetry.TraceID, in Range) ([]Trace, storage.Stats, error) {
	if len(ids) == 0 {
		return nil, storage.Stats{}, nil
	}
	limit := max(r.cfg.MaxSpans*10, len(ids))
	spans, stats, err := r.load(ctx, tenant, ids, in, limit)
	if err != nil {
		return nil, stats, fmt.Errorf("cannot read %d traces: %w", len(ids), limitError(err))
	}
	byID := map[telemetry.TraceID][]telemetry.Span{}
	for _, s := range spans {
		byID[s.TraceID] = append(byID[s.TraceID], s)
	}
	var out []Trace
	for _, id := range ids {
		if spans := byID[id]; len(spans) > 0 {
			cut := len(spans) > r.cfg.MaxSpans
			out = append(out, Trace{ID: id, Spans: spans[:min(len(spans), r.cfg.MaxSpans)], Cut: cut})
		}
	}
	return out, stats, nil
}

// load reads whole spans, sorted by start, each once.
func (r *Reader) load(ctx context.Context, tenant string, ids []telemetry.TraceID, in Range, limit int) ([]telemetry.Span, storage.Stats, error) {
	var (
		traceID  proto.ColFixedStr16
		spanID   proto.ColFixedStr8
		kind     proto.ColUInt8
		start    proto.ColInt64
		resource = new(proto.ColStr).LowCardinality()
		scope    = new(proto.ColStr).LowCardinality()
		span     proto.ColStr
		out      []telemetry.Span
		shared   = newSharedParts()
	)
	sql := fmt.Sprintf("SELECT trace_id, span_id, kind, start, resource, scope, span FROM %s WHERE tenant = %s AND trace_id IN (%s)%s LIMIT 1 BY trace_id, span_id, kind LIMIT %d",
		byTraceTable.Name, storage.String(tenant), hexLiterals(ids), in.where("start"), limit)
	stats, err := r.db.Select(r.limited(ctx), storage.Select{
		SQL: sql,
		Result: proto.Results{
			{Name: "trace_id", Data: &traceID}, {Name: "span_id", Data: &spanID}, {Name: "kind", Data: &kind},
			{Name: "start", Data: &start}, {Name: "resource", Data: resource}, {Name: "scope", Data: scope}, {Name: "span", Data: &span},
		},
		OnBlock: func(rows int) error {
			out = slices.Grow(out, rows)
			for i := range rows {
				s := telemetry.Span{TraceID: traceID[i], SpanID: spanID[i], Kind: telemetry.SpanKind(kind[i]), Start: start[i]}
				if err := shared.fill(&s, resource.Row(i), scope.Row(i)); err != nil {
					return err
				}
				if err := decodeSpan(&s, span.Row(i)); err != nil {
					return err
				}
				out = append(out, s)
			}
			return nil
		},
	})
	slices.SortFunc(out, func(a, b telemetry.Span) int {
		if a.Start != b.Start {
			return compare(a.Start, b.Start)
		}
		return strings.Compare(string(a.SpanID[:]), string(b.SpanID[:]))
	})
	return out, stats, err
}

// limited bounds the cost of each query under ctx.
func (r *Reader) limited(ctx context.Context) context.Context {
	return storage.WithLimits(ctx, storage.Limits{MaxTime: r.cfg.Timeout, MaxRowsRead: r.cfg.MaxRowsRead, MaxMemory: r.cfg.MaxMemory})
}

// sharedParts decodes each resource and scope of a result once.
type sharedParts struct {
	resources map[string][]telemetry.Attribute
	scopes    map[string]telemetry.Scope
}

func newSharedParts() *sharedParts {
	return &sharedParts{map[string][]telemetry.Attribute{}, map[string]telemetry.Scope{}}
}

func (p *sharedParts) fill(s *telemetry.Span, resource, scope string) error {
	attrs, ok := p.resources[resource]
	if !ok {
		var err error
		if attrs, err = decodeResource(resource); err != nil {
			return err
		}
		p.resources[resource] = attrs
	}
	sc, ok := p.scopes[scope]
	if !ok {
		var err error
		if sc, err = decodeScope(scope); err != nil {
			return err
		}
		p.scopes[scope] = sc
	}
	s.Resource, s.Scope = attrs, sc
	return nil
}

// hexLiterals writes ids as a list of SQL expressions.
func hexLiterals(ids []telemetry.TraceID) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("unhex('" + hex.EncodeToString(id[:]) + "')")
	}
	return b.String()
}

func compare(a, b int64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
