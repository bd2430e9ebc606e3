package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answer is what an API answered to a query.
type answer struct {
	body []byte
	took time.Duration // until the last byte
}

// querier does not ask for compression: it is the query that is measured.
var querier = &http.Client{Transport: &http.Transport{DisableCompression: true}, Timeout: 3 * time.Minute}

// ask sends a GET request; any status but 200 is an error.
func ask(ctx context.Context, address string, params map[string]string) (answer, error) {
	values := url.Values{}
	for k, v := range params {
		values.Set(k, v)
	}
	if len(values) > 0 {
		address += "?" + values.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Accept", "application/json")
	begun := time.Now()
	resp, err := querier.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return answer{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return answer{}, fmt.Errorf("GET %s: %s: %.300s", address, resp.Status, body)
	}
	return answer{body, time.Since(begun)}, nil
}

// matrix are the series of an answer of Prometheus' API to a range query,
// each a list of (time, value) by the text of its labels.
func (a answer) matrix() (map[string][]point, error) {
	var v struct {
		Data struct {
			Result []struct {
				Metric map[string]string
				Values []point
			}
		}
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		return nil, fmt.Errorf("cannot read %.100q: %w", a.body, err)
	}
	m := make(map[string][]point, len(v.Data.Result))
	for _, r := range v.Data.Result {
		key, err := json.Marshal(r.Metric) // sorts the labels
		if err != nil {
			return nil, err
		}
		m[string(key)] = r.Values
	}
	return m, nil
}

// scalar is the value of an instant query's only series.
func (a answer) scalar() (float64, error) {
	var v struct {
		Data struct{ Result []struct{ Value point } }
	}
	if err := json.Unmarshal(a.body, &v); err != nil {
		return 0, fmt.Errorf("cannot read %.100q: %w", a.body, err)
	}
	if len(v.Data.Result) != 1 {
		return 0, fmt.Errorf("%d series in the answer, want 1: %.100q", len(v.Data.Result), a.body)
	}
	return v.Data.Result[0].Value.v, nil
}

// point is Prometheus' [seconds, "value"].
type point struct{ t, v float64 }

// UnmarshalJSON implements json.Unmarshaler.
func (p *point) UnmarshalJSON(b []byte) error {
	var text string
	pair := [2]any{&p.t, &text}
	if err := json.Unmarshal(b, &pair); err != nil {
		return err
	}
	var err error
	p.v, err = strconv.ParseFloat(text, 64)
	return err
}
