package remotewrite

import (
	"errors"
	"mime"
	"net/http"
	"strconv"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
)

// Headers of 2.0 that tell how much was written.
const (
	samplesHeader    = "X-Prometheus-Remote-Write-Samples-Written"
	histogramsHeader = "X-Prometheus-Remote-Write-Histograms-Written"
	exemplarsHeader  = "X-Prometheus-Remote-Write-Exemplars-Written"
)

// Messages of the protocol's two versions, as named by Content-Type.
const (
	messageV1 = "prometheus.WriteRequest"
	messageV2 = "io.prometheus.write.v2.Request"
)

// Handler receives both versions.
type Handler struct {
	sink    collector.MetricSink
	limits  collector.Limits
	admit   collector.Admit
	metrics *collector.Metrics
}

// New returns a handler that stores in sink.
func New(sink collector.MetricSink, limits collector.Limits, admit collector.Admit, metrics *collector.Metrics) *Handler {
	return &Handler{sink: sink, limits: limits, admit: admit, metrics: metrics}
}

// Register adds the routes of Prometheus' receiver and of Mimir's.
func (h *Handler) Register(mux *server.Mux) {
	for _, path := range []string{"/api/v1/write", "/prometheus/api/v1/write", "/api/v1/push"} {
		mux.HandleFunc("POST "+path, server.Ingest, h.Write, server.Errors(server.PlainErrors))
	}
}

// Write stores one request. When some of it is refused the rest is stored
// nevertheless and the answer is 400, which tells the sender not to repeat it.
func (h *Handler) Write(w http.ResponseWriter, r *http.Request) error {
	message, err := negotiate(r.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	tenant := server.Tenant(r.Context())
	if err := h.admit.Ask(tenant, server.Metrics, server.Use{}); err != nil {
		return err
	}
	body, err := readBody(r)
	if err != nil {
		return err
	}
	b := newBatch(h.limits)
	defer b.release()
	if message == messageV2 {
		err = b.decodeV2(body)
	} else {
		err = b.decodeV1(body)
	}
	if err != nil {
		if many := (errTooManyRecords{}); errors.As(err, &many) {
			return server.TooLarge("%w", many)
		}
		return server.Invalid("%w", err)
	}
	use := server.Use{Requests: 1, Bytes: int64(len(body)), Records: b.written.samples + b.written.histograms}
	if err := h.admit.Ask(tenant, server.Metrics, use); err != nil {
		return err
	}
	out, err := h.store(r, b)
	if message == messageV2 {
		setWritten(w.Header(), b.written, out, err)
	}
	if err != nil {
		return err
	}
	if refused := b.outcome.RejectedCount() + out.RejectedCount(); refused > 0 {
		for _, rej := range out.Rejected {
			b.outcome.Reject(rej.Reason, rej.Detail, rej.Count)
		}
		return server.Invalid("%s", b.outcome.Message())
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (h *Handler) store(r *http.Request, b *batch) (out telemetry.Outcome, err error) {
	const protocol, signal = "remote_write", "metrics"
	if len(b.metrics.Series)+len(b.metrics.Metadata) > 0 {
		out, err = h.sink.WriteMetrics(r.Context(), server.Tenant(r.Context()), b.metrics)
	}
	h.metrics.Count(protocol, signal, b.written.samples+b.written.histograms, b.outcome, nil)
	h.metrics.Count(protocol, signal, 0, out, err)
	return out, collector.StoreError(r.Context(), err)
}

// readBody unpacks the body; without an encoding it is taken for snappy, as
// Prometheus' own receiver does.
func readBody(r *http.Request) ([]byte, error) {
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "":
		return server.BodyAs(r, "snappy", 0)
	case "snappy", "zstd":
		return server.Body(r, 0)
	default:
		return nil, server.UnsupportedMedia("content encoding %q is not supported by remote write: use snappy", encoding)
	}
}

// negotiate finds the message that a content type names; none is 1.0.
func negotiate(contentType string) (message string, err error) {
	if contentType == "" {
		return messageV1, nil
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || media != "application/x-protobuf" {
		return "", server.UnsupportedMedia("content type %q is not remote write: use application/x-protobuf, with proto=%s or proto=%s", contentType, messageV1, messageV2)
	}
	switch p := params["proto"]; p {
	case "", messageV1:
		return messageV1, nil
	case messageV2:
		return messageV2, nil
	default:
		return "", server.UnsupportedMedia("message %q is not supported by remote write: use %s or %s", p, messageV1, messageV2)
	}
}

// setWritten tells 2.0's senders how much is stored. The sink refuses without
// saying of which kind, so that refusals are taken off samples first.
func setWritten(h http.Header, n written, out telemetry.Outcome, err error) {
	refused := out.RejectedCount()
	for _, k := range []*int{&n.samples, &n.histograms, &n.exemplars} {
		off := min(refused, *k)
		*k -= off
		refused -= off
	}
	if err != nil {
		n = written{}
	}
	h.Set(samplesHeader, strconv.Itoa(n.samples))
	h.Set(histogramsHeader, strconv.Itoa(n.histograms))
	h.Set(exemplarsHeader, strconv.Itoa(n.exemplars))
}
