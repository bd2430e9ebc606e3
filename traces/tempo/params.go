package tempo

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/traces"
	"github.com/watchfire/watchfire/traces/traceql"
)

// rangeOf reads start and end, Unix seconds; zero when neither is given. One
// alone is open at the other side by an hour.
func rangeOf(q url.Values) (traces.Range, error) {
	start, hasStart, err := seconds(q, "start")
	if err != nil {
		return traces.Range{}, err
	}
	end, hasEnd, err := seconds(q, "end")
	if err != nil {
		return traces.Range{}, err
	}
	switch {
	case !hasStart && !hasEnd:
		return traces.Range{}, nil
	case !hasStart:
		start = end - 3600
	case !hasEnd:
		end = start + 3600
	}
	if end <= start {
		return traces.Range{}, server.Invalid("http parameter start must be before end. received start=%d end=%d", start, end)
	}
	return traces.Range{From: start * int64(time.Second), To: end * int64(time.Second)}, nil
}

// maxSeconds keeps times within nanoseconds of 64 bits.
const maxSeconds = 1 << 33

func seconds(q url.Values, name string) (int64, bool, error) {
	s := q.Get(name)
	if s == "" || s == "0" {
		return 0, false, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > maxSeconds {
		return 0, false, server.Invalid("%s is %q: want Unix seconds", name, s)
	}
	return n, true, nil
}

// count reads a number that is not negative.
func count(q url.Values, name string, fallback int) (int, error) {
	s := q.Get(name)
	if s == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 {
		return 0, server.Invalid("invalid %s %q: want a number, 0 or more", name, s)
	}
	return n, nil
}

// lenientFilter reads the filter of a listing, of which editors send what is
// there so far: conditions that can't be read are left out, nil is no filter.
func lenientFilter(q string) *traceql.Filter {
	if strings.TrimSpace(q) == "" {
		return nil
	}
	if f, err := traceql.ParseFilter(q); err == nil {
		return f
	}
	inner := strings.TrimSpace(q)
	inner = strings.TrimSuffix(strings.TrimPrefix(inner, "{"), "}")
	var kept []string
	for _, part := range strings.Split(inner, "&&") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		if _, err := traceql.ParseFilter("{" + part + "}"); err == nil {
			kept = append(kept, part)
		}
	}
	if len(kept) == 0 {
		return nil
	}
	f, err := traceql.ParseFilter("{" + strings.Join(kept, "&&") + "}")
	if err != nil {
		return nil
	}
	return f
}

// query reads what a search is for: q, or tags with minDuration and
// maxDuration.
func query(q url.Values) (*traceql.Query, error) {
	text := q.Get("q")
	if text != "" && q.Get("tags") != "" {
		return nil, server.Invalid("can't specify tags and q in the same query")
	}
	if text == "" {
		var err error
		if text, err = tagsQuery(q); err != nil {
			return nil, err
		}
	}
	parsed, err := traceql.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("invalid TraceQL query: %w", err)
	}
	if parsed.Metric != nil {
		return nil, server.Invalid("%s is a metrics query: send it to /tempo/api/metrics/query_range", text)
	}
	return parsed, nil
}

// tagsQuery writes the older form of a search as TraceQL.
func tagsQuery(q url.Values) (string, error) {
	tags, err := parseLogfmt(q.Get("tags"))
	if err != nil {
		return "", server.Invalid("invalid tags: %w", err)
	}
	var conds []string
	for _, t := range tags {
		conds = append(conds, tagCondition(t.key, t.value))
	}
	for name, op := range map[string]string{"minDuration": ">=", "maxDuration": "<="} {
		if s := q.Get(name); s != "" {
			d, err := time.ParseDuration(s)
			if err != nil {
				return "", server.Invalid("invalid %s: %w", name, err)
			}
			conds = append(conds, fmt.Sprintf("traceDuration %s %dns", op, d.Nanoseconds()))
		}
	}
	return "{ " + strings.Join(conds, " && ") + " }", nil
}

// tagCondition matches a value as Tempo does: as a part of it in either case.
func tagCondition(key, value string) string {
	pattern := strconv.Quote("(?is).*" + regexp.QuoteMeta(value) + ".*")
	switch key {
	case "name":
		return "name =~ " + pattern
	case "root.name":
		return "rootName =~ " + pattern
	case "root.service.name":
		return "rootServiceName =~ " + pattern
	case "status.code", "status":
		if value == "error" || value == "ok" || value == "unset" {
			return "status = " + value
		}
	case "error":
		if value == "true" {
			return "(status = error || .error = true)"
		}
	}
	field := traceql.Field{Scope: traceql.ScopeAny, Name: key}.String()
	alternatives := []string{field + " =~ " + pattern}
	if _, err := strconv.ParseFloat(value, 64); err == nil {
		if v := strings.TrimLeft(value, "+"); !strings.ContainsAny(v, "xXiInNpP_") {
			alternatives = append(alternatives, field+" = "+v)
		}
	}
	if value == "true" || value == "false" {
		alternatives = append(alternatives, field+" = "+value)
	}
	return "(" + strings.Join(alternatives, " || ") + ")"
}
