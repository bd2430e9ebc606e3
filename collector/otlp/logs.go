package otlp

import (
	"cmp"
	"encoding/hex"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/prometheus/prometheus/model/labels"
	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/telemetry"
)

// serviceName is the label that every stream has; Loki calls a stream that
// names no service unknown_service.
const (
	serviceName    = "service_name"
	unknownService = "unknown_service"
)

// serviceLabels are tried in turn for a stream without a service name, as Loki does.
var serviceLabels = []string{"k8s_container_name", "container_name", "k8s_deployment_name", "k8s_job_name", "host_name"}

// logsTranslator turns OTLP logs into streams.
type logsTranslator struct {
	index  map[string]string // resource attribute → label
	limits collector.Limits
	now    func() time.Time
}

func newLogsTranslator(identity telemetry.IdentityTable, limits collector.Limits, now func() time.Time) *logsTranslator {
	t := &logsTranslator{index: map[string]string{}, limits: limits, now: now}
	for _, a := range identity.Attributes() {
		t.index[a] = telemetry.EscapeName(a)
	}
	return t
}

// translate makes one stream of each resource; n is how many records ld has.
func (t *logsTranslator) translate(ld plog.Logs) (streams []telemetry.LogStream, out telemetry.Outcome) {
	check := recordChecker(t.limits)
	for i := range ld.ResourceLogs().Len() {
		rl := ld.ResourceLogs().At(i)
		ls, shared, p := t.resource(rl.Resource().Attributes(), check)
		if !p.ok() {
			if n := countRecords(rl); n > 0 {
				out.Reject(p.reason, p.detail, n)
			}
			continue
		}
		s := telemetry.LogStream{Labels: ls}
		for j := range rl.ScopeLogs().Len() {
			sl := rl.ScopeLogs().At(j)
			withScope, p := scopeMetadata(shared, sl.Scope(), check)
			records := sl.LogRecords()
			if !p.ok() && records.Len() > 0 {
				out.Reject(p.reason, p.detail, records.Len())
				continue
			}
			s.Records = slices.Grow(s.Records, records.Len())
			for k := range records.Len() {
				r, p := t.record(records.At(k), withScope, check)
				if !p.ok() {
					out.Reject(p.reason, p.detail, 1)
					continue
				}
				s.Records = append(s.Records, r)
			}
		}
		if len(s.Records) > 0 {
			streams = append(streams, s)
		}
	}
	return streams, out
}

func countRecords(rl plog.ResourceLogs) (n int) {
	for j := range rl.ScopeLogs().Len() {
		n += rl.ScopeLogs().At(j).LogRecords().Len()
	}
	return n
}

// resource splits a resource into the stream's labels and metadata that all
// its records share.
func (t *logsTranslator) resource(attrs pcommon.Map, check checker) (ls labels.Labels, shared []telemetry.Attribute, p problem) {
	if p = check.check(attrs, "a resource"); !p.ok() {
		return ls, nil, p
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	attrs.Range(func(k string, v pcommon.Value) bool {
		name, indexed := t.index[k]
		if !indexed {
			shared = appendMetadata(shared, k, v)
			return true
		}
		text := v.AsString()
		if collector.Exceeds(len(text), t.limits.MaxLabelValueBytes) {
			p = problem{reasonTooLong, collector.Excess("bytes of the resource attribute "+collector.Quote(k), len(text), "collector.limits.max_label_value_bytes", t.limits.MaxLabelValueBytes)}
			return false
		}
		b.Set(name, text)
		return true
	})
	if b.Get(serviceName) == "" {
		b.Set(serviceName, service(b))
	}
	return b.Labels(), collector.SortMetadata(shared), p
}

func service(b *labels.Builder) string {
	for _, name := range serviceLabels {
		if v := b.Get(name); v != "" {
			return v
		}
	}
	return unknownService
}

// scopeMetadata is what all records of a scope share: the scope's and the resource's.
func scopeMetadata(shared []telemetry.Attribute, scope pcommon.InstrumentationScope, check checker) ([]telemetry.Attribute, problem) {
	attrs := scope.Attributes()
	if attrs.Len() == 0 && scope.Name() == "" && scope.Version() == "" {
		return shared, problem{}
	}
	if p := check.check(attrs, "a scope"); !p.ok() {
		return nil, p
	}
	if !utf8.ValidString(scope.Name()) || !utf8.ValidString(scope.Version()) {
		return nil, problem{reasonUTF8, "a scope's name or version is not valid UTF-8"}
	}
	var own []telemetry.Attribute
	attrs.Range(func(k string, v pcommon.Value) bool {
		own = appendMetadata(own, k, v)
		return true
	})
	own = appendText(own, "scope_name", scope.Name())
	own = appendText(own, "scope_version", scope.Version())
	return merge(collector.SortMetadata(own), shared), problem{}
}

// record translates one record. shared must stay unchanged.
func (t *logsTranslator) record(lr plog.LogRecord, shared []telemetry.Attribute, check checker) (r telemetry.LogRecord, p problem) {
	if p = check.check(lr.Attributes(), "a log record"); !p.ok() {
		return r, p
	}
	line := lr.Body().AsString()
	switch {
	case collector.Exceeds(len(line), t.limits.MaxLineBytes):
		return r, problem{reasonLineTooLong, collector.Excess("bytes of a log line", len(line), "collector.limits.max_line_bytes", t.limits.MaxLineBytes)}
	case !utf8.ValidString(line) || !utf8.ValidString(lr.SeverityText()):
		return r, problem{reasonUTF8, "a log line or its severity text is not valid UTF-8"}
	}
	r = telemetry.LogRecord{
		Time: int64(lr.Timestamp()), Observed: int64(lr.ObservedTimestamp()), Line: line,
		TraceID: telemetry.TraceID(lr.TraceID()), SpanID: telemetry.SpanID(lr.SpanID()),
	}
	if n := lr.SeverityNumber(); n > 0 && n <= 24 {
		r.Severity = telemetry.Severity(n)
	}
	own := make([]telemetry.Attribute, 0, lr.Attributes().Len()+5)
	lr.Attributes().Range(func(k string, v pcommon.Value) bool {
		own = appendMetadata(own, k, v)
		return true
	})
	r.Metadata = merge(collector.SortMetadata(t.fields(own, &r, lr)), shared)
	return r, p
}

// fields adds the record's own fields under Loki's names, and settles its time.
func (t *logsTranslator) fields(own []telemetry.Attribute, r *telemetry.LogRecord, lr plog.LogRecord) []telemetry.Attribute {
	switch {
	case r.Time == 0 && r.Observed != 0:
		r.Time = r.Observed
	case r.Time == 0:
		r.Time = t.now().UnixNano()
	case r.Observed != 0:
		own = appendText(own, "observed_timestamp", strconv.FormatInt(r.Observed, 10))
	}
	if n := lr.SeverityNumber(); n != 0 {
		own = appendText(own, "severity_number", strconv.Itoa(int(n)))
	}
	own = appendText(own, "severity_text", lr.SeverityText())
	if f := lr.Flags(); f != 0 {
		own = appendText(own, "flags", strconv.FormatUint(uint64(f), 10))
	}
	if !r.TraceID.IsZero() {
		own = appendText(own, "trace_id", hex.EncodeToString(r.TraceID[:]))
	}
	if !r.SpanID.IsZero() {
		own = appendText(own, "span_id", hex.EncodeToString(r.SpanID[:]))
	}
	return own
}

func appendText(dst []telemetry.Attribute, key, text string) []telemetry.Attribute {
	if text == "" {
		return dst
	}
	return append(dst, telemetry.Attribute{Key: key, Value: telemetry.StringValue(text)})
}

// appendMetadata adds an attribute as structured metadata: its name escaped as
// a label's, maps flattened with underscores, as Loki does.
func appendMetadata(dst []telemetry.Attribute, key string, v pcommon.Value) []telemetry.Attribute {
	if v.Type() == pcommon.ValueTypeMap {
		v.Map().Range(func(k string, v pcommon.Value) bool {
			dst = appendMetadata(dst, key+"_"+k, v)
			return true
		})
		return dst
	}
	return append(dst, telemetry.Attribute{Key: telemetry.EscapeName(key), Value: value(v)})
}

// merge joins two sorted lists into a new one; of equal keys a's stays.
func merge(a, b []telemetry.Attribute) []telemetry.Attribute {
	if len(b) == 0 {
		return a
	}
	if len(a) == 0 {
		return b
	}
	out := make([]telemetry.Attribute, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch c := cmp.Compare(a[0].Key, b[0].Key); {
		case c < 0:
			out, a = append(out, a[0]), a[1:]
		case c > 0:
			out, b = append(out, b[0]), b[1:]
		default:
			out, a, b = append(out, a[0]), a[1:], b[1:]
		}
	}
	return append(append(out, a...), b...)
}
