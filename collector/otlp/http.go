package otlp

import (
	"mime"
	"net/http"

	"github.com/watchfire/watchfire/server"
)

// Register adds the routes of OTLP over HTTP: its own, and those under which
// Loki, Mimir and Prometheus take it.
func (r *Receiver) Register(mux *server.Mux) {
	for path, s := range map[string]signal{
		"/v1/metrics":             metricsSignal,
		"/otlp/v1/metrics":        metricsSignal,
		"/api/v1/otlp/v1/metrics": metricsSignal,
		"/v1/logs":                logsSignal,
		"/otlp/v1/logs":           logsSignal,
		"/v1/traces":              tracesSignal,
		"/otlp/v1/traces":         tracesSignal,
	} {
		mux.HandleFunc("POST "+path, server.Ingest, r.handler(s), server.Errors(server.StatusErrors))
	}
}

func (r *Receiver) handler(s signal) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, req *http.Request) error {
		media, _, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
		json := media == "application/json"
		if err != nil || !json && media != "application/x-protobuf" {
			return server.UnsupportedMedia("content type %q is not OTLP: use application/x-protobuf or application/json", req.Header.Get("Content-Type"))
		}
		if err := r.admit.Ask(server.Tenant(req.Context()), s.name, server.Use{}); err != nil {
			return err
		}
		body, err := server.Body(req, 0)
		if err != nil {
			return err
		}
		resp, err := r.receive(req.Context(), s, body, json)
		if err != nil {
			return err
		}
		out := resp.proto()
		if json {
			if out, err = resp.json(); err != nil {
				return err
			}
		}
		w.Header().Set("Content-Type", media)
		_, _ = w.Write(out) // a client that left misses nothing
		return nil
	}
}
