package promapi

import (
	"net/http"
	"strconv"
	"time"

	v1 "github.com/prometheus/prometheus/web/api/v1"

	"github.com/watchfire/watchfire/metrics"
	"github.com/watchfire/watchfire/server"
)

// family is one answer of /metadata.
type family struct {
	Type string `json:"type"`
	Help string `json:"help"`
	Unit string `json:"unit"`
}

// metadata serves /metadata from the metadata that was pushed or scraped.
func (a *API) metadata(w http.ResponseWriter, r *http.Request) error {
	limit, err := number(r, "limit", 0)
	if err != nil {
		return err
	}
	perMetric, err := number(r, "limit_per_metric", 0)
	if err != nil {
		return err
	}
	rows, err := a.store.Metadata(r.Context(), server.Tenant(r.Context()), r.FormValue("metric"), limit, perMetric)
	if err != nil {
		return err
	}
	out := map[string][]family{}
	for _, m := range rows {
		out[m.Metric] = append(out[m.Metric], family{Type: m.Type, Help: m.Help, Unit: m.Unit})
	}
	return server.WriteData(w, out)
}

// tsdbStatus serves /status/tsdb: today's cardinality in the shape of
// Prometheus' answer, without what only its TSDB has.
func (a *API) tsdbStatus(w http.ResponseWriter, r *http.Request) error {
	limit, err := number(r, "limit", 10)
	if err != nil {
		return err
	}
	now := a.now()
	c, err := a.store.Cardinality(r.Context(), server.Tenant(r.Context()), now, min(max(limit, 1), 10_000))
	if err != nil {
		return err
	}
	return server.WriteData(w, v1.TSDBStatus{
		HeadStats: v1.HeadStats{
			NumSeries: c.Series, NumLabelPairs: int(c.LabelPairs),
			MinTime: now.UTC().Truncate(24 * time.Hour).UnixMilli(), MaxTime: now.UnixMilli(),
		},
		SeriesCountByMetricName:     stats(c.ByMetric),
		LabelValueCountByLabelName:  stats(c.ValuesByLabel),
		MemoryInBytesByLabelName:    []v1.TSDBStat{},
		SeriesCountByLabelValuePair: stats(c.ByLabelValue),
	})
}

func stats(counts []metrics.Count) []v1.TSDBStat {
	out := make([]v1.TSDBStat, len(counts))
	for i, c := range counts {
		out[i] = v1.TSDBStat{Name: c.Name, Value: c.Value}
	}
	return out
}

// number reads a parameter that is a whole number.
func number(r *http.Request, name string, missing int) (int, error) {
	s := r.FormValue(name)
	if s == "" {
		return missing, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, server.Invalid("%s must be a number, not %q", name, s)
	}
	return n, nil
}
