package eval

import (
	"fmt"
	"math"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/watchfire/watchfire/alerting/rules"
)

// alert is one alert while its rule is evaluated. The goroutine of its group
// writes it under the group's lock and reads it without; others read it under
// the lock.
type alert struct {
	State
	series      labels.Labels // as the expressions gave it, without the name
	labels      labels.Labels // with the rule's, alertname and, graded, no severity; empty until first needed
	annotations labels.Labels
	reason      string
	id          string
	histogram   *histogram.FloatHistogram

	obs     Observation
	obsSlot int64 // the slot that obs is of

	expanded expansion // what the annotations were made from
	sent     int64     // when receivers were last told
	started  int64     // since when it is at its level
	end      end
	graded   bool
}

// end is a level that was left, while receivers are still told so.
type end struct {
	Level   rules.Level `json:"level"`
	Started int64       `json:"started"` // Unix milliseconds
	At      int64       `json:"at"`      // Unix milliseconds
	MovedTo rules.Level `json:"moved_to,omitempty"`
}

// expansion is what annotations depend on besides the series.
type expansion struct {
	done  bool
	level rules.Level
	value float64
	phase Phase
}

func (a *alert) expansion() expansion {
	return expansion{true, a.Level, a.Value, a.Phase}
}

func (e expansion) equal(o expansion) bool {
	return e.done == o.done && e.level == o.level && e.phase == o.phase && math.Float64bits(e.value) == math.Float64bits(o.value)
}

// told reports whether receivers know, or are to know, of the alert.
func (a *alert) told() bool { return a.Level != rules.None }

// idle reports whether nothing of the alert is worth keeping on disk.
func (a *alert) idle() bool { return a.Phase == Inactive && a.end.Level == rules.None }

// ID names an alert of a tenant for ever: by rule and labels, not by level.
func ID(tenant, group, rule string, ls labels.Labels) string {
	h := xxhash.New()
	for _, s := range []string{tenant, group, rule} {
		h.WriteString(s)
		h.Write([]byte{0xFF})
	}
	return fmt.Sprintf("%016x", h.Sum64()^ls.Hash())
}

// finalLabels are an alert's labels from its series' and the rule's expanded
// ones.
func finalLabels(r *rules.Rule, series labels.Labels, expand func(string) string) labels.Labels {
	lb := labels.NewBuilder(series)
	lb.Del(labels.MetricName)
	if r.Graded {
		lb.Del(rules.SeverityLabel)
	}
	r.Labels.Range(func(l labels.Label) { lb.Set(l.Name, expand(l.Value)) })
	lb.Set(labels.AlertName, r.Name)
	return lb.Labels()
}

// levelLabels are the labels under which receivers know the alert at a level.
func levelLabels(graded bool, ls labels.Labels, l rules.Level) labels.Labels {
	if !graded {
		return ls
	}
	return labels.NewBuilder(ls).Set(rules.SeverityLabel, l.String()).Labels()
}
