package logs

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/grafana/loki/v3/pkg/logql/log"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// labelFilter compiles a label filter that stands before any parser: it sees
// the structured metadata of a line, and the labels of its stream. inStream
// tells whether any of the selected streams has a label; then SQL can't help.
func labelFilter(f log.LabelFilterer, inStream func(name string) bool) condition {
	switch f := f.(type) {
	case *log.BinaryLabelFilter:
		return binaryFilter(f, inStream)
	case *log.NoopLabelFilter:
		return condition{exact: true}
	case *log.StringLabelFilter:
		return metadataMatcher(f.Matcher, inStream)
	case *log.LineFilterLabelFilter:
		return metadataMatcher(f.Matcher, inStream)
	}
	return condition{}
}

func binaryFilter(f *log.BinaryLabelFilter, inStream func(string) bool) condition {
	l, r := labelFilter(f.Left, inStream), labelFilter(f.Right, inStream)
	switch {
	case f.And && (l.sql == "" || r.sql == ""):
		return condition{l.sql + r.sql, l.exact && r.exact}
	case f.And:
		return condition{"(" + l.sql + " AND " + r.sql + ")", l.exact && r.exact}
	case l.sql == "" || r.sql == "":
		return condition{}
	}
	return condition{"(" + l.sql + " OR " + r.sql + ")", l.exact && r.exact}
}

// metadataMatcher compiles name="value" and its like. What a line does not
// have counts as the empty string.
func metadataMatcher(m *labels.Matcher, inStream func(string) bool) condition {
	if inStream(m.Name) || !ownName(m.Name) {
		return condition{}
	}
	values, isSet := matchedSet(m)
	switch m.Name {
	case levelKey:
		return levelMatcher(m)
	case traceKey, spanKey:
		if !isSet || m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp {
			return condition{}
		}
		return idMatcher(m.Name, values)
	}
	column := "metadata[" + storage.String(m.Name) + "]"
	switch {
	case !isSet:
		return condition{}
	case m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp:
		return condition{column + " NOT IN " + storage.Strings(values), true}
	}
	return condition{column + " IN " + storage.Strings(values), true}
}

// ownName tells names of structured metadata from those that Loki's pipeline
// makes: of errors, and of metadata whose name is a label of the stream too.
func ownName(name string) bool {
	return !strings.HasPrefix(name, "__") && !strings.HasSuffix(name, "_extracted")
}

// matchedSet is the set of values that a matcher names, if it is that simple.
func matchedSet(m *labels.Matcher) ([]string, bool) {
	if m.Type == labels.MatchEqual || m.Type == labels.MatchNotEqual {
		return []string{m.Value}, true
	}
	set := m.SetMatches()
	return set, len(set) > 0
}

// levelMatcher compiles a matcher of detected_level, which severity tells
// unless the metadata does.
func levelMatcher(m *labels.Matcher) condition {
	numbers := []string{"255"} // none
	for s := range len(levelNames) - 1 {
		if m.Matches(levelOf(telemetry.Severity(s))) {
			numbers = append(numbers, strconv.Itoa(s))
		}
	}
	key := storage.String(levelKey)
	own := "mapContains(metadata, " + key + ")"
	bySeverity := "severity IN (" + strings.Join(numbers, ", ") + ")"
	values, isSet := matchedSet(m)
	if !isSet {
		return condition{"(" + bySeverity + " OR " + own + ")", false}
	}
	in := " IN "
	if m.Type == labels.MatchNotEqual || m.Type == labels.MatchNotRegexp {
		in = " NOT IN "
	}
	return condition{fmt.Sprintf("if(%s, metadata[%s]%s%s, %s)", own, key, in, storage.Strings(values), bySeverity), true}
}

// idMatcher compiles trace_id="..." and span_id="...": ids in their usual text
// are in their column, all else is in the metadata.
func idMatcher(name string, values []string) condition {
	var conds, rest []string
	for _, v := range values {
		var trace telemetry.TraceID
		var span telemetry.SpanID
		switch {
		case name == traceKey && parseID(trace[:], v), name == spanKey && parseID(span[:], v):
			conds = append(conds, name+" = unhex('"+v+"')")
			rest = append(rest, v)
		case v == "":
			return condition{}
		default:
			rest = append(rest, v)
		}
	}
	conds = append(conds, "metadata["+storage.String(name)+"] IN "+storage.Strings(rest))
	return condition{"(" + strings.Join(conds, " OR ") + ")", false}
}
