package eval

import (
	"sort"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/watchfire/watchfire/alerting/rules"
)

// GroupView is a group as it stands.
type GroupView struct {
	Key        string
	Name       string
	File       string
	Interval   time.Duration
	Limit      int
	Slot       time.Time // the last that was evaluated, zero = none
	Missed     int64     // slots that nobody evaluated, since the start
	Evaluation time.Time // when it was last evaluated
	Duration   time.Duration
	Rules      []RuleView
}

// RuleView is a rule with its alerts that are not inactive.
type RuleView struct {
	*rules.Rule
	Phase      Phase // the most urgent of its alerts: firing, pending, unknown
	Level      rules.Level
	Error      error     // of the last evaluation
	Failing    time.Time // since when it fails, zero = it does not
	Evaluation time.Time // zero = not yet
	Duration   time.Duration
	Alerts     []AlertView
}

// AlertView is an alert as it stands.
type AlertView struct {
	ID          string
	Labels      labels.Labels // as receivers know it
	Annotations labels.Labels
	Phase       Phase
	Level       rules.Level // None unless people are told
	Waiting     rules.Level // the worst level that it is at or waits for
	Since       time.Time   // of phase and level
	Active      time.Time   // when it stopped being inactive
	Gone        time.Time   // the condition is gone since, but it is kept firing; zero = it holds
	Missing     time.Time   // data are missing since, zero = they are not
	Value       float64
	Threshold   *float64 // of Waiting; nil when that level has none
	Clear       *float64 // of Waiting, when it differs from Threshold
	Reason      string
}

// Groups shows the groups of a tenant in the order of their files and places.
func (e *Engine) Groups(tenant string) []GroupView {
	e.mu.Lock()
	defs := e.want[tenant]
	running := make([]*group, len(defs))
	for i, d := range defs {
		running[i] = e.running[tenant][d.Key()]
	}
	e.mu.Unlock()
	views := make([]GroupView, len(defs))
	for i, d := range defs {
		if running[i] != nil {
			views[i] = running[i].view()
			continue
		}
		views[i] = GroupView{Key: d.Key(), Name: d.Name, File: d.Pos.File, Interval: d.Interval, Limit: d.Limit}
		if d.Interval == 0 {
			views[i].Interval = time.Duration(e.cfg.Interval)
		}
		for _, r := range d.Rules {
			views[i].Rules = append(views[i].Rules, RuleView{Rule: r})
		}
	}
	return views
}

func (g *group) view() GroupView {
	g.mu.RLock()
	defer g.mu.RUnlock()
	v := GroupView{Key: g.key, Name: g.def.Name, File: g.def.Pos.File, Limit: g.def.Limit,
		Interval: time.Duration(g.slots.Interval) * time.Millisecond, Slot: moment(g.done),
		Missed: g.missed, Evaluation: g.lastEval, Duration: g.duration, Rules: make([]RuleView, 0, len(g.rules))}
	for _, r := range g.rules {
		v.Rules = append(v.Rules, r.view())
	}
	return v
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// urgency orders phases for the state of a rule.
var urgency = [...]int{Inactive: 0, Unknown: 1, Pending: 2, Firing: 3}

func (r *ruleRun) view() RuleView {
	v := RuleView{Rule: r.Rule, Error: r.err, Failing: moment(r.failing), Evaluation: r.lastEval, Duration: r.duration}
	if r.failing != 0 && r.lastEval.UnixMilli()-r.failing >= r.Unknown.After.Milliseconds() {
		v.Phase = Unknown
	}
	for _, a := range r.alerts {
		if a.Phase == Inactive || a.labels.IsEmpty() {
			continue
		}
		av := r.viewAlert(a)
		v.Alerts = append(v.Alerts, av)
		v.Level = max(v.Level, av.Level)
		if urgency[a.Phase] > urgency[v.Phase] {
			v.Phase = a.Phase
		}
	}
	sort.Slice(v.Alerts, func(i, j int) bool { return labels.Compare(v.Alerts[i].Labels, v.Alerts[j].Labels) < 0 })
	return v
}

func (r *ruleRun) viewAlert(a *alert) AlertView {
	shown := a.shown()
	v := AlertView{ID: a.id, Labels: a.labels, Annotations: a.annotations, Phase: a.Phase,
		Level: r.LevelOf(a.Level, a.labels), Waiting: r.LevelOf(shown, a.labels),
		Since: moment(a.Since), Active: moment(a.Active), Missing: moment(a.Missing), Value: a.Value, Reason: a.reason}
	if shown != rules.None {
		v.Labels = levelLabels(r.Graded, a.labels, shown)
		v.Gone = moment(a.at(shown).Gone)
	}
	for i := range r.Levels {
		l := &r.Levels[i]
		if l.Level != shown || l.Op == rules.Present {
			continue
		}
		v.Threshold = &l.Threshold
		if l.Clear != l.Threshold {
			v.Clear = &l.Clear
		}
	}
	return v
}
