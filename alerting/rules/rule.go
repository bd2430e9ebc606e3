package rules

import (
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

// Language is the query language of a rule.
type Language string

// The query languages.
const (
	PromQL Language = "promql"
	LogQL  Language = "logql"
)

// SeverityLabel carries an alert's level where labels decide: routes,
// inhibition, silences.
const SeverityLabel = "severity"

// Position is a place in a rule file. Line and Col start at 1.
type Position struct {
	File string
	Line int
	Col  int
}

func (p Position) String() string {
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Col)
}

// Group is a list of rules that are evaluated in order at the same moments.
type Group struct {
	Name        string
	Interval    time.Duration // 0 = the configured default
	QueryOffset time.Duration // how far behind the moment the queries look
	Limit       int           // alerts or series that one rule may give, 0 = any number
	Rules       []*Rule
	Pos         Position
}

// Key names the group among those of a tenant.
func (g *Group) Key() string { return g.Pos.File + ";" + g.Name }

// Rule is a recording rule, or an alert with the conditions of its levels.
type Rule struct {
	Name        string
	Record      bool // a recording rule: it has one expression and no levels
	Graded      bool // from our own form: the severity label is the level
	Language    Language
	Exprs       []string      // each is queried once per evaluation
	Levels      []LevelRule   // the worst first
	Labels      labels.Labels // values are templates
	Annotations labels.Labels // values are templates
	Owner       string
	Application string
	Unknown     UnknownPolicy
	Pos         Position

	// Key names the rule within its group over reloads: it does not change
	// when only expressions, times or annotations do.
	Key string

	severities SeverityMap
}

// LevelRule is the condition of one level.
type LevelRule struct {
	Level         Level
	Expr          int // index into Rule.Exprs
	Op            Op
	Threshold     float64
	Clear         float64       // the level is left only beyond this value; equal to Threshold = no hysteresis
	For           time.Duration // how long the condition must hold first
	KeepFiringFor time.Duration // how long it must be gone before the level is left
}

// Op compares a value with a threshold.
type Op uint8

// The comparisons. Present is Prometheus' own way: a series that the
// expression returns is the condition, whatever its value.
const (
	Present Op = iota
	Above
	AtLeast
	Below
	AtMost
)

var opSigns = [...]string{"present", ">", ">=", "<", "<="}
var opKeys = [...]string{"", "above", "at_least", "below", "at_most"}

// String is the comparison's sign.
func (o Op) String() string { return opSigns[o] }

// Holds reports whether v meets the comparison with threshold.
func (o Op) Holds(v, threshold float64) bool {
	switch o {
	case Above:
		return v > threshold
	case AtLeast:
		return v >= threshold
	case Below:
		return v < threshold
	case AtMost:
		return v <= threshold
	}
	return true
}

// UnknownPolicy says what becomes of an alert whose data are missing.
type UnknownPolicy struct {
	// Off: a series that is gone while queries work was meant to go, as
	// Prometheus sees it. Failing queries and late data are unknown even so.
	Off    bool
	After  time.Duration // missing for this long is state unknown
	Notify Level         // people are told at this level or a worse one that the alert has, None = only at that
	Forget time.Duration // missing for this long, the alert is dropped
}

// DefaultUnknown is the policy of a graded rule that sets none.
func DefaultUnknown() UnknownPolicy {
	return UnknownPolicy{After: 5 * time.Minute, Forget: 24 * time.Hour}
}

// Thresholds reports whether any level compares a value: such a rule sees all
// series, healthy ones too, so that a series that is gone can be told from one
// that is well.
func (r *Rule) Thresholds() bool {
	for i := range r.Levels {
		if r.Levels[i].Op != Present {
			return true
		}
	}
	return false
}

// LevelOf is the level that is shown for an alert of this rule whose labels
// are ls and whose conditions say l. They differ only when a Prometheus rule
// computes its severity label by a template.
func (r *Rule) LevelOf(l Level, ls labels.Labels) Level {
	if r.Graded || l == None {
		return l
	}
	return r.severities.Level(ls.Get(SeverityLabel))
}
