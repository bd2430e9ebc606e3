package eval

import (
	"context"
	"sync"
	"time"
)

// alone is the lease of a process that has no rivals.
type alone struct{}

func (alone) Acquire(context.Context, time.Duration) (int64, bool, error) { return 1, true, nil }

func (alone) Release(context.Context) error { return nil }

// Run evaluates whenever this process holds the lease, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	ttl := time.Duration(e.cfg.LeaseTTL)
	for ctx.Err() == nil {
		asked := time.Now()
		token, held, err := e.acquire(ctx, ttl)
		if err != nil && ctx.Err() == nil {
			e.log.Warn("the lease for evaluating rules cannot be asked for", "error", err)
		}
		if err == nil && held {
			e.lead(ctx, token, asked.Add(ttl), ttl)
			continue
		}
		pause(ctx, ttl/3)
	}
	return nil
}

// acquire asks for the lease, and not for longer than it may take.
func (e *Engine) acquire(ctx context.Context, ttl time.Duration) (int64, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, ttl/3)
	defer cancel()
	return e.o.Lease.Acquire(ctx, ttl)
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}

// lead evaluates until the lease is lost or ctx ends; until is when the lease
// expires unless it is renewed.
func (e *Engine) lead(ctx context.Context, token int64, until time.Time, ttl time.Duration) {
	e.m.leader.Set(1)
	e.onLead(true)
	work, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	e.endForgotten(work, token)
	e.reconcile(work, token, &wg)

	renew := time.NewTicker(ttl / 3)
	defer renew.Stop()
	for lost := false; !lost && ctx.Err() == nil; {
		select {
		case <-ctx.Done():
		case <-e.changed:
			e.reconcile(work, token, &wg)
		case <-renew.C:
			asked := time.Now()
			t, held, err := e.acquire(ctx, ttl)
			switch {
			case err == nil && held && t == token:
				until = asked.Add(ttl)
			case err == nil, time.Until(until) < ttl/3:
				lost = true
				e.log.Warn("the lease for evaluating rules is lost", "error", err)
			}
		}
	}
	cancel()
	wg.Wait()
	e.mu.Lock()
	e.running = map[string]map[string]*group{}
	e.mu.Unlock()
	e.m.leader.Set(0)
	e.onLead(false)
	if ctx.Err() != nil {
		release, done := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer done()
		if err := e.o.Lease.Release(release); err != nil {
			e.log.Warn("the lease for evaluating rules was not given back", "error", err)
		}
	}
}

func (e *Engine) onLead(leading bool) {
	if e.o.OnLead != nil {
		e.o.OnLead(leading)
	}
}
