package rules

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"go.yaml.in/yaml/v3"
)

// Labels that say whose an alert is and what it is about.
const (
	OwnerLabel       = "owner"
	ApplicationLabel = "application"
)

// graded reads a file of the form that docs/rules.md describes.
func (r *reader) graded(root *yaml.Node) []*Group {
	var groups []*Group
	names := map[string]bool{}
	r.mapping(root, "a rule file", fields{
		"watchfire": func(_, v *yaml.Node) {
			if v.Value != "1" {
				r.fail(v, "this version reads `watchfire: 1`", "unknown version %s of the rule form", describe(v))
			}
		},
		"groups": func(_, v *yaml.Node) {
			r.list(v, "groups", func(n *yaml.Node) {
				g := r.gradedGroup(n)
				if names[g.Name] {
					r.fail(n, "name each group once in a file", "group %q is there twice", g.Name)
				}
				names[g.Name] = true
				groups = append(groups, g)
			})
		},
	})
	return groups
}

func (r *reader) gradedGroup(n *yaml.Node) *Group {
	g := &Group{Pos: r.pos(n)}
	common := map[string]string{}
	var owner, application string
	f := r.groupFields(g, &common)
	f["owner"] = func(k, v *yaml.Node) { owner = r.text(k, v) }
	f["application"] = func(k, v *yaml.Node) { application = r.text(k, v) }
	f["rules"] = func(_, v *yaml.Node) {
		r.list(v, "rules", func(n *yaml.Node) {
			if rule := r.gradedRule(n); rule != nil {
				g.Rules = append(g.Rules, rule)
			}
		})
	}
	r.mapping(n, "a group", f)
	if g.Name == "" {
		r.fail(n, "add a name", "a group has no name")
	}
	for _, rule := range g.Rules {
		rule.addLabels(common)
		rule.addOwner(owner, application)
	}
	return g
}

// addOwner gives an alert the owner and application labels; recording rules
// keep the labels of their series.
func (r *Rule) addOwner(owner, application string) {
	if r.Record {
		return
	}
	if r.Owner == "" {
		r.Owner = owner
	}
	if r.Application == "" {
		r.Application = application
	}
	own := map[string]string{}
	if r.Owner != "" {
		own[OwnerLabel] = r.Owner
	}
	if r.Application != "" {
		own[ApplicationLabel] = r.Application
	}
	r.addLabels(own)
	r.Owner, r.Application = r.Labels.Get(OwnerLabel), r.Labels.Get(ApplicationLabel)
}

// gradedNode is a rule while it is read.
type gradedNode struct {
	*Rule
	node, expr, levels *yaml.Node
	alert, record      *yaml.Node
	keep               time.Duration
	only               []*yaml.Node // keys that only alerts may have
}

func (r *reader) gradedRule(n *yaml.Node) *Rule {
	before := len(r.problems)
	g := &gradedNode{Rule: &Rule{Graded: true, Language: PromQL, Pos: r.pos(n), Unknown: DefaultUnknown()}, node: n}
	name := valueOf(n, "alert")
	alertOnly := func(read func(k, v *yaml.Node)) func(k, v *yaml.Node) {
		return func(k, v *yaml.Node) { g.only = append(g.only, k); read(k, v) }
	}
	r.mapping(n, "a rule", fields{
		"alert":           func(k, v *yaml.Node) { g.alert, g.Name = v, r.text(k, v) },
		"record":          func(k, v *yaml.Node) { g.record, g.Name, g.Record = v, r.text(k, v), true },
		"expr":            func(k, v *yaml.Node) { g.expr = v; r.text(k, v) },
		"language":        func(k, v *yaml.Node) { g.Language = r.language(v) },
		"levels":          alertOnly(func(k, v *yaml.Node) { g.levels = v }),
		"keep_firing_for": alertOnly(func(k, v *yaml.Node) { g.keep = r.duration(k, v) }),
		"unknown":         alertOnly(func(k, v *yaml.Node) { g.Unknown = r.unknown(v) }),
		"owner":           alertOnly(func(k, v *yaml.Node) { g.Owner = r.text(k, v) }),
		"application":     alertOnly(func(k, v *yaml.Node) { g.Application = r.text(k, v) }),
		"labels":          func(k, v *yaml.Node) { g.Labels = labels.FromMap(r.texts(k, v, r.gradedLabel(name))) },
		"annotations": alertOnly(func(k, v *yaml.Node) {
			g.Annotations = labels.FromMap(r.texts(k, v, func(k, v *yaml.Node) { r.templateCheck(name, k, v) }))
		}),
	})
	r.checkGraded(g)
	if len(r.problems) > before {
		return nil
	}
	return g.Rule
}

func (r *reader) gradedLabel(alert string) func(k, v *yaml.Node) {
	check := r.labelCheck(alert)
	return func(k, v *yaml.Node) {
		if k.Value == SeverityLabel && alert != "" {
			r.fail(k, "say it under levels", "label %q of a graded rule is its level and cannot be set", k.Value)
		}
		check(k, v)
	}
}

func (r *reader) language(v *yaml.Node) Language {
	switch Language(v.Value) {
	case PromQL, LogQL:
		return Language(v.Value)
	}
	r.fail(v, "promql or logql", "unknown language %s", describe(v))
	return PromQL
}

func (r *reader) unknown(v *yaml.Node) UnknownPolicy {
	u := DefaultUnknown()
	if v.Kind == yaml.ScalarNode && v.Value == "off" {
		u.Off = true
		return u
	}
	r.mapping(v, "unknown", fields{
		"after":  func(k, v *yaml.Node) { u.After = r.duration(k, v) },
		"forget": func(k, v *yaml.Node) { u.Forget = r.duration(k, v) },
		"notify": func(_, v *yaml.Node) {
			if v.Value == "never" {
				return
			}
			var err error
			if u.Notify, err = ParseLevel(v.Value); err != nil {
				r.fail(v, "a level, or never", "notify: %s is not a level", describe(v))
			}
		},
	})
	if v.Kind == yaml.MappingNode && u.Forget < u.After {
		r.fail(v, "forget later than after", "forget %s is before after %s", model.Duration(u.Forget), model.Duration(u.After))
	}
	return u
}

func (r *reader) checkGraded(g *gradedNode) {
	switch {
	case g.alert == nil && g.record == nil:
		r.fail(g.node, "name it by alert or record", "a rule has no name")
		return
	case g.alert != nil && g.record != nil:
		r.fail(g.record, "make it two rules", "a rule has both alert %q and record %q", g.alert.Value, g.record.Value)
		return
	case strings.TrimSpace(g.Name) == "":
		r.fail(g.node, "name it by alert or record", "a rule has an empty name")
		return
	}
	if g.Record {
		r.checkRecord(g)
		return
	}
	filters := false
	if g.expr != nil {
		filters = r.checkExpr(g.expr, g.Language)
		g.Exprs = []string{g.expr.Value}
	}
	if g.levels == nil {
		r.fail(g.node, "levels: {major: {above: 90, for: 5m}}", "alert %q has no levels", g.Name)
		return
	}
	r.checkLevels(g, filters)
}

func (r *reader) checkRecord(g *gradedNode) {
	for _, k := range g.only {
		r.fail(k, "only alerts have it", "key %q in recording rule %q", k.Value, g.Name)
	}
	if g.expr == nil {
		r.fail(g.node, "add expr", "recording rule %q has no expr", g.Name)
		return
	}
	r.checkExpr(g.expr, g.Language)
	g.Exprs = []string{g.expr.Value}
	if !model.UTF8Validation.IsValidMetricName(g.Name) || strings.ContainsAny(g.Name, "{}") {
		r.fail(g.record, "a metric name, without labels", "invalid name %q of a recording rule", g.Name)
	}
}

// levelNode is a level while it is read.
type levelNode struct {
	LevelRule
	key, op, expr, clear *yaml.Node
}

func (r *reader) checkLevels(g *gradedNode, filters bool) {
	var ls []*levelNode
	f := fields{}
	for _, l := range Levels() {
		f[l.String()] = func(k, v *yaml.Node) { ls = append(ls, r.level(l, k, v, g)) }
	}
	r.mapping(g.levels, "levels", f)
	slices.SortFunc(ls, func(a, b *levelNode) int { return int(b.Level) - int(a.Level) })
	if len(ls) == 0 && g.levels.Kind == yaml.MappingNode {
		r.fail(g.levels, "critical, major, minor or warning", "alert %q has no levels", g.Name)
	}
	for i, l := range ls {
		if l.expr == nil && g.expr == nil {
			r.fail(l.key, "add expr to the rule or to the level", "level %s of alert %q has no expr", l.Level, g.Name)
			continue
		}
		if l.expr == nil && l.op != nil && filters {
			r.fail(l.op, "leave the comparison to the levels", "expr %q compares already, so %s would see no healthy series", g.expr.Value, l.op.Value)
		}
		r.checkClear(l)
		for _, worse := range ls[:i] {
			r.checkOrder(worse, l)
		}
		g.Levels = append(g.Levels, l.LevelRule)
	}
}

func (r *reader) level(level Level, key, v *yaml.Node, g *gradedNode) *levelNode {
	l := &levelNode{LevelRule: LevelRule{Level: level, KeepFiringFor: g.keep}, key: key}
	op := func(o Op) func(k, v *yaml.Node) {
		return func(k, v *yaml.Node) {
			if l.op != nil {
				r.fail(k, "keep one of them", "level %s compares twice, by %s and by %s", level, l.op.Value, k.Value)
			}
			l.op, l.Op = k, o
			l.Threshold, _ = r.float(k, v)
		}
	}
	f := fields{
		"expr": func(_, v *yaml.Node) {
			l.expr = v
			r.checkExpr(v, g.Language)
			l.Expr = g.exprIndex(v.Value)
		},
		"clear":           func(k, v *yaml.Node) { l.clear = k; l.Clear, _ = r.float(k, v) },
		"for":             func(k, v *yaml.Node) { l.For = r.duration(k, v) },
		"keep_firing_for": func(k, v *yaml.Node) { l.KeepFiringFor = r.duration(k, v) },
	}
	for o := Above; o <= AtMost; o++ {
		f[opKeys[o]] = op(o)
	}
	r.mapping(v, "level "+level.String(), f)
	return l
}

// exprIndex finds an expression among those of the rule or adds it.
func (g *gradedNode) exprIndex(expr string) int {
	if i := slices.Index(g.Exprs, expr); i >= 0 {
		return i
	}
	g.Exprs = append(g.Exprs, expr)
	return len(g.Exprs) - 1
}

func (r *reader) checkClear(l *levelNode) {
	if l.clear == nil {
		l.Clear = l.Threshold
		return
	}
	up := l.Op == Above || l.Op == AtLeast
	switch {
	case l.op == nil:
		r.fail(l.clear, "use keep_firing_for", "clear %v of level %s without a threshold", l.Clear, l.Level)
	case up && l.Clear > l.Threshold:
		r.fail(l.clear, "clear below the threshold", "clear %v of level %s lies above its threshold %v", l.Clear, l.Level, l.Threshold)
	case !up && l.Clear < l.Threshold:
		r.fail(l.clear, "clear above the threshold", "clear %v of level %s lies below its threshold %v", l.Clear, l.Level, l.Threshold)
	}
}

// checkOrder refuses a worse level that is reached before, or together with, a
// lesser one on the same expression: one of the two would never be seen.
func (r *reader) checkOrder(worse, l *levelNode) {
	if worse.Expr != l.Expr || worse.op == nil || l.op == nil {
		return
	}
	up, worseUp := l.Op == Above || l.Op == AtLeast, worse.Op == Above || worse.Op == AtLeast
	if up != worseUp {
		return // a band: too low is one level, too high another
	}
	diff := worse.Threshold - l.Threshold
	if !up {
		diff = -diff
	}
	switch {
	case diff < 0:
		r.fail(worse.op, "the worse level needs the threshold that is harder to reach",
			"%s %v of level %s is reached before %v of level %s", worse.Op, worse.Threshold, worse.Level, l.Threshold, l.Level)
	case diff == 0 && worse.For <= l.For:
		r.fail(worse.op, "a higher threshold or a longer `for`", "level %s hides level %s: both have threshold %v and it waits no longer",
			worse.Level, l.Level, l.Threshold)
	}
}
