package loki

import (
	"errors"
	"mime"
	"net/http"

	"github.com/watchfire/watchfire/collector"
	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/telemetry"
)

// Handler receives pushes.
type Handler struct {
	cfg     Config
	sink    collector.LogSink
	limits  collector.Limits
	admit   collector.Admit
	metrics *collector.Metrics
}

// New returns a handler that stores in sink.
func New(cfg Config, sink collector.LogSink, limits collector.Limits, admit collector.Admit, metrics *collector.Metrics) *Handler {
	return &Handler{cfg: cfg, sink: sink, limits: limits, admit: admit, metrics: metrics}
}

// Register adds the present and the old route.
func (h *Handler) Register(mux *server.Mux) {
	for _, path := range []string{"/loki/api/v1/push", "/api/prom/push"} {
		mux.HandleFunc("POST "+path, server.Ingest, h.Push, server.Errors(server.PlainErrors))
	}
}

// Push stores one request. What is refused is told with 400 after the rest is
// stored.
func (h *Handler) Push(w http.ResponseWriter, r *http.Request) error {
	p, tenant := &push{cfg: h.cfg, limits: h.limits}, server.Tenant(r.Context())
	if err := h.admit.Ask(tenant, server.Logs, server.Use{}); err != nil {
		return err
	}
	size, err := h.decode(r, p)
	if err != nil {
		return err
	}
	if err := h.admit.Ask(tenant, server.Logs, server.Use{Requests: 1, Bytes: int64(size), Records: p.records}); err != nil {
		return err
	}
	var stored telemetry.Outcome
	if len(p.streams) > 0 {
		stored, err = h.sink.WriteLogs(r.Context(), tenant, p.streams)
	}
	for _, rej := range stored.Rejected {
		p.outcome.Reject(rej.Reason, rej.Detail, rej.Count)
	}
	h.metrics.Count("loki", "logs", p.records, p.outcome, err)
	if err != nil {
		return collector.StoreError(r.Context(), err)
	}
	if p.outcome.RejectedCount() > 0 {
		return server.Invalid("%s", p.outcome.Message())
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// decode reads the body into p and returns how many bytes it has.
func (h *Handler) decode(r *http.Request, p *push) (size int, err error) {
	media := ""
	if ct := r.Header.Get("Content-Type"); ct != "" {
		if media, _, err = mime.ParseMediaType(ct); err != nil {
			return 0, server.Invalid("cannot parse content type %q: %w", ct, err)
		}
	}
	if media == "application/json" {
		body, err := server.Body(r, 0)
		if err != nil {
			return 0, err
		}
		return len(body), explain(p.decodeJSON(body))
	}
	// All else is a snappy block of protobuf, whether it says so or not.
	body, err := server.BodyAs(r, "snappy", 0)
	if err != nil {
		return 0, err
	}
	return len(body), explain(p.decodeProto(body))
}

func explain(err error) error {
	if many := (errTooMany{}); errors.As(err, &many) {
		return server.TooLarge("%w", many)
	}
	if err != nil {
		return server.Invalid("cannot parse the push: %w", err)
	}
	return nil
}
