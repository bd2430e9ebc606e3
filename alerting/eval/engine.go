package eval

import (
	"log/slog"
	"net/url"
	"reflect"
	"sort"
	"strings"
	"sync"

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
