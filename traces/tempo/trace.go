package tempo

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
	"github.com/watchfire/watchfire/traces"
	"github.com/watchfire/watchfire/traces/traceql"
)

const (
	typeJSON     = "application/json"
	typeProtobuf = "application/protobuf"
)

// read returns the trace that a request names, 404 without one.
func (a *API) read(r *http.Request) (traces.Trace, storage.Stats, error) {
	id, err := traces.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return traces.Trace{}, storage.Stats{}, server.Invalid("trace %w", err)
	}
	in, err := rangeOf(r.URL.Query())
	if err != nil {
		return traces.Trace{}, storage.Stats{}, err
	}
	t, stats, err := a.reader.Trace(r.Context(), server.Tenant(r.Context()), id, in)
	if err == nil && len(t.Spans) == 0 {
		err = server.NotFound("trace not found: %x", id)
	}
	return t, stats, err
}

// trace answers {"batches": [...]}, or Trace as protobuf.
func (a *API) trace(w http.ResponseWriter, r *http.Request) error {
	t, _, err := a.read(r)
	if err != nil {
		return err
	}
	data := tracesData(t.Spans)
	if acceptsProtobuf(r) {
		b, err := proto.Marshal(data)
		return write(w, typeProtobuf, b, err)
	}
	spans, err := resourceSpansJSON(data)
	if err != nil {
		return err
	}
	return server.WriteJSON(w, struct {
		Batches json.RawMessage `json:"batches"`
	}{spans})
}

// traceV2 answers TraceByIDResponse.
func (a *API) traceV2(w http.ResponseWriter, r *http.Request) error {
	t, stats, err := a.read(r)
	if err != nil {
		return err
	}
	spans, err := filterSpans(t.Spans, r.URL.Query().Get("q"), r.URL.Query().Get("keep_hierarchy") != "false")
	if err != nil {
		return err
	}
	data := tracesData(spans)
	message := ""
	if t.Cut {
		message = "the trace has more spans than traces.query.max_spans: " + strconv.Itoa(len(t.Spans)) + " of them are here"
	}
	if acceptsProtobuf(r) {
		b, err := proto.Marshal(data)
		return write(w, typeProtobuf, traceByIDResponse(b, stats, message), err)
	}
	var out struct {
		Trace struct {
			ResourceSpans json.RawMessage `json:"resourceSpans,omitempty"`
		} `json:"trace"`
		Metrics metrics `json:"metrics"`
		Status  string  `json:"status,omitempty"`
		Message string  `json:"message,omitempty"`
	}
	if out.Trace.ResourceSpans, err = resourceSpansJSON(data); err != nil {
		return err
	}
	out.Metrics = metricsOf(stats)
	if t.Cut {
		out.Status, out.Message = "PARTIAL", message
	}
	return server.WriteJSON(w, out)
}

// filterSpans leaves the spans for which the filter holds and, with hierarchy,
// those above them.
func filterSpans(spans []telemetry.Span, q string, hierarchy bool) ([]telemetry.Span, error) {
	if q == "" {
		return spans, nil
	}
	f, err := traceql.ParseFilter(q)
	if err != nil {
		return nil, err
	}
	t := traceql.NewTrace(spans)
	keep := make([]bool, len(spans))
	for i := range spans {
		if !f.Holds(t, i) {
			continue
		}
		keep[i] = true
		for p := t.Parent(i); hierarchy && p >= 0 && !keep[p]; p = t.Parent(p) {
			keep[p] = true
		}
	}
	var out []telemetry.Span
	for i := range spans {
		if keep[i] {
			out = append(out, spans[i])
		}
	}
	return out, nil
}

// traceByIDResponse is Tempo's message: the trace, metrics with inspectedBytes
// as field 1, status (1 = partial) and message.
func traceByIDResponse(trace []byte, stats storage.Stats, message string) []byte {
	b := protowire.AppendTag(nil, 1, protowire.BytesType)
	b = protowire.AppendBytes(b, trace)
	m := protowire.AppendTag(nil, 1, protowire.VarintType)
	m = protowire.AppendVarint(m, stats.Bytes)
	b = protowire.AppendTag(b, 2, protowire.BytesType)
	b = protowire.AppendBytes(b, m)
	if message != "" {
		b = protowire.AppendTag(b, 3, protowire.VarintType)
		b = protowire.AppendVarint(b, 1)
		b = protowire.AppendTag(b, 4, protowire.BytesType)
		b = protowire.AppendString(b, message)
	}
	return b
}

// resourceSpansJSON is the list as jsonpb writes it.
func resourceSpansJSON(data proto.Message) (json.RawMessage, error) {
	b, err := protojson.Marshal(data)
	if err != nil {
		return nil, err
	}
	var parts struct {
		ResourceSpans json.RawMessage `json:"resourceSpans"`
	}
	if err := json.Unmarshal(b, &parts); err != nil {
		return nil, err
	}
	if parts.ResourceSpans == nil {
		return json.RawMessage("[]"), nil
	}
	return parts.ResourceSpans, nil
}

func acceptsProtobuf(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), typeProtobuf)
}

func write(w http.ResponseWriter, contentType string, body []byte, err error) error {
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", contentType)
	_, err = w.Write(body)
	return err
}

// metrics is what an answer says about its cost.
type metrics struct {
	InspectedBytes  string `json:"inspectedBytes,omitempty"`
	InspectedSpans  string `json:"inspectedSpans,omitempty"`
	InspectedTraces int    `json:"inspectedTraces,omitempty"`
	CompletedJobs   int    `json:"completedJobs,omitempty"`
	TotalJobs       int    `json:"totalJobs,omitempty"`
}

func metricsOf(s storage.Stats) metrics {
	return metrics{InspectedBytes: strconv.FormatUint(s.Bytes, 10), InspectedSpans: strconv.FormatUint(s.Rows, 10), CompletedJobs: 1, TotalJobs: 1}
}
