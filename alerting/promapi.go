package alerting

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/watchfire/watchfire/alerting/eval"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/server"
)

// The shapes of Prometheus' /api/v1/rules and /api/v1/alerts
// (web/api/v1/api.go).
type (
	promAlert struct {
		Labels          labels.Labels `json:"labels"`
		Annotations     labels.Labels `json:"annotations"`
		State           string        `json:"state"`
		ActiveAt        *time.Time    `json:"activeAt,omitempty"`
		KeepFiringSince *time.Time    `json:"keepFiringSince,omitempty"`
		Value           string        `json:"value"`
	}
	promGroup struct {
		Name           string    `json:"name"`
		File           string    `json:"file"`
		Rules          []any     `json:"rules"`
		Interval       float64   `json:"interval"`
		Limit          int       `json:"limit"`
		EvaluationTime float64   `json:"evaluationTime"`
		LastEvaluation time.Time `json:"lastEvaluation"`
	}
	promRule struct {
		Name           string        `json:"name"`
		Query          string        `json:"query"`
		Labels         labels.Labels `json:"labels"`
		Health         string        `json:"health"`
		LastError      string        `json:"lastError,omitempty"`
		EvaluationTime float64       `json:"evaluationTime"`
		LastEvaluation time.Time     `json:"lastEvaluation"`
		Type           string        `json:"type"`
	}
	promAlertingRule struct {
		promRule
		State         string        `json:"state"`
		Duration      float64       `json:"duration"`
		KeepFiringFor float64       `json:"keepFiringFor"`
		Annotations   labels.Labels `json:"annotations"`
		Alerts        []promAlert   `json:"alerts"`
	}
)

func writeSuccess(w http.ResponseWriter, data any) error {
	return writeJSON(w, map[string]any{"status": "success", "data": data})
}

func (s *Service) servePromAlerts(w http.ResponseWriter, r *http.Request) error {
	alerts := []promAlert{}
	for _, g := range s.engine.Groups(server.Tenant(r.Context())) {
		for i := range g.Rules {
			alerts = append(alerts, promAlerts(&g.Rules[i])...)
		}
	}
	return writeSuccess(w, map[string]any{"alerts": alerts})
}

// promAlerts are a rule's alerts that Prometheus would have too: pending, or
// such that people are told.
func promAlerts(r *eval.RuleView) []promAlert {
	alerts := []promAlert{}
	for _, a := range r.Alerts {
		if a.Phase == eval.Unknown && a.Level == rules.None {
			continue
		}
		state := a.Phase.String()
		if a.Level != rules.None {
			state = eval.Firing.String()
		}
		alerts = append(alerts, promAlert{Labels: a.Labels, Annotations: a.Annotations, State: state, ActiveAt: optional(a.Active),
			KeepFiringSince: optional(a.Gone), Value: strconv.FormatFloat(a.Value, 'e', -1, 64)})
	}
	return alerts
}

// promFilter is what a request for rules selects.
type promFilter struct {
	alerts, records bool
	names, groups   []string
	files           []string
	noAlerts        bool
	matchers        [][]*labels.Matcher
	max             int // groups in the answer, 0 = all
	token           string
}

func parsePromFilter(q url.Values) (f promFilter, err error) {
	f.names, f.groups, f.files = q["rule_name[]"], q["rule_group[]"], q["file[]"]
	switch typ := strings.ToLower(q.Get("type")); typ {
	case "":
		f.alerts, f.records = true, true
	case "alert":
		f.alerts = true
	case "record":
		f.records = true
	default:
		return f, server.Invalid("invalid parameter \"type\": not supported value %q", typ)
	}
	if text := q.Get("exclude_alerts"); text != "" {
		if f.noAlerts, err = strconv.ParseBool(strings.ToLower(text)); err != nil {
			return f, server.Invalid("invalid parameter \"exclude_alerts\": %q is not true or false", text)
		}
	}
	for _, text := range q["match[]"] {
		ms, err := parser.NewParser(parser.Options{}).ParseMetricSelector(text)
		if err != nil {
			return f, server.Invalid("invalid parameter \"match[]\": %w", err)
		}
		f.matchers = append(f.matchers, ms)
	}
	f.token = q.Get("group_next_token")
	text := q.Get("group_limit")
	switch {
	case text == "" && f.token != "":
		return f, server.Invalid("invalid parameter \"group_next_token\": group_limit needs to be present in order to paginate over the groups")
	case text == "":
		return f, nil
	}
	if f.max, err = strconv.Atoi(text); err != nil || f.max <= 0 {
		return f, server.Invalid("invalid parameter \"group_limit\": %q must be a number greater than 0", text)
	}
	return f, nil
}

func (s *Service) servePromRules(w http.ResponseWriter, r *http.Request) error {
	f, err := parsePromFilter(r.URL.Query())
	if err != nil {
		return err
	}
	groups := []promGroup{}
	next := ""
	found := f.token == ""
	for _, g := range s.engine.Groups(server.Tenant(r.Context())) {
		if found = found || f.token == groupToken(&g); !found {
			continue
		}
		if !selected(f.groups, g.Name) || !selected(f.files, g.File) {
			continue
		}
		pg := f.group(&g)
		if len(pg.Rules) == 0 {
			continue
		}
		if f.max > 0 && len(groups) == f.max {
			next = groupToken(&g)
			break
		}
		groups = append(groups, pg)
	}
	if !found {
		return server.Invalid("invalid parameter \"group_next_token\": no group has %q: were the rules changed?", f.token)
	}
	data := map[string]any{"groups": groups}
	if next != "" {
		data["groupNextToken"] = next
	}
	return writeSuccess(w, data)
}

// groupToken is Prometheus' token of a page that begins with the group.
func groupToken(g *eval.GroupView) string {
	sum := sha256.Sum256([]byte(g.File + ";" + g.Name))
	return hex.EncodeToString(sum[:])
}

func selected(names []string, name string) bool {
	return len(names) == 0 || slices.Contains(names, name)
}

func (f *promFilter) group(g *eval.GroupView) promGroup {
	pg := promGroup{Name: g.Name, File: g.File, Rules: []any{}, Interval: g.Interval.Seconds(), Limit: g.Limit,
		EvaluationTime: g.Duration.Seconds(), LastEvaluation: g.Evaluation}
	for i := range g.Rules {
		r := &g.Rules[i]
		if !selected(f.names, r.Name) || !f.matches(r.Labels) || r.Record && !f.records || !r.Record && !f.alerts {
			continue
		}
		pg.Rules = append(pg.Rules, f.rule(r))
	}
	return pg
}

// matches reports whether labels meet any of the selectors, as far as they
// are no templates.
func (f *promFilter) matches(ls labels.Labels) bool {
	if len(f.matchers) == 0 {
		return true
	}
	return slices.ContainsFunc(f.matchers, func(ms []*labels.Matcher) bool {
		for _, m := range ms {
			if v := ls.Get(m.Name); strings.Contains(v, "{{") || !m.Matches(v) {
				return false
			}
		}
		return true
	})
}

func (f *promFilter) rule(r *eval.RuleView) any {
	base := promRule{Name: r.Name, Labels: r.Labels, Health: "unknown", EvaluationTime: r.Duration.Seconds(), LastEvaluation: r.Evaluation, Type: "recording"}
	if len(r.Exprs) > 0 {
		base.Query = strings.Join(r.Exprs, "\nor\n")
	}
	switch {
	case r.Error != nil:
		base.Health, base.LastError = "err", r.Error.Error()
	case !r.Evaluation.IsZero():
		base.Health = "ok"
	}
	if r.Record {
		return base
	}
	base.Type = "alerting"
	rule := promAlertingRule{promRule: base, State: promState(r), Annotations: r.Annotations}
	if len(r.Levels) > 0 {
		rule.Duration, rule.KeepFiringFor = r.Levels[0].For.Seconds(), r.Levels[0].KeepFiringFor.Seconds()
	}
	if !f.noAlerts {
		rule.Alerts = promAlerts(r)
	}
	return rule
}

func promState(r *eval.RuleView) string {
	switch {
	case r.Evaluation.IsZero():
		return eval.Unknown.String()
	case r.Level != rules.None:
		return eval.Firing.String()
	}
	return r.Phase.String()
}
