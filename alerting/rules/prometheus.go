package rules

import (
	"errors"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"go.yaml.in/yaml/v3"
)

// prometheus reads a file of Prometheus' form. The tree is walked for the
// places of problems, each rule is judged by rulefmt, and at the end rulefmt
// judges the whole, so that nothing passes that Prometheus would refuse.
func (r *reader) prometheus(root *yaml.Node) []*Group {
	var groups []*Group
	names := map[string]bool{}
	r.mapping(root, "a rule file", fields{"groups": func(_, v *yaml.Node) {
		r.list(v, "groups", func(n *yaml.Node) {
			g := r.promGroup(n)
			if names[g.Name] {
				r.fail(n, "name each group once in a file", "group %q is there twice", g.Name)
			}
			names[g.Name] = true
			groups = append(groups, g)
		})
	}})
	if len(r.problems) == 0 {
		r.rulefmt()
	}
	return groups
}

// rulefmt is the last word of Prometheus itself.
func (r *reader) rulefmt() {
	src := []byte(strings.Join(r.lines, "\n"))
	_, errs := rulefmt.Parse(src, false, model.UTF8Validation, promParser, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		line, col, msg := splitPlace(err.Error())
		r.failAt(line, col, "", "%s", msg)
	}
}

func (r *reader) promGroup(n *yaml.Node) *Group {
	g := &Group{Pos: r.pos(n)}
	common := map[string]string{}
	f := r.groupFields(g, &common)
	f["rules"] = func(_, v *yaml.Node) {
		r.list(v, "rules", func(n *yaml.Node) {
			if rule := r.promRule(n); rule != nil {
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
		rule.promLevel(r.opts.Severities)
	}
	return g
}

// groupFields are the keys that both forms know of a group.
func (r *reader) groupFields(g *Group, common *map[string]string) fields {
	return fields{
		"name":         func(k, v *yaml.Node) { g.Name = r.text(k, v) },
		"interval":     func(k, v *yaml.Node) { g.Interval = r.duration(k, v) },
		"query_offset": func(k, v *yaml.Node) { g.QueryOffset = r.duration(k, v) },
		"limit":        func(k, v *yaml.Node) { g.Limit = r.count(k, v) },
		"labels":       func(k, v *yaml.Node) { *common = r.texts(k, v, r.labelCheck("")) },
	}
}

// labelCheck refuses names that no label may have, and templates of the alert
// name that do not parse; with no name, templates are not looked at.
func (r *reader) labelCheck(alert string) func(k, v *yaml.Node) {
	return func(k, v *yaml.Node) {
		if !model.UTF8Validation.IsValidLabelName(k.Value) || k.Value == model.MetricNameLabel {
			r.fail(k, "", "invalid label name %q", k.Value)
		}
		r.templateCheck(alert, k, v)
	}
}

func (r *reader) templateCheck(alert string, k, v *yaml.Node) {
	if alert == "" {
		return
	}
	if err := checkTemplate(alert, v.Value); err != nil {
		r.fail(v, "", "the template of %q does not parse: %s", k.Value, err)
	}
}

func (r *reader) promRule(n *yaml.Node) *Rule {
	before := len(r.problems)
	rule := &Rule{Language: PromQL, Pos: r.pos(n), Unknown: UnknownPolicy{Off: true, After: 5 * time.Minute, Forget: 24 * time.Hour}}
	var expr *yaml.Node
	var hold, keep time.Duration
	alert := ""
	r.mapping(n, "a rule", fields{
		"record":          func(k, v *yaml.Node) { rule.Name, rule.Record = r.text(k, v), true },
		"alert":           func(k, v *yaml.Node) { alert = r.text(k, v) },
		"expr":            func(k, v *yaml.Node) { expr = v; r.text(k, v) },
		"for":             func(k, v *yaml.Node) { hold = r.duration(k, v) },
		"keep_firing_for": func(k, v *yaml.Node) { keep = r.duration(k, v) },
		"labels":          func(k, v *yaml.Node) { rule.Labels = labels.FromMap(r.texts(k, v, r.labelCheck(valueOf(n, "alert")))) },
		"annotations": func(k, v *yaml.Node) {
			name := valueOf(n, "alert")
			rule.Annotations = labels.FromMap(r.texts(k, v, func(k, v *yaml.Node) { r.templateCheck(name, k, v) }))
		},
	})
	if len(r.problems) == before {
		r.validate(n)
	}
	if len(r.problems) > before {
		return nil
	}
	rule.Exprs = []string{expr.Value}
	if !rule.Record {
		rule.Name = alert
		rule.Levels = []LevelRule{{For: hold, KeepFiringFor: keep}}
	}
	return rule
}

func valueOf(n *yaml.Node, key string) string {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1].Value
		}
	}
	return ""
}

// validate is rulefmt's judgement of one rule, at the place it means.
func (r *reader) validate(n *yaml.Node) {
	var rule rulefmt.Rule
	var node rulefmt.RuleNode
	if err := errors.Join(n.Decode(&rule), n.Decode(&node)); err != nil {
		r.fail(n, "", "%s", err)
		return
	}
	if rule.Expr != "" {
		before := len(r.problems)
		if r.checkExpr(resolve(&node.Expr), PromQL); len(r.problems) > before {
			return
		}
	}
	for _, e := range rule.Validate(node, model.UTF8Validation, promParser) {
		line, col, msg := splitPlace(e.Error())
		if line == 0 {
			line, col = n.Line, n.Column
		}
		r.failAt(line, col, "", "rule %q: %s", rule.Alert+rule.Record, msg)
	}
}

var place = regexp.MustCompile(`(?s)^(\d+):(\d+): (?:(\d+):(\d+): )?(.*)$`)

// splitPlace takes rulefmt's "line:col: " off an error; a pair of places is
// that of the first key which is there.
func splitPlace(s string) (line, col int, msg string) {
	m := place.FindStringSubmatch(s)
	if m == nil {
		if l := yamlLine.FindStringSubmatch(s); l != nil {
			line, _ = strconv.Atoi(l[1])
			return line, 1, l[2]
		}
		return 0, 0, s
	}
	line, _ = strconv.Atoi(m[1])
	col, _ = strconv.Atoi(m[2])
	if line == 0 && m[3] != "" {
		line, _ = strconv.Atoi(m[3])
		col, _ = strconv.Atoi(m[4])
	}
	return line, col, m[5]
}

// addLabels gives a rule its group's labels; its own win.
func (r *Rule) addLabels(common map[string]string) {
	lb := labels.NewBuilder(r.Labels)
	for k, v := range common {
		if !r.Labels.Has(k) {
			lb.Set(k, v)
		}
	}
	r.Labels = lb.Labels()
}

// promLevel makes the severity label the level of a Prometheus rule.
func (r *Rule) promLevel(severities SeverityMap) {
	r.severities = severities
	for i := range r.Levels {
		r.Levels[i].Level = severities.Level(r.Labels.Get(SeverityLabel))
	}
	r.Owner, r.Application = r.Labels.Get(OwnerLabel), r.Labels.Get(ApplicationLabel)
}
