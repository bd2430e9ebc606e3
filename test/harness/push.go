package harness

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// Point is one sample to push.
type Point struct {
	T int64 // Unix milliseconds
	V float64
}

// PushMetric remote-writes points of one series and returns the HTTP status;
// an error means that the answer never came.
func (w *Watchfire) PushMetric(name string, labels map[string]string, points ...Point) (int, string, error) {
	ts := prompb.TimeSeries{Labels: []prompb.Label{{Name: "__name__", Value: name}}}
	for _, k := range sortedKeys(labels) {
		ts.Labels = append(ts.Labels, prompb.Label{Name: k, Value: labels[k]})
	}
	for _, p := range points {
		ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: p.T, Value: p.V})
	}
	req := &prompb.WriteRequest{Timeseries: []prompb.TimeSeries{ts}}
	data, err := req.Marshal()
	if err != nil {
		return 0, "", err
	}
	return w.TryDo(http.MethodPost, "/api/v1/write", "application/x-protobuf", snappy.Encode(nil, data),
		"Content-Encoding", "snappy", "X-Prometheus-Remote-Write-Version", "0.1.0")
}

// PushLines pushes lines of one stream in Loki's JSON form, a nanosecond
// apart from at on.
func (w *Watchfire) PushLines(labels map[string]string, at time.Time, lines ...string) (int, string, error) {
	values := make([][2]string, len(lines))
	for i, l := range lines {
		values[i] = [2]string{strconv.FormatInt(at.UnixNano()+int64(i), 10), l}
	}
	body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": labels, "values": values}}})
	if err != nil {
		return 0, "", err
	}
	return w.TryDo(http.MethodPost, "/loki/api/v1/push", "application/json", body)
}

// RawSamples reads every stored sample of a metric between start and end, by
// its label's value.
func (w *Watchfire) RawSamples(selector, label string, span time.Duration, at time.Time) (map[string][]Point, error) {
	query := fmt.Sprintf("%s[%dms]", selector, span.Milliseconds())
	status, text, err := w.TryDo(http.MethodPost, "/api/v1/query", "application/x-www-form-urlencoded",
		fmt.Appendf(nil, "query=%s&time=%.3f", Escape(query), float64(at.UnixMilli())/1000))
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("status %d: %s", status, text)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values [][2]any
			}
		}
	}
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.UseNumber()
	if err := d.Decode(&answer); err != nil {
		return nil, fmt.Errorf("cannot read %.200q: %w", text, err)
	}
	out := map[string][]Point{}
	for _, r := range answer.Data.Result {
		for _, v := range r.Values {
			seconds, err := v[0].(json.Number).Float64()
			if err != nil {
				return nil, err
			}
			value, err := strconv.ParseFloat(v[1].(string), 64)
			if err != nil {
				return nil, err
			}
			out[r.Metric[label]] = append(out[r.Metric[label]], Point{T: int64(seconds*1000 + 0.5), V: value})
		}
	}
	return out, nil
}
