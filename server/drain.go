package server

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

type drainKey struct{}

// withDrain returns a context from which requests learn that draining began:
// drain is done then.
func withDrain(ctx, drain context.Context) context.Context {
	return context.WithValue(ctx, drainKey{}, drain)
}

// endWithDrain returns a context that ends when ctx does or draining begins.
func endWithDrain(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	drain, ok := ctx.Value(drainKey{}).(context.Context)
	if !ok {
		return ctx, func() { cancel(nil) }
	}
	stop := context.AfterFunc(drain, func() { cancel(ErrDraining) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// stop drains.
func (s *Server) stop() error {
	s.beginDrain()
	ctx, cancel := context.WithTimeout(context.Background(), s.config.DrainTimeout)
	defer cancel()
	if s.stopAll(ctx) {
		return nil
	}
	s.cutOff(ErrDraining)
	ctx, cancel = context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	s.stopAll(ctx)
	for _, e := range s.ends {
		e.kill()
	}
	return fmt.Errorf("requests in hand were cut off after server.drain_timeout (%s): %w", s.config.DrainTimeout, ErrDraining)
}

// stopAll reports whether all requests ended before ctx.
func (s *Server) stopAll(ctx context.Context) bool {
	var left atomic.Bool
	var wg sync.WaitGroup
	for _, e := range s.ends {
		wg.Go(func() {
			if e.stop(ctx) != nil {
				left.Store(true)
			}
		})
	}
	wg.Wait()
	return s.waitHandlers(ctx) && !left.Load()
}

// waitHandlers looks every few milliseconds, as http.Server.Shutdown does.
func (s *Server) waitHandlers(ctx context.Context) bool {
	t := time.NewTicker(5 * time.Millisecond)
	defer t.Stop()
	for s.active.Load() > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-t.C:
		}
	}
	return true
}
