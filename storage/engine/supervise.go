package engine

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics tell how the engine fares.
type metrics struct{ restarts prometheus.Counter }

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{restarts: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "watchfire_engine_restarts_total", Help: "Starts of the embedded engine after it ended unexpectedly.",
	})}
	if reg != nil {
		reg.MustRegister(m.restarts)
	}
	return m
}

const (
	firstBackoff = 100 * time.Millisecond
	// lastBackoff is short: a start costs half a second of CPU, and until it
	// succeeds no query is answered.
	lastBackoff = 2 * time.Second
	// healthyAfter is how long a child must have lived for the next restart to
	// be immediate again.
	healthyAfter = 10 * time.Second
)

// Run restarts the engine whenever it ends or hangs, with growing pauses, until ctx
// ends or Stop is called; then the engine is stopped. It returns nil.
func (e *Engine) Run(ctx context.Context) error {
	backoff := firstBackoff
	for {
		e.mu.Lock()
		p := e.proc
		e.mu.Unlock()
		since := time.Now()
		go e.killWhenHung(ctx, p)
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
				e.metrics.restarts.Inc()
				break
			}
			if errors.Is(err, errStopped) || e.isStopped() {
				return nil
			}
			e.log.Error("cannot start the engine again", "err", err, "pause", backoff)
		}
	}
}

// killWhenHung kills the child when it leaves pings unanswered for too long.
// It returns when the child or ctx ends.
func (e *Engine) killWhenHung(ctx context.Context, p *process) {
	if e.cfg.HangTimeout == 0 {
		return
	}
	tick := time.NewTicker(e.cfg.HangTimeout / 6)
	defer tick.Stop()
	for answered := time.Now(); ; {
		select {
		case <-ctx.Done():
			return
		case <-p.done:
			return
		case <-tick.C:
		}
		err := e.ping(ctx, e.cfg.HangTimeout/3)
		if err == nil {
			answered = time.Now()
			continue
		}
		if silent := time.Since(answered); silent > e.cfg.HangTimeout {
			e.log.Error("the engine does not answer, it is killed", "silent", silent, "hang_timeout", e.cfg.HangTimeout, "err", err)
			p.signal(syscall.SIGKILL)
			return
		}
	}
}

// ping asks for an answer that takes no query.
func (e *Engine) ping(ctx context.Context, timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/ping", e.port), nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func (e *Engine) isStopped() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.stopped
}
