package eval

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/watchfire/watchfire/alerting/rules"
)

// endForgotten ends the alerts of stored groups that are no longer wanted.
func (e *Engine) endForgotten(ctx context.Context, token int64) {
	e.mu.Lock()
	want := map[string]map[string]bool{}
	for tenant, groups := range e.want {
		want[tenant] = map[string]bool{}
		for _, g := range groups {
			want[tenant][g.Key()] = true
		}
	}
	e.mu.Unlock()
	tenants, err := e.o.Store.Tenants(ctx)
	if err != nil {
		e.log.Warn("the tenants with stored alerts cannot be listed", "error", err)
	}
	for _, tenant := range tenants {
		keys := want[tenant]
		stored, err := e.o.Store.Groups(ctx, tenant)
		if err != nil {
			e.log.Warn("the stored alerts cannot be listed", "tenant", tenant, "error", err)
			continue
		}
		for _, key := range stored {
			if !keys[key] {
				e.forget(ctx, tenant, key, token)
			}
		}
	}
}

func (e *Engine) forget(ctx context.Context, tenant, key string, token int64) {
	file, name, _ := strings.Cut(key, ";")
	g := newGroup(e, tenant, &rules.Group{Name: name, Pos: rules.Position{File: file}})
	g.token = token
	if err := g.load(ctx, time.Now().UnixMilli()); err != nil {
		e.log.Warn("the alerts of a removed group cannot be ended", "tenant", tenant, "group", key, "error", err)
		return
	}
	e.retire(ctx, g)
}

// retire hands on the end of a group's alerts and deletes its state.
func (e *Engine) retire(ctx context.Context, g *group) {
	g.write(ctx)
	g.handOn(ctx)
	if err := e.o.Store.Delete(ctx, g.tenant, g.key); err != nil {
		e.log.Warn("the state of a removed group was not deleted", "tenant", g.tenant, "group", g.key, "error", err)
	}
}

// reconcile stops groups that are not wanted as they are, and starts those
// that are.
func (e *Engine) reconcile(ctx context.Context, token int64, wg *sync.WaitGroup) {
	e.mu.Lock()
	want := map[string]map[string]*rules.Group{}
	for tenant, groups := range e.want {
		want[tenant] = map[string]*rules.Group{}
		for _, g := range groups {
			want[tenant][g.Key()] = g
		}
	}
	var old []*group
	for tenant, groups := range e.running {
		for key, g := range groups {
			if want[tenant][key] != g.def {
				old = append(old, g)
				close(g.quit)
			}
		}
	}
	e.mu.Unlock()
	for _, g := range old {
		<-g.stopped
	}
	if ctx.Err() != nil {
		return
	}
	e.replace(ctx, old, want, token, wg)
}

func (e *Engine) replace(ctx context.Context, old []*group, want map[string]map[string]*rules.Group, token int64, wg *sync.WaitGroup) {
	before := map[string]*group{}
	for _, g := range old {
		before[g.tenant+"\xff"+g.key] = g
	}
	var fresh []*group
	e.mu.Lock()
	for _, g := range old {
		delete(e.running[g.tenant], g.key)
	}
	for tenant, groups := range want {
		if e.running[tenant] == nil {
			e.running[tenant] = map[string]*group{}
		}
		for key, def := range groups {
			if e.running[tenant][key] != nil {
				continue
			}
			g := newGroup(e, tenant, def)
			g.token = token
			if o := before[tenant+"\xff"+key]; o != nil {
				g.take(o, time.Now().UnixMilli())
				g.loaded = o.loaded
				delete(before, tenant+"\xff"+key)
			}
			e.running[tenant][key] = g
			fresh = append(fresh, g)
		}
	}
	e.mu.Unlock()
	for _, g := range fresh {
		wg.Go(func() { g.run(ctx) })
	}
	for _, o := range before {
		g := newGroup(e, o.tenant, &rules.Group{Name: o.def.Name, Pos: o.def.Pos})
		g.take(o, time.Now().UnixMilli())
		e.retire(ctx, g)
	}
}
