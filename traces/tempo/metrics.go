package tempo

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/traces"
	"github.com/watchfire/watchfire/traces/traceql"
)

type timeSeries struct {
	Labels  []keyValue `json:"labels"`
	Samples []sample   `json:"samples,omitempty"`
	Value   *float64   `json:"value,omitempty"` // of instant queries
}

type sample struct {
	TimestampMs string  `json:"timestampMs"`
	Value       float64 `json:"value"`
}

func (a *API) queryRange(w http.ResponseWriter, r *http.Request) error {
	params := r.URL.Query()
	in, err := a.metricRange(params)
	if err != nil {
		return err
	}
	step := defaultStep(time.Duration(in.To - in.From))
	if s := params.Get("step"); s != "" {
		if step, err = parseStep(s); err != nil {
			return err
		}
	}
	return a.metric(w, r, in, step, false)
}

// queryInstant is one step as long as the range.
func (a *API) queryInstant(w http.ResponseWriter, r *http.Request) error {
	in, err := a.metricRange(r.URL.Query())
	if err != nil {
		return err
	}
	return a.metric(w, r, in, 0, true)
}

func (a *API) metric(w http.ResponseWriter, r *http.Request, in traces.Range, step time.Duration, instant bool) error {
	text := r.URL.Query().Get("q")
	if text == "" {
		text = r.URL.Query().Get("query")
	}
	q, err := traceql.Parse(text)
	if err != nil {
		return err
	}
	series, stats, err := a.reader.Metric(r.Context(), server.Tenant(r.Context()), q, in, step)
	if err != nil {
		return err
	}
	out := []timeSeries{}
	for _, s := range series {
		ts := timeSeries{Labels: []keyValue{}}
		for _, l := range s.Labels {
			ts.Labels = append(ts.Labels, keyValue{l.Name, valueJSON(l.Value)})
		}
		for _, p := range s.Points {
			if instant {
				ts.Value = &p.Value
				break
			}
			ts.Samples = append(ts.Samples, sample{strconv.FormatInt(p.Start/int64(time.Millisecond), 10), p.Value})
		}
		out = append(out, ts)
	}
	return server.WriteJSON(w, map[string]any{"series": out, "metrics": metricsOf(stats)})
}

// metricRange reads start and end, in Unix seconds with or without fractions,
// in nanoseconds, or as RFC 3339; or since, back from end or now; an hour by
// default.
func (a *API) metricRange(q url.Values) (in traces.Range, err error) {
	in.To = time.Now().UnixNano()
	if s := q.Get("end"); s != "" {
		if in.To, err = parseInstant("end", s); err != nil {
			return in, err
		}
	}
	since := time.Hour
	if s := q.Get("since"); s != "" {
		if since, err = time.ParseDuration(s); err != nil || since <= 0 {
			return in, server.Invalid("invalid since %q: want a duration such as 1h", s)
		}
	}
	in.From = in.To - int64(since)
	if s := q.Get("start"); s != "" {
		if in.From, err = parseInstant("start", s); err != nil {
			return in, err
		}
	}
	if in.To <= in.From {
		return in, server.Invalid("http parameter start must be before end. received start=%s end=%s", q.Get("start"), q.Get("end"))
	}
	return in, nil
}

func parseInstant(name, s string) (int64, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		if len(s) > 10 {
			return n, nil
		}
		return n * int64(time.Second), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < maxSeconds {
		return int64(f * 1e9), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.UnixNano(), nil
	}
	return 0, server.Invalid("%s is %q: want Unix seconds, nanoseconds or RFC 3339", name, s)
}

func parseStep(s string) (time.Duration, error) {
	if f, err := strconv.ParseFloat(s, 64); err == nil && f > 0 && f < maxSeconds {
		return time.Duration(f * 1e9), nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		return 0, server.Invalid("invalid step %q: want seconds or a duration such as 30s", s)
	}
	return d, nil
}

// defaultStep makes some 240 steps of a round length.
func defaultStep(length time.Duration) time.Duration {
	base := length / 240
	for _, unit := range []time.Duration{time.Hour, 5 * time.Minute, time.Minute, 15 * time.Second, 5 * time.Second} {
		if base > unit {
			return base.Truncate(unit)
		}
	}
	return max(base.Truncate(time.Second), time.Second)
}
