package alerting

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/watchfire/watchfire/alerting/eval"
	"github.com/watchfire/watchfire/alerting/notify"
	"github.com/watchfire/watchfire/alerting/rules"
	"github.com/watchfire/watchfire/telemetry"
)

// Config is the section `alerting` of the configuration.
type Config struct {
	// RuleFiles are files and patterns of rules for the tenant `default`,
	// Prometheus' or in the graded form.
	RuleFiles []string `yaml:"rule_files"`
	// TenantRuleFiles are those of other tenants.
	TenantRuleFiles map[string][]string `yaml:"tenant_rule_files"`
	// BuiltinRules are the sets of built-in rules that are on, for the tenant
	// `default`: hosts, node_exporter, watchfire.
	BuiltinRules []string `yaml:"builtin_rules"`
	// Severities give values of Prometheus' severity labels their levels,
	// besides the ones that are known.
	Severities map[string]rules.Level `yaml:"severities"`

	Evaluation eval.Config   `yaml:"evaluation"`
	Notify     notify.Config `yaml:"notify"`
}

// DefaultConfig evaluates the built-in rules and tells nobody.
func DefaultConfig() Config {
	return Config{BuiltinRules: rules.BuiltinSets(), Evaluation: eval.DefaultConfig(), Notify: notify.DefaultConfig()}
}

// Validate names everything that is wrong, in the Alertmanager files too. Rule
// files are Check's.
func (c Config) Validate() error {
	errs := []error{prefix("evaluation", c.Evaluation.Validate()), prefix("notify", c.Notify.Validate())}
	for _, set := range c.BuiltinRules {
		if !slices.Contains(rules.BuiltinSets(), set) {
			errs = append(errs, fmt.Errorf("builtin_rules: unknown set %q: known are %s", set, strings.Join(rules.BuiltinSets(), ", ")))
		}
	}
	for severity, level := range c.Severities {
		if level == rules.None {
			errs = append(errs, fmt.Errorf("severities: %q needs a level", severity))
		}
	}
	if _, ok := c.TenantRuleFiles[telemetry.DefaultTenant]; ok {
		errs = append(errs, fmt.Errorf("tenant_rule_files: the rules of tenant %q belong under rule_files", telemetry.DefaultTenant))
	}
	return errors.Join(errs...)
}

func prefix(key string, err error) error {
	if err == nil {
		return nil
	}
	var errs []error
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			errs = append(errs, fmt.Errorf("%s.%w", key, e))
		}
		return errors.Join(errs...)
	}
	return fmt.Errorf("%s: %w", key, err)
}

// Check reads all rule files; the error is rules.Problems, one line for each
// as file:line:col. logQL judges LogQL metric queries, nil = any text passes.
func (c Config) Check(logQL func(expr string) error) error {
	_, problems := c.load(logQL)
	return problems.Err()
}

// load reads the rules of all tenants.
func (c Config) load(logQL func(expr string) error) (map[string][]*rules.Group, rules.Problems) {
	o := rules.Options{Severities: rules.DefaultSeverities(), LogQL: logQL}
	for severity, level := range c.Severities {
		o.Severities[strings.ToLower(severity)] = level
	}
	groups, problems := rules.Load(c.RuleFiles, o)
	own, err := rules.Builtin(c.BuiltinRules, o)
	if err != nil {
		problems = append(problems, rules.Problem{Position: rules.Position{File: "builtin_rules", Line: 1, Col: 1}, Message: err.Error()})
	}
	all := map[string][]*rules.Group{telemetry.DefaultTenant: append(own, groups...)}
	for tenant, files := range c.TenantRuleFiles {
		gs, ps := rules.Load(files, o)
		all[tenant] = gs
		problems = append(problems, ps...)
	}
	return all, problems
}
