package logs

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/server"
)

// Tail hands lines that this process stored to those who watch. A watcher that
// reads slowly loses lines, counted, rather than slow down writing. A nil Tail
// has no watchers.
type Tail struct {
	cfg     TailConfig
	count   atomic.Int32
	dropped prometheus.Counter

	mu       sync.Mutex
	watchers map[*watcher]struct{}
}

// watcher is one who watches a tenant.
type watcher struct {
	tenant  string
	pushes  chan []tailed // bounded by TailConfig.Buffer
	dropped atomic.Int64  // lines that found no room
}

// tailed are lines of one stream as they were stored.
type tailed struct {
	labels labels.Labels
	lines  []record
}

// NewTail returns a Tail without watchers.
func NewTail(cfg TailConfig, reg prometheus.Registerer) *Tail {
	t := &Tail{
		cfg:      cfg,
		watchers: map[*watcher]struct{}{},
		dropped:  prometheus.NewCounter(prometheus.CounterOpts{Name: "watchfire_logs_tail_dropped_total", Help: "Lines that a slow live tail did not get."}),
	}
	if reg != nil {
		reg.MustRegister(t.dropped, prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Name: "watchfire_logs_tails", Help: "Live tails being followed."},
			func() float64 { return float64(t.count.Load()) }))
	}
	return t
}

// watch adds a watcher of a tenant; the returned function takes it off again.
func (t *Tail) watch(tenant string) (*watcher, func(), error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.watchers) >= t.cfg.MaxClients {
		return nil, nil, server.TooMany(10*time.Second, "%d live tails are followed already: logs.tail.max_clients", t.cfg.MaxClients)
	}
	w := &watcher{tenant: tenant, pushes: make(chan []tailed, t.cfg.Buffer)}
	t.watchers[w] = struct{}{}
	t.count.Add(1)
	return w, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.watchers, w)
		t.count.Add(-1)
	}, nil
}

// publish shows a stored plan to the watchers of its tenant.
func (t *Tail) publish(p *plan) {
	if t == nil || t.count.Load() == 0 {
		return
	}
	var push []tailed
	t.mu.Lock()
	defer t.mu.Unlock()
	for w := range t.watchers {
		if w.tenant != p.tenant {
			continue
		}
		if push == nil {
			push = p.tailed()
		}
		select {
		case w.pushes <- push:
		default:
			w.dropped.Add(int64(len(p.rows)))
			t.dropped.Add(float64(len(p.rows)))
		}
	}
}

// tailed copies the plan's lines, as a query would read them back.
func (p *plan) tailed() []tailed {
	out := make([]tailed, 0, len(p.streams))
	for _, s := range p.streams {
		t := tailed{labels: s.labels, lines: make([]record, 0, s.end-s.begin)}
		for i := s.begin; i < s.end; i++ {
			r := &p.rows[i]
			m := newMetadata(len(r.metadata) + 3)
			for _, a := range r.metadata {
				m.add(a.Key, a.Value.String())
			}
			if r.level != "" {
				m.add(levelKey, r.level)
			}
			t.lines = append(t.lines, record{time: r.time, line: r.line, metadata: m.labels(r.severity, r.trace, r.span)})
		}
		out = append(out, t)
	}
	return out
}
