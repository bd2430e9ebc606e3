// Package rules holds what an alert rule is and how rule files are read: the
// four levels, Prometheus' rule files as they are, Watchfire's own graded form
// (docs/rules.md) and the rules that come built in. It evaluates nothing and
// asks nobody: a file goes in, rules or problems with file:line:col come out.
package rules
