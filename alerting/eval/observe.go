package eval

import (
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/watchfire/watchfire/alerting/rules"
)

// find is the alert of a series; it is made when there is none.
func (r *ruleRun) find(metric labels.Labels) *alert {
	h := seriesHash(metric)
	a := r.alerts[h]
	if a == nil {
		a = &alert{series: metric.DropMetricName(), graded: r.Graded, State: State{Value: math.NaN()}}
		r.alerts[h] = a
	}
	return a
}

// changed is an alert with what an evaluation made of it.
type changed struct {
	a *alert
	t *Transition
}

// observe spreads the answers over the alerts.
func (r *ruleRun) observe(vectors []promql.Vector, slot int64, limit int) error {
	met := 0
	for i, v := range vectors {
		for _, s := range v {
			val := s.F
			if s.H != nil {
				val = math.NaN() // a histogram has no place on a threshold's scale
			}
			if r.meets(i, val) {
				met++
			}
		}
	}
	if err := overLimit(limit, met, "alerts"); err != nil {
		return err
	}
	for i, v := range vectors {
		for _, s := range v {
			a := r.find(s.Metric)
			if a.obsSlot != slot {
				a.obs, a.obsSlot = Observation{}, slot
			}
			val := s.F
			a.histogram = s.H
			if s.H != nil {
				val = math.NaN()
			}
			if !a.obs.Set(i, val) {
				return errDuplicateSeries
			}
		}
	}
	return nil
}

func (r *ruleRun) meets(expr int, v float64) bool {
	for i := range r.Levels {
		if l := &r.Levels[i]; l.Expr == expr && l.Op.Holds(v, l.Threshold) {
			return true
		}
	}
	return false
}

// step steps the alerts and returns those that are not idle.
func (r *ruleRun) step(slot int64, late bool, failure error) (cs []changed) {
	none := Observation{Late: late}
	if failure != nil {
		none.Failed = failure.Error()
	}
	for h, a := range r.alerts {
		o := &none
		if failure == nil && a.obsSlot == slot {
			o = &a.obs
			o.Late = late
		}
		s, t := Step(r.Rule, a.State, o, slot)
		a.State = s
		if t != nil {
			a.reason = t.Reason
			a.moved(t)
		}
		if t == nil && a.idle() {
			if o == &none && (a.Missing == 0 || slot-a.Missing >= r.Unknown.Forget.Milliseconds()) {
				r.remove(h, a)
			}
			continue
		}
		cs = append(cs, changed{a, t})
	}
	return cs
}

func (r *ruleRun) remove(h uint64, a *alert) {
	delete(r.alerts, h)
	if !a.labels.IsEmpty() {
		delete(r.byFinal, a.labels.Hash())
	}
}

// moved notes the level that was left and the one that was reached.
func (a *alert) moved(t *Transition) {
	if t.FromLevel == t.Level {
		a.sent = 0 // the same level, but known or unknown now
		return
	}
	a.end = end{}
	if t.FromLevel != rules.None {
		a.end = end{Level: t.FromLevel, Started: a.started, At: t.At, MovedTo: t.Level}
	}
	a.started, a.sent = t.At, 0
}
