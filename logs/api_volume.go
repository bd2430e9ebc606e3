package logs

import (
	"context"
	"fmt"
	"net/http"
	"sort"
	"strings"
	"time"

	"github.com/ClickHouse/ch-go/proto"
	"github.com/grafana/loki/v3/pkg/loghttp"
	"github.com/grafana/loki/v3/pkg/logproto"
	"github.com/grafana/loki/v3/pkg/logql/syntax"
	"github.com/grafana/loki/v3/pkg/logqlmodel/stats"
	"github.com/grafana/loki/v3/pkg/util/httpreq"
	"github.com/grafana/loki/v3/pkg/util/marshal"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/watchfire/watchfire/server"
	"github.com/watchfire/watchfire/storage"
)

// amount is how much there is of a stream within a bucket of time.
type amount struct {
	stream       int   // index in streamSet
	bucket       int64 // number of the bucket
	lines, bytes uint64
}

// amounts counts lines and bytes of streams by buckets of step nanoseconds,
// which begin at the span's start; step 0 makes one of all.
func (s *Store) amounts(ctx context.Context, set *streamSet, step int64) ([]amount, error) {
	if len(set.ids) == 0 {
		return nil, nil
	}
	var (
		stream       proto.ColUInt128
		bucket       proto.ColInt64
		lines, bytes proto.ColUInt64
		out          []amount
	)
	bucketSQL := "toInt64(0)"
	if step > 0 {
		bucketSQL = fmt.Sprintf("intDiv(time - %d, %d)", set.span.from, step)
	}
	_, err := s.client.Select(s.limits(ctx), storage.Select{
		SQL: "SELECT stream, " + bucketSQL + " AS bucket, count() AS lines, sum(body.size) AS bytes FROM " + recordsTable.Name +
			" WHERE " + strings.Join(set.where(set.span), " AND ") + " GROUP BY stream, bucket",
		Result: proto.Results{{Name: "stream", Data: &stream}, {Name: "bucket", Data: &bucket}, {Name: "lines", Data: &lines}, {Name: "bytes", Data: &bytes}},
		OnBlock: func(rows int) error {
			for i := range rows {
				if j, ok := set.index[stream[i]]; ok {
					out = append(out, amount{j, bucket[i], lines[i], bytes[i]})
				}
			}
			return nil
		},
	})
	return out, err
}

// selected are the streams of a request's selector; an empty one selects all.
func (a *API) selected(ctx context.Context, query string, start, end time.Time) (*streamSet, error) {
	var matchers []*labels.Matcher
	if query != "" && query != "{}" {
		expr, err := syntax.ParseLogSelector(query, true)
		if err != nil {
			return nil, invalid(err)
		}
		matchers = expr.Matchers()
	}
	set, err := a.store.streams(ctx, server.Tenant(ctx), matchers, span{start.UnixNano(), end.UnixNano()})
	if err != nil {
		return nil, queryError(err)
	}
	return set, nil
}

func (a *API) indexStats(w http.ResponseWriter, r *http.Request) error {
	q, err := loghttp.ParseIndexStatsQuery(r)
	if err != nil {
		return invalid(err)
	}
	set, err := a.selected(r.Context(), q.Query, q.Start, q.End)
	if err != nil {
		return err
	}
	found, err := a.store.amounts(r.Context(), set, 0)
	if err != nil {
		return queryError(err)
	}
	out := &logproto.IndexStatsResponse{Streams: uint64(len(found)), Chunks: uint64(len(found))}
	for _, f := range found {
		out.Entries += f.lines
		out.Bytes += f.bytes
	}
	asJSON(w)
	return marshal.WriteIndexStatsResponseJSON(out, w)
}

// volumeKey returns the labels under which a stream's volume is counted, as
// Loki's index/volume aggregates: by series, the labels that the request
// targets or its matchers name; by labels, every label's name.
func volumeKeys(set *streamSet, targets []string, byLabels bool) [][]labels.Labels {
	wanted := map[string]bool{}
	for _, t := range targets {
		wanted[t] = true
	}
	if len(targets) == 0 {
		for _, m := range set.matchers {
			wanted[m.Name] = true
		}
	}
	keys := make([][]labels.Labels, len(set.labels))
	for i, ls := range set.labels {
		var b []labels.Label
		ls.Range(func(l labels.Label) {
			switch {
			case byLabels && (len(targets) == 0 || wanted[l.Name]):
				keys[i] = append(keys[i], labels.FromStrings(l.Name, ""))
			case !byLabels && (len(wanted) == 0 || wanted[l.Name]):
				b = append(b, l)
			}
		})
		if len(b) > 0 {
			keys[i] = append(keys[i], labels.New(b...))
		}
	}
	return keys
}

// volumeSeries are volumes by bucket, largest series first, limit at most.
func volumeSeries(found []amount, keys [][]labels.Labels, start, step int64, buckets, limit int) promql.Matrix {
	type series struct {
		labels labels.Labels
		total  uint64
		bytes  map[int64]uint64
	}
	all := map[string]*series{}
	for _, f := range found {
		for _, ls := range keys[f.stream] {
			k := ls.String()
			if all[k] == nil {
				all[k] = &series{labels: ls, bytes: map[int64]uint64{}}
			}
			all[k].total += f.bytes
			all[k].bytes[f.bucket] += f.bytes
		}
	}
	names := make([]string, 0, len(all))
	for k := range all {
		names = append(names, k)
	}
	sort.Slice(names, func(i, j int) bool {
		if a, b := all[names[i]].total, all[names[j]].total; a != b {
			return a > b
		}
		return names[i] < names[j]
	})
	var out promql.Matrix
	for _, k := range names[:min(limit, len(names))] {
		s := promql.Series{Metric: all[k].labels}
		for b := range int64(buckets) {
			if n, ok := all[k].bytes[b]; ok {
				s.Floats = append(s.Floats, promql.FPoint{T: (start + b*step) / 1e6, F: float64(n)})
			}
		}
		out = append(out, s)
	}
	return out
}

func (a *API) volume(w http.ResponseWriter, r *http.Request) error {
	q, err := loghttp.ParseVolumeInstantQuery(r)
	if err != nil {
		return invalid(err)
	}
	set, err := a.selected(r.Context(), q.Query, q.Start, q.End)
	if err != nil {
		return err
	}
	found, err := a.store.amounts(r.Context(), set, 0)
	if err != nil {
		return queryError(err)
	}
	vector := promql.Vector{}
	for _, s := range volumeSeries(found, volumeKeys(set, q.TargetLabels, q.AggregateBy == "labels"), q.End.UnixNano(), 0, 1, int(q.Limit)) {
		vector = append(vector, promql.Sample{Metric: s.Metric, T: s.Floats[0].T, F: s.Floats[0].F})
	}
	return writeResult(w, r, vector)
}

func (a *API) volumeRange(w http.ResponseWriter, r *http.Request) error {
	q, err := loghttp.ParseVolumeRangeQuery(r)
	if err != nil {
		return invalid(err)
	}
	set, err := a.selected(r.Context(), q.Query, q.Start, q.End)
	if err != nil {
		return err
	}
	found, err := a.store.amounts(r.Context(), set, int64(q.Step))
	if err != nil {
		return queryError(err)
	}
	buckets := int(q.End.Sub(q.Start)/q.Step) + 1
	matrix := volumeSeries(found, volumeKeys(set, q.TargetLabels, q.AggregateBy == "labels"), q.Start.UnixNano(), int64(q.Step), buckets, int(q.Limit))
	if matrix == nil {
		matrix = promql.Matrix{}
	}
	return writeResult(w, r, matrix)
}

func writeResult(w http.ResponseWriter, r *http.Request, v parser.Value) error {
	asJSON(w)
	return marshal.WriteQueryResponseJSON(v, nil, stats.Result{}, w, httpreq.ExtractEncodingFlags(r))
}
