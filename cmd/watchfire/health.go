package main

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/watchfire/watchfire/server"
)

// readyTimeout bounds how long ClickHouse may take to answer a readiness check.
const readyTimeout = 2 * time.Second

// readiness is why the program is not ready, nil when it is.
type readiness struct {
	mu    sync.Mutex
	why   error
	known bool
}

func (r *readiness) set(why error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.why, r.known = why, true
}

func (r *readiness) get() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.known {
		return errors.New("starting")
	}
	return r.why
}

// health adds the routes that tell whether the program lives, can serve, and
// how it does. Alive is not ready: without ClickHouse pushes still go to the
// spool, but queries fail.
func (a *app) health() {
	ok := func(w http.ResponseWriter, _ *http.Request) error {
		_, err := w.Write([]byte("Watchfire is healthy.\n"))
		return err
	}
	ready := func(w http.ResponseWriter, r *http.Request) error {
		if err := a.ready.get(); err != nil {
			return server.Unavailable(time.Second, "not ready: %v", err)
		}
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		if err := a.db.client.Ping(ctx); err != nil {
			return server.Unavailable(time.Second, "not ready: ClickHouse does not answer: %v", err)
		}
		_, err := w.Write([]byte("Watchfire is ready.\n"))
		return err
	}
	a.mux.HandleFunc("GET /-/healthy", server.Public, ok, server.Errors(server.PlainErrors))
	a.mux.HandleFunc("GET /-/ready", server.Public, ready, server.Errors(server.PlainErrors))
	a.mux.Handle("GET /metrics", server.Read, promhttp.HandlerFor(a.registry, promhttp.HandlerOpts{}))
}
