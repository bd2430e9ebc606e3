package alerting

import (
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/watchfire/watchfire/alerting/eval"
	"github.com/watchfire/watchfire/alerting/rules"
)

// Alert is an alert as the API shows it.
type Alert struct {
	ID          string        `json:"id"`
	Rule        string        `json:"rule"`
	Group       string        `json:"group"`
	File        string        `json:"file"`
	State       eval.Phase    `json:"state"` // pending, firing or unknown
	Level       rules.Level   `json:"level"` // none unless people are told
	Priority    string        `json:"priority,omitempty"`
	Waiting     rules.Level   `json:"waiting,omitempty"` // the level that a pending alert waits for
	Since       time.Time     `json:"since"`             // of state and level
	ActiveSince time.Time     `json:"active_since"`      // when it began to be pending
	MissingFrom *time.Time    `json:"missing_from,omitempty"`
	Value       eval.Value    `json:"value"`
	Threshold   *float64      `json:"threshold,omitempty"`
	Clear       *float64      `json:"clear,omitempty"` // the value at which the level is left, when not the threshold
	Reason      string        `json:"reason"`
	Owner       string        `json:"owner,omitempty"`
	Application string        `json:"application,omitempty"`
	Labels      labels.Labels `json:"labels"`
	Annotations labels.Labels `json:"annotations"`
}

func newAlert(g *eval.GroupView, r *eval.RuleView, a eval.AlertView) Alert {
	v := Alert{
		ID: a.ID, Rule: r.Name, Group: g.Name, File: g.File, State: a.Phase, Level: a.Level, Priority: a.Level.Priority(),
		Since: a.Since, ActiveSince: a.Active, Value: eval.Value(a.Value), Threshold: a.Threshold, Clear: a.Clear, Reason: a.Reason,
		Owner: a.Labels.Get(rules.OwnerLabel), Application: a.Labels.Get(rules.ApplicationLabel), Labels: a.Labels, Annotations: a.Annotations,
	}
	if a.Level == rules.None {
		v.Waiting = a.Waiting
	}
	if !a.Missing.IsZero() {
		v.MissingFrom = &a.Missing
	}
	return v
}

// Group is a group of rules as the API shows it.
type Group struct {
	Name           string     `json:"name"`
	File           string     `json:"file"`
	Interval       float64    `json:"interval_seconds"`
	LastSlot       *time.Time `json:"last_slot,omitempty"` // the last moment that was evaluated
	Missed         int64      `json:"missed_slots"`        // moments that nobody evaluated, since the start
	EvaluationTime float64    `json:"evaluation_seconds"`
	Rules          []Rule     `json:"rules"`
}

// Rule is a rule as the API shows it.
type Rule struct {
	Name           string         `json:"name"`
	Kind           string         `json:"kind"` // alert or record
	Graded         bool           `json:"graded"`
	Language       rules.Language `json:"language"`
	Queries        []string       `json:"queries"`
	Levels         []Level        `json:"levels,omitempty"`
	State          string         `json:"state"` // of the most urgent alert
	Level          rules.Level    `json:"level"`
	Alerts         int            `json:"alerts"`
	Error          string         `json:"error,omitempty"`
	FailingSince   *time.Time     `json:"failing_since,omitempty"`
	EvaluationTime float64        `json:"evaluation_seconds"`
	Owner          string         `json:"owner,omitempty"`
	Application    string         `json:"application,omitempty"`
	Place          string         `json:"place"` // file:line:col
}

// Level is the condition of a level as the API shows it.
type Level struct {
	Level         rules.Level `json:"level"`
	Query         string      `json:"query"`
	Condition     string      `json:"condition"` // such as > or present
	Threshold     *float64    `json:"threshold,omitempty"`
	Clear         *float64    `json:"clear,omitempty"`
	For           float64     `json:"for_seconds"`
	KeepFiringFor float64     `json:"keep_firing_for_seconds"`
}

func newGroup(g *eval.GroupView) Group {
	v := Group{Name: g.Name, File: g.File, Interval: g.Interval.Seconds(), LastSlot: optional(g.Slot), Missed: g.Missed,
		EvaluationTime: g.Duration.Seconds(), Rules: make([]Rule, 0, len(g.Rules))}
	for i := range g.Rules {
		v.Rules = append(v.Rules, newRule(&g.Rules[i]))
	}
	return v
}

func newRule(r *eval.RuleView) Rule {
	v := Rule{Name: r.Name, Kind: "alert", Graded: r.Graded, Language: r.Language, Queries: r.Exprs, State: r.Phase.String(), Level: r.Level,
		Alerts: len(r.Alerts), FailingSince: optional(r.Failing), EvaluationTime: r.Duration.Seconds(),
		Owner: r.Owner, Application: r.Application, Place: r.Pos.String()}
	if r.Record {
		v.Kind, v.State = "record", ""
	}
	if r.Error != nil {
		v.Error = r.Error.Error()
	}
	for i := range r.Levels {
		v.Levels = append(v.Levels, newLevel(r.Rule, &r.Levels[i]))
	}
	return v
}

func newLevel(r *rules.Rule, l *rules.LevelRule) Level {
	v := Level{Level: l.Level, Query: r.Exprs[l.Expr], Condition: l.Op.String(), For: l.For.Seconds(), KeepFiringFor: l.KeepFiringFor.Seconds()}
	if l.Op != rules.Present {
		v.Threshold, v.Clear = &l.Threshold, &l.Clear
	}
	return v
}

func optional(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Transition is a change of an alert's state or level as the API shows it.
type Transition struct {
	Time      time.Time     `json:"time"`
	Rule      string        `json:"rule"`
	Group     string        `json:"group"`
	From      eval.Phase    `json:"from"`
	FromLevel rules.Level   `json:"from_level"`
	To        eval.Phase    `json:"to"`
	Level     rules.Level   `json:"level"`
	Value     eval.Value    `json:"value"`
	Reason    string        `json:"reason"`
	Labels    labels.Labels `json:"labels"`
}

func newTransition(e eval.Entry) Transition {
	_, group, _ := strings.Cut(e.Group, ";") // file;group
	return Transition{Time: time.UnixMilli(e.At).UTC(), Rule: e.Rule, Group: group, From: e.From, FromLevel: e.FromLevel,
		To: e.To, Level: e.Level, Value: e.Value, Reason: e.Reason, Labels: e.Labels}
}
