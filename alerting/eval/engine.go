package eval

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/watchfire/watchfire/alerting/rules"
)

// Options are what an Engine works with. Query and Store are needed.
type Options struct {
	Config      Config
	Query       QueryFunc
	Store       Store
	Watermark   Watermark // nil = data are never waited for
	Lease       Lease     // nil = this process alone evaluates
	Sink        Sink      // nil = rules' series are dropped
	Notifier    Notifier  // nil = nobody is told
	History     History   // nil = none is kept
	ExternalURL *url.URL  // of links in notifications
	OnLead      func(leading bool)
	Logger      *slog.Logger
	Registerer  prometheus.Registerer
}

// Engine evaluates the rules of all tenants.
type Engine struct {
	o        Options
	cfg      Config
	log      *slog.Logger
	m        *metrics
	external string
	fast     chan struct{}
	slow     chan struct{}

	evaluated, failed prometheus.Counter
	transitions       [4]prometheus.Counter

	mu      sync.Mutex
	want    map[string][]*rules.Group    // by tenant
	running map[string]map[string]*group // by tenant and key
	changed chan struct{}

	marks watermarks
}

// New makes an engine without rules.
func New(o Options) *Engine {
	if o.ExternalURL == nil {
		o.ExternalURL = &url.URL{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Lease == nil {
		o.Lease = alone{}
	}
	e := &Engine{o: o, cfg: o.Config, log: o.Logger, m: newMetrics(o.Registerer),
		external: strings.TrimSuffix(o.ExternalURL.String(), "/"),
		fast:     make(chan struct{}, o.Config.Concurrency), slow: make(chan struct{}, o.Config.SlowConcurrency),
		want: map[string][]*rules.Group{}, running: map[string]map[string]*group{}, changed: make(chan struct{}, 1)}
	e.evaluated, e.failed = e.m.evaluations.WithLabelValues("success"), e.m.evaluations.WithLabelValues("failure")
	for p := range e.transitions {
		e.transitions[p] = e.m.transitions.WithLabelValues(Phase(p).String())
	}
	e.marks.ask = o.Watermark
	return e
}

// alone is the lease of a process that has no rivals.
type alone struct{}

func (alone) Acquire(context.Context, time.Duration) (int64, bool, error) { return 1, true, nil }
func (alone) Release(context.Context) error                               { return nil }

// SetRules replaces the rules of a tenant. Alerts of rules that stay, by group
// and name and labels, keep their state.
func (e *Engine) SetRules(tenant string, groups []*rules.Group) {
	e.mu.Lock()
	old := map[string]*rules.Group{}
	for _, g := range e.want[tenant] {
		old[g.Key()] = g
	}
	next := make([]*rules.Group, len(groups))
	for i, g := range groups {
		next[i] = g
		if o := old[g.Key()]; o != nil && reflect.DeepEqual(o, g) {
			next[i] = o
		}
	}
	e.want[tenant] = next
	e.mu.Unlock()
	select {
	case e.changed <- struct{}{}:
	default:
	}
}

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

// watermarks remembers each tenant's watermark for a moment.
type watermarks struct {
	ask   Watermark
	mu    sync.Mutex
	known map[string]mark
}

type mark struct{ value, asked time.Time }

func (w *watermarks) reached(ctx context.Context, tenant string, t int64) bool {
	if w.ask == nil {
		return true
	}
	w.mu.Lock()
	m, ok := w.known[tenant]
	w.mu.Unlock()
	if !ok || m.value.UnixMilli() < t && time.Since(m.asked) >= 100*time.Millisecond {
		m = mark{w.ask(ctx, tenant), time.Now()}
		w.mu.Lock()
		if w.known == nil {
			w.known = map[string]mark{}
		}
		w.known[tenant] = m
		w.mu.Unlock()
	}
	return m.value.IsZero() || m.value.UnixMilli() >= t
}

// Tenants lists the tenants that have rules.
func (e *Engine) Tenants() (ts []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for t := range e.want {
		ts = append(ts, t)
	}
	sort.Strings(ts)
	return ts
}
