package metrics

import (
	"fmt"
	"regexp/syntax"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/storage"
)

// matcherSQL turns a matcher into a condition on metrics_series. The condition
// never excludes a series that the matcher matches, but may let others
// through: Go checks every series again. It is empty when SQL can't help.
func matcherSQL(m *labels.Matcher) string {
	column := "labels[" + storage.String(m.Name) + "]"
	if m.Name == labels.MetricName {
		column = "metric"
	}
	return valueSQL(column, m)
}

// valueSQL is the condition on an expression that holds the label's value, ”
// when the series has no such label.
func valueSQL(column string, m *labels.Matcher) string {
	switch m.Type {
	case labels.MatchEqual:
		return column + " = " + storage.String(m.Value)
	case labels.MatchNotEqual:
		return column + " != " + storage.String(m.Value)
	case labels.MatchRegexp:
		return regexSQL(column, m)
	case labels.MatchNotRegexp:
		if cond := regexSQL(column, m); cond != "" && exactRegex(m.Value) {
			return "NOT (" + cond + ")"
		}
	}
	return ""
}

// regexSQL is the condition that a value matches m's expression, which is
// anchored at both ends, with a dot that matches newlines, as in Prometheus.
func regexSQL(column string, m *labels.Matcher) string {
	switch set := m.SetMatches(); {
	case len(set) == 1:
		return column + " = " + storage.String(set[0])
	case len(set) > 1:
		return column + " IN " + storage.Strings(set)
	case m.Value == ".*":
		return "1"
	case m.Value == ".+":
		return column + " != ''"
	case sameRegex(m.Value):
		return fmt.Sprintf("match(%s, %s)", column, storage.String("^(?s:"+m.Value+")$"))
	case m.Prefix() != "":
		return fmt.Sprintf("startsWith(%s, %s)", column, storage.String(m.Prefix()))
	}
	return ""
}

// exactRegex tells that regexSQL's condition is the expression itself rather
// than a looser one, so that it may be negated.
func exactRegex(expr string) bool {
	m, err := labels.NewMatcher(labels.MatchRegexp, "x", expr)
	return err == nil && (len(m.SetMatches()) > 0 || expr == ".*" || expr == ".+" || sameRegex(expr))
}

// maxRegex is the longest expression that is left to ClickHouse, which bounds
// the memory that RE2 compiles with.
const maxRegex = 1000

// sameRegex tells that Go and RE2 mean the same by an expression. Left out is
// where they may differ: case folding beyond ASCII, Unicode classes (tables of
// other versions), bytes that are no text, and counted repetitions that RE2
// finds too big.
func sameRegex(expr string) bool {
	if len(expr) > maxRegex || strings.ContainsAny(expr, "\x00") {
		return false
	}
	re, err := syntax.Parse(expr, syntax.Perl|syntax.DotNL)
	return err == nil && plainRegex(re)
}

func plainRegex(re *syntax.Regexp) bool {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase != 0 && !ascii(re.Rune) {
			return false
		}
	case syntax.OpCharClass:
		if !plainClass(re.Rune) {
			return false
		}
	case syntax.OpRepeat:
		if re.Max > 100 || re.Min > 100 {
			return false
		}
	case syntax.OpBeginLine, syntax.OpEndLine, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpNoMatch:
		return false
	}
	for _, sub := range re.Sub {
		if !plainRegex(sub) {
			return false
		}
	}
	return true
}

// plainClass accepts classes of ASCII ranges and their complements.
func plainClass(ranges []rune) bool {
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := ranges[i], ranges[i+1]
		if hi > 0x7F && (lo > 0x80 || hi != 0x10FFFF) {
			return false
		}
	}
	return true
}

func ascii(rs []rune) bool {
	for _, r := range rs {
		// The Kelvin sign and the long s fold to k and s.
		if r > 0x7F || r == 'k' || r == 'K' || r == 's' || r == 'S' {
			return false
		}
	}
	return true
}

// matches tells whether a series is selected.
func matches(ls labels.Labels, ms []*labels.Matcher) bool {
	for _, m := range ms {
		if !m.Matches(ls.Get(m.Name)) {
			return false
		}
	}
	return true
}
