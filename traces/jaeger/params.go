package jaeger

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/traces"
	"github.com/watchfire/watchfire/traces/traceql"
)

// query writes a search as TraceQL: a span of the service and operation with
// the tags and the duration.
func query(q url.Values) (*traceql.Query, error) {
	service := q.Get("service")
	if service == "" {
		return nil, server.Invalid("parameter 'service' is required")
	}
	conds := []string{"resource.service.name = " + strconv.Quote(service)}
	if op := q.Get("operation"); op != "" && op != "all" {
		conds = append(conds, "name = "+strconv.Quote(op))
	}
	for _, bound := range [][2]string{{"minDuration", ">="}, {"maxDuration", "<="}} {
		if s := q.Get(bound[0]); s != "" {
			d, err := time.ParseDuration(s)
			if err != nil {
				return nil, server.Invalid("cannot parse %s: %w", bound[0], err)
			}
			conds = append(conds, fmt.Sprintf("duration %s %dns", bound[1], d.Nanoseconds()))
		}
	}
	tags, err := tagsOfQuery(q)
	if err != nil {
		return nil, err
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		conds = append(conds, tagCondition(k, tags[k]))
	}
	return traceql.Parse("{ " + strings.Join(conds, " && ") + " }")
}

// tagsOfQuery reads tags, JSON objects of texts, and tag, texts key:value.
func tagsOfQuery(q url.Values) (map[string]string, error) {
	tags := map[string]string{}
	for _, s := range q["tags"] {
		var of map[string]any
		if err := json.Unmarshal([]byte(s), &of); err != nil {
			return nil, server.Invalid("malformed 'tags' parameter %q, expecting a JSON object of strings: %w", s, err)
		}
		for k, v := range of {
			switch v := v.(type) {
			case string:
				tags[k] = v
			case bool, float64:
				tags[k] = fmt.Sprint(v)
			default:
				return nil, server.Invalid("malformed 'tags' parameter: the value of %q is no string", k)
			}
		}
	}
	for _, s := range q["tag"] {
		k, v, ok := strings.Cut(s, ":")
		if !ok {
			return nil, server.Invalid("malformed 'tag' parameter %q, expecting key:value", s)
		}
		tags[k] = v
	}
	return tags, nil
}

// tagCondition matches a tag of any type by its text; tags that Jaeger makes
// of a span's fields match the fields.
func tagCondition(key, value string) string {
	field := traceql.Field{Scope: traceql.ScopeAny, Name: key}.String()
	alternatives := []string{field + " = " + strconv.Quote(value)}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil {
		alternatives = append(alternatives, fmt.Sprintf("%s = %d", field, n))
	} else if f, err := strconv.ParseFloat(value, 64); err == nil && f-f == 0 {
		alternatives = append(alternatives, field+" = "+traceql.FloatValue(f).String())
	}
	if value == "true" || value == "false" {
		alternatives = append(alternatives, field+" = "+value)
	}
	text := func(intrinsic string) { alternatives = append(alternatives, intrinsic+" = "+strconv.Quote(value)) }
	switch {
	case key == "error" && value == "true":
		alternatives = append(alternatives, "status = error")
	case key == "span.kind" && slices.Contains(kindNames[1:], value):
		alternatives = append(alternatives, "kind = "+value)
	case key == "otel.status_code" && (value == "ERROR" || value == "OK"):
		alternatives = append(alternatives, "status = "+strings.ToLower(value))
	case key == "otel.status_description":
		text("statusMessage")
	case key == "otel.scope.name" || key == "otel.library.name":
		text("instrumentation:name")
	case key == "otel.scope.version" || key == "otel.library.version":
		text("instrumentation:version")
	}
	return "(" + strings.Join(alternatives, " || ") + ")"
}

// rangeOf reads start and end, Unix microseconds, or lookback, back from end
// or from now; zero when none is given.
func rangeOf(q url.Values, now time.Time) (traces.Range, error) {
	start, err := number(q, "start", 0)
	if err != nil {
		return traces.Range{}, err
	}
	end, err := number(q, "end", 0)
	if err != nil {
		return traces.Range{}, err
	}
	if start > maxMicros || end > maxMicros {
		return traces.Range{}, server.Invalid("start and end must be Unix microseconds, got %d and %d", start, end)
	}
	in := traces.Range{From: start * 1000, To: end * 1000}
	lookback := q.Get("lookback")
	if start == 0 && end == 0 && (lookback == "" || lookback == "custom") {
		return traces.Range{}, nil
	}
	from := in.To
	if end == 0 {
		from = now.UnixNano()
		in.To = from + int64(time.Minute) // of clocks that are ahead
	}
	if start == 0 {
		back := time.Hour
		if lookback != "" && lookback != "custom" {
			if back, err = parseLookback(lookback); err != nil {
				return traces.Range{}, err
			}
		}
		in.From = from - int64(back)
	}
	if in.To <= in.From {
		return traces.Range{}, server.Invalid("start %d must be before end %d", start, end)
	}
	return in, nil
}

const maxMicros = 1 << 53

// parseLookback reads a duration, which may be in days, as 2d.
func parseLookback(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n > 0 && n < 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, server.Invalid("cannot parse lookback %q: want a duration such as 1h or 2d", s)
	}
	return d, nil
}

func number(q url.Values, name string, fallback int64) (int64, error) {
	s := q.Get(name)
	if s == "" {
		return fallback, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, server.Invalid("cannot parse %s %q: want a number, 0 or more", name, s)
	}
	return n, nil
}
