package engine

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics tell how the engine fares.
type metrics struct{ starts prometheus.Counter }

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{starts: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "watchfire_engine_starts_total", Help: "Starts of the embedded engine; more than one means that it ended unexpectedly.",
	})}
	if reg != nil {
		reg.MustRegister(m.starts)
	}
	return m
}

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 30 * time.Second
	// healthyAfter is how long a child must have lived for the next restart to
	// be immediate again.
	healthyAfter = time.Minute
)

// Run restarts the engine whenever it ends, with growing pauses, until ctx
// ends or Stop is called; then the engine is stopped. It returns nil.
func (e *Engine) Run(ctx context.Context) error {
	backoff := firstBackoff
	for {
		e.mu.Lock()
		p := e.proc
		e.mu.Unlock()
		since := time.Now()
		select {
		case <-ctx.Done():
			return e.Stop(context.WithoutCancel(ctx))
		case <-p.done:
		}
		if time.Since(since) > healthyAfter {
			backoff = firstBackoff
		}
		if e.isStopped() {
			return nil
		}
		e.log.Error("the engine ended, it is started again", "err", p.exitError(), "pause", backoff)
		for {
			select {
			case <-ctx.Done():
				return e.Stop(context.WithoutCancel(ctx))
			case <-time.After(backoff):
			}
			backoff = min(backoff*2, lastBackoff)
			err := e.launch(ctx)
			if err == nil {
				break
			}
			if errors.Is(err, errStopped) || e.isStopped() {
				return nil
			}
			e.log.Error("cannot start the engine again", "err", err, "pause", backoff)
		}
	}
}

func (e *Engine) isStopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stopped
}
