package eval

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/strutil"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/telemetry"
)

// The series that Prometheus writes about alerts; ALERTS has the level beside
// the state.
const (
	alertsMetric   = "ALERTS"
	forStateMetric = "ALERTS_FOR_STATE"
	stateLabel     = "alertstate"
	levelLabel     = "level"
)

// firingFor is the end that receivers are told of an alert that fires. It is
// far away, for an alert ends by what is seen, never because nobody looks.
const firingFor = 24 * time.Hour

// output is what an evaluation has to hand on.
type output struct {
	series  []telemetry.Series
	notify  []Notification
	entries []Entry
}

func (o *output) sample(ls labels.Labels, t int64, v float64) {
	o.series = append(o.series, telemetry.Series{Labels: ls, Samples: []telemetry.Sample{{T: t, V: v}}})
}

func (o *output) recorded(s promql.Sample, t int64) {
	if s.H == nil {
		o.sample(s.Metric, t, s.F)
		return
	}
	o.series = append(o.series, telemetry.Series{Labels: s.Metric, Histograms: []telemetry.HistogramSample{{T: t, Float: s.H}}})
}

// stale marks series that are no longer written.
func (o *output) stale(series map[uint64]labels.Labels, t int64) {
	for _, ls := range series {
		o.sample(ls, t, math.Float64frombits(value.StaleNaN))
	}
}

// alert writes the series of an alert that is not inactive.
func (o *output) alert(r *ruleRun, a *alert, t int64, written map[uint64]labels.Labels) {
	lb := labels.NewBuilder(a.labels)
	lb.Set(labels.MetricName, forStateMetric)
	forState := lb.Labels()
	state, level := a.Phase.String(), a.shown()
	if a.told() {
		state = Firing.String()
	}
	if r.Graded && level != rules.None {
		lb.Set(rules.SeverityLabel, level.String())
	}
	lb.Set(labels.MetricName, alertsMetric)
	lb.Set(stateLabel, state)
	lb.Set(levelLabel, r.LevelOf(level, a.labels).String())
	alerts := lb.Labels()
	o.sample(alerts, t, 1)
	o.sample(forState, t, float64(a.Active/1000))
	written[alerts.Hash()] = alerts
	written[forState.Hash()] = forState
}

// shown is the level the alert is at, or the worst that it waits for.
func (a *alert) shown() rules.Level {
	for l := rules.Critical; a.Level == rules.None && l > rules.None; l-- {
		if a.at(l).Since != 0 {
			return l
		}
	}
	return a.Level
}

// firing tells receivers of an alert at its level.
func (o *output) firing(g *group, r *ruleRun, a *alert, now int64) {
	o.notify = append(o.notify, Notification{
		Labels: levelLabels(a.graded, a.labels, a.Level), Annotations: a.annotate(), StartsAt: time.UnixMilli(a.started),
		EndsAt: time.UnixMilli(now).Add(firingFor), GeneratorURL: g.e.link(r.Rule),
	})
}

// annotate are the annotations that receivers get: the rule's, and why the state
// is unknown when it is.
func (a *alert) annotate() labels.Labels {
	if a.Phase != Unknown {
		return a.annotations
	}
	return labels.NewBuilder(a.annotations).Set("state", "unknown").Set("unknown", a.reason).Labels()
}

// ended tells receivers that an alert has left a level.
func (o *output) ended(g *group, generator string, a *alert) {
	an := labels.NewBuilder(a.annotations)
	if a.end.MovedTo != rules.None {
		an.Set("moved_to", a.end.MovedTo.String())
	} else if a.reason != "" {
		an.Set("resolution", a.reason)
	}
	o.notify = append(o.notify, Notification{
		Labels: levelLabels(a.graded, a.labels, a.end.Level), Annotations: an.Labels(), StartsAt: time.UnixMilli(a.end.Started),
		EndsAt: time.UnixMilli(a.end.At), GeneratorURL: generator, MovedTo: a.end.MovedTo,
	})
}

// endRemoved ends alerts whose rule is no more.
func (o *output) endRemoved(g *group, as []*alert, now int64) {
	for _, a := range as {
		if a.Phase == Inactive {
			continue
		}
		name := a.labels.Get(labels.AlertName)
		t := Transition{At: now, From: a.Phase, FromLevel: a.Level, To: Inactive, Value: Value(a.Value), Reason: "the rule was removed or renamed"}
		o.entries = append(o.entries, Entry{ID: ID(g.tenant, g.key, name, a.labels), Rule: name, Group: g.key, Labels: a.labels, Transition: t})
		if a.told() {
			a.reason = t.Reason
			a.end = end{Level: a.Level, Started: a.started, At: now}
			o.ended(g, "", a)
		}
	}
}

// link is where the rule's expression can be looked at.
func (e *Engine) link(r *rules.Rule) string {
	if r.Language != rules.PromQL || len(r.Exprs) == 0 {
		return e.external
	}
	return e.external + strutil.TableLinkForExpression(r.Exprs[0])
}

// write stores the series gathered so far, so that later rules can read them.
func (g *group) write(ctx context.Context) {
	if len(g.out.series) == 0 {
		return
	}
	series := g.out.series
	g.out.series = nil
	if g.e.o.Sink == nil {
		return
	}
	outcome, err := g.e.o.Sink.WriteMetrics(ctx, g.tenant, telemetry.Metrics{Series: series})
	if err != nil {
		g.e.m.writeErrors.Inc()
		g.e.log.Warn("rules' series were not stored", "tenant", g.tenant, "group", g.key, "series", len(series), "error", err)
		return
	}
	if n := outcome.RejectedCount(); n > 0 {
		g.e.m.rejected.Add(float64(n))
		g.e.log.Warn("rules' series were refused", "tenant", g.tenant, "group", g.key, "reason", outcome.Message())
	}
}

// handOn tells receivers and history.
func (g *group) handOn(ctx context.Context) {
	ns, es := g.out.notify, g.out.entries
	g.out.notify, g.out.entries = g.out.notify[:0], g.out.entries[:0]
	if len(ns) > 0 && g.e.o.Notifier != nil {
		if err := g.e.o.Notifier.Notify(ctx, g.tenant, ns); err != nil {
			g.e.m.notifyError.Inc()
			g.e.log.Warn("alerts were not handed to the notifier", "tenant", g.tenant, "group", g.key, "alerts", len(ns), "error", err)
			g.unsend()
		}
	}
	if len(es) > 0 && g.e.o.History != nil {
		if err := g.e.o.History.Append(ctx, g.tenant, es); err != nil {
			g.e.log.Warn("alerts' history was not stored", "tenant", g.tenant, "group", g.key, "error", fmt.Errorf("%d transitions: %w", len(es), err))
		}
	}
}

// unsend makes the next evaluation tell everything again.
func (g *group) unsend() {
	for _, r := range g.rules {
		for _, a := range r.alerts {
			a.sent = 0
		}
	}
}
