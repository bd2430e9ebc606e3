package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/watchfire/watchfire/alerting/rules"
)

// group is a group of rules while it is evaluated, by one goroutine.
type group struct {
	e      *Engine
	tenant string
	key    string
	def    *rules.Group
	slots  Slots
	offset time.Duration // the query offset

	mu       *sync.RWMutex // guards what views show; a new version of the group takes the old one's
	rules    []*ruleRun
	done     int64 // the last slot that was evaluated
	missed   int64
	lastEval time.Time
	duration time.Duration

	version int64 // of the stored state
	token   int64
	out     output
	loaded  bool          // the stored state was taken up
	quit    chan struct{} // closed: stop after the evaluation under way
	stopped chan struct{} // closed when it has
}

// ruleRun is a rule while it is evaluated.
type ruleRun struct {
	*rules.Rule
	alerts  map[uint64]*alert
	byFinal map[uint64]*alert // those with labels, by the labels' hash
	flush   bool              // it reads what earlier rules of the group write
	slow    bool
	written map[uint64]labels.Labels // series of the last evaluation
	failing int64                    // Unix milliseconds since which it cannot be told, 0 = it can
	seed    int64                    // the slot whose series are known to have been there, 0 = none

	err      error
	lastEval time.Time
	duration time.Duration
}

func newGroup(e *Engine, tenant string, def *rules.Group) *group {
	interval := def.Interval
	if interval == 0 {
		interval = time.Duration(e.cfg.Interval)
	}
	g := &group{e: e, tenant: tenant, key: def.Key(), def: def, offset: def.QueryOffset, mu: &sync.RWMutex{},
		slots: NewSlots(tenant, def.Key(), interval), quit: make(chan struct{}), stopped: make(chan struct{})}
	written := map[string]bool{}
	for _, r := range def.Rules {
		g.rules = append(g.rules, &ruleRun{Rule: r, alerts: map[uint64]*alert{}, byFinal: map[uint64]*alert{},
			flush: reads(r, written), written: map[uint64]labels.Labels{}})
		if r.Record {
			written[r.Name] = true
		} else {
			written[alertsMetric], written[forStateMetric] = true, true
		}
	}
	return g
}

// reads reports whether a rule may read one of the metrics.
func reads(r *rules.Rule, metrics map[string]bool) bool {
	if len(metrics) == 0 || r.Language != rules.PromQL {
		return false
	}
	for _, expr := range r.Exprs {
		names, complete := rules.Metrics(expr)
		if !complete || slices.ContainsFunc(names, func(n string) bool { return metrics[n] }) {
			return true
		}
	}
	return false
}

// groupDoc is the stored state of a group.
type groupDoc struct {
	Slot  int64                 `json:"slot"`
	Rules map[string][]alertDoc `json:"rules,omitempty"` // by rule key
}

type alertDoc struct {
	Series  labels.Labels `json:"series"`
	Labels  labels.Labels `json:"labels"`
	Value   Value         `json:"value"`
	Notes   labels.Labels `json:"annotations"`
	Reason  string        `json:"reason,omitempty"`
	End     *end          `json:"end,omitempty"`
	Started int64         `json:"started,omitempty"`
	Graded  bool          `json:"graded,omitempty"`
	State
}

func (g *group) encode(slot int64) ([]byte, error) {
	doc := groupDoc{Slot: slot}
	for _, r := range g.rules {
		for _, a := range r.alerts {
			if a.idle() {
				continue
			}
			if doc.Rules == nil {
				doc.Rules = map[string][]alertDoc{}
			}
			d := alertDoc{Series: a.series, Labels: a.labels, Notes: a.annotations, Value: Value(a.Value), Reason: a.reason,
				Started: a.started, Graded: a.graded, State: a.State}
			if a.end.Level != rules.None {
				d.End = &a.end
			}
			doc.Rules[r.Key] = append(doc.Rules[r.Key], d)
		}
	}
	b, err := json.Marshal(doc)
	if err != nil {
		return nil, fmt.Errorf("cannot encode the state of group %q: %w", g.key, err)
	}
	return b, nil
}

// load takes up the stored state. Alerts of rules that are no more end.
func (g *group) load(ctx context.Context, now int64) error {
	data, version, err := g.e.o.Store.Load(ctx, g.tenant, g.key)
	if err != nil {
		return fmt.Errorf("cannot load the state of group %q: %w", g.key, err)
	}
	g.version = version
	if data == nil {
		return nil
	}
	var doc groupDoc
	if err := json.Unmarshal(data, &doc); err != nil {
		return fmt.Errorf("cannot read the stored state of group %q: %w", g.key, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.done = doc.Slot
	for _, r := range g.rules {
		if r.Thresholds() && !r.Unknown.Off && now-doc.Slot < r.Unknown.Forget.Milliseconds() {
			r.seed = doc.Slot
		}
	}
	var removed []*alert
	for key, docs := range doc.Rules {
		r := g.rule(key)
		for _, d := range docs {
			a := d.alert(g, now, doc.Slot)
			if r == nil {
				removed = append(removed, a)
				continue
			}
			r.adopt(a)
			a.id = ID(g.tenant, g.key, r.Name, a.labels)
		}
	}
	g.out.endRemoved(g, removed, now)
	return nil
}

func (d alertDoc) alert(g *group, now, last int64) *alert {
	a := &alert{State: Resume(d.State, last, now, time.Duration(g.e.cfg.OutageTolerance)), series: d.Series, labels: d.Labels, annotations: d.Notes,
		reason: d.Reason, started: d.Started, graded: d.Graded}
	a.Value = float64(d.Value)
	if d.End != nil {
		a.end = *d.End
	}
	return a
}

func (g *group) rule(key string) *ruleRun {
	for _, r := range g.rules {
		if r.Key == key {
			return r
		}
	}
	return nil
}

func (r *ruleRun) adopt(a *alert) {
	r.alerts[seriesHash(a.series)] = a
	if !a.labels.IsEmpty() {
		r.byFinal[a.labels.Hash()] = a
	}
}

func seriesHash(ls labels.Labels) uint64 {
	if !ls.Has(labels.MetricName) {
		return ls.Hash()
	}
	return ls.DropMetricName().Hash()
}

// take moves the alerts of an older version of the group over.
func (g *group) take(old *group, now int64) {
	g.mu, g.done, g.version, g.missed = old.mu, old.done, old.version, old.missed
	g.mu.Lock()
	defer g.mu.Unlock()
	var removed []*alert
	for _, r := range old.rules {
		if n := g.rule(r.Key); n != nil {
			n.alerts, n.byFinal, n.written, n.failing = r.alerts, r.byFinal, r.written, r.failing
			for _, a := range n.alerts {
				a.expanded = expansion{}
			}
			continue
		}
		for _, a := range r.alerts {
			removed = append(removed, a)
		}
		g.out.stale(r.written, now-g.offset.Milliseconds())
	}
	g.out.endRemoved(g, removed, now)
}

// saveTimeout is how long telling people waits for the store.
const saveTimeout = 10 * time.Second

// save stores the state as of slot.
func (g *group) save(ctx context.Context, slot int64) error {
	b, err := g.encode(slot)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	v, err := g.e.o.Store.Save(ctx, g.tenant, g.key, b, g.version, g.token)
	if err != nil {
		return err
	}
	g.version = v
	return nil
}
