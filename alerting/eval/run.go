package eval

import (
	"context"
	"errors"
	"time"
)

// run evaluates a group slot after slot.
func (g *group) run(ctx context.Context) {
	defer close(g.stopped)
	for !g.loaded {
		err := g.load(ctx, time.Now().UnixMilli())
		if err == nil {
			g.loaded = true
			break
		}
		g.e.log.Warn("evaluation waits for the alerts' state", "tenant", g.tenant, "group", g.key, "error", err)
		if !g.sleep(ctx, 5*time.Second) {
			return
		}
	}
	for {
		slot, missed := g.slots.Next(g.done, time.Now().UnixMilli())
		if !g.sleep(ctx, time.Until(time.UnixMilli(slot))) {
			return
		}
		if missed > 0 {
			g.e.m.missed.Add(float64(missed))
			g.mu.Lock()
			g.missed += missed
			g.mu.Unlock()
		}
		late, stop := g.wait(ctx, slot-g.offset.Milliseconds())
		if stop {
			return
		}
		if err := g.evaluate(ctx, slot, late); err != nil {
			if errors.Is(err, ErrConflict) && ctx.Err() == nil {
				g.reload(ctx)
				continue
			}
			return
		}
	}
}

// reload drops what was evaluated beside another replica and takes up what
// that one saved.
func (g *group) reload(ctx context.Context) {
	g.e.log.Warn("another replica evaluates this group too", "tenant", g.tenant, "group", g.key)
	g.mu.Lock()
	g.out = output{}
	for _, r := range g.rules {
		r.alerts, r.byFinal = map[uint64]*alert{}, map[uint64]*alert{}
	}
	g.mu.Unlock()
	pause(ctx, time.Duration(g.slots.Interval)*time.Millisecond)
	if err := g.load(ctx, time.Now().UnixMilli()); err != nil {
		g.e.log.Warn("the alerts' state cannot be loaded again", "tenant", g.tenant, "group", g.key, "error", err)
	}
}

// sleep waits; false means that the group is to stop.
func (g *group) sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-g.quit:
		return false
	case <-t.C:
		return true
	}
}

// wait waits until all data up to t (Unix milliseconds) have come; late means
// that they have not within the limit, stop that the group is to stop.
func (g *group) wait(ctx context.Context, t int64) (late, stop bool) {
	limit := time.Now().Add(time.Duration(g.e.cfg.WatermarkWait))
	for !g.e.marks.reached(ctx, g.tenant, t) {
		if !time.Now().Before(limit) {
			g.e.m.late.Inc()
			return true, false
		}
		if !g.sleep(ctx, 200*time.Millisecond) {
			return false, true
		}
	}
	return false, false
}
