package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/prompb"
)

// exporter is Debian's node_exporter watching this machine.
type exporter struct {
	proc *process
	url  string
}

func (l *lab) nodeExporter() (*exporter, error) {
	path, err := tool("prometheus-node-exporter", "prometheus-node-exporter")
	if err != nil {
		return nil, err
	}
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	p, err := startProcess("node_exporter", path, "--web.listen-address="+addr)
	if err != nil {
		return nil, err
	}
	l.atEnd(func() error { _, err := p.stop(); return err })
	return &exporter{p, "http://" + addr + "/metrics"}, nil
}

// scrape is one reading of every series.
type scrape struct {
	series []prompb.TimeSeries // one sample each
}

// scrape reads the exporter n times.
func (e *exporter) scrape(ctx context.Context, n int, every time.Duration) ([]scrape, error) {
	if _, err := e.proc.waitFor(ctx, e.url); err != nil {
		return nil, err
	}
	symbols := labels.NewSymbolTable()
	next := time.Now()
	all := make([]scrape, 0, n)
	for range n {
		if err := sleepUntil(ctx, next); err != nil {
			return nil, err
		}
		next = next.Add(every)
		s, err := e.read(ctx, symbols)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func (e *exporter) read(ctx context.Context, symbols *labels.SymbolTable) (s scrape, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.url, nil)
	if err != nil {
		return s, err
	}
	now := time.Now().UnixMilli()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return s, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return s, err
	}
	if resp.StatusCode != http.StatusOK {
		return s, fmt.Errorf("GET %s: %s", e.url, resp.Status)
	}
	p := textparse.NewPromParser(text, symbols, false)
	for {
		entry, err := p.Next()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, fmt.Errorf("cannot parse %s: %w", e.url, err)
		}
		if entry != textparse.EntrySeries {
			continue
		}
		var ls labels.Labels
		p.Labels(&ls)
		b := labels.NewBuilder(ls)
		b.Set("instance", "bench.example:9100")
		b.Set("job", "node")
		_, _, v := p.Series()
		s.series = append(s.series, prompb.TimeSeries{
			Labels: prompb.FromLabels(b.Labels(), nil), Samples: []prompb.Sample{{Timestamp: now, Value: v}},
		})
	}
}

// encodeScrapes makes a remote-write body; a series' samples lie together.
func encodeScrapes(scrapes []scrape) ([]byte, error) {
	var req prompb.WriteRequest
	at := map[string]int{}
	for _, s := range scrapes {
		for _, ts := range s.series {
			key := fmt.Sprint(ts.Labels)
			i, ok := at[key]
			if !ok {
				i = len(req.Timeseries)
				at[key] = i
				req.Timeseries = append(req.Timeseries, prompb.TimeSeries{Labels: ts.Labels})
			}
			req.Timeseries[i].Samples = append(req.Timeseries[i].Samples, ts.Samples...)
		}
	}
	raw, err := req.Marshal()
	if err != nil {
		return nil, err
	}
	return snappy.Encode(nil, raw), nil
}
